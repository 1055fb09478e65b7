package shops

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// MaxScale bounds Plan.Scale: 3,000 businesses, some fifty million lines of sales.
const MaxScale = 1000

// MaxDays bounds Plan.Days.
const MaxDays = 366

// Password is the one that all people of these shops sign in with.
const Password = "akwaaba-makola" //nolint:gosec // a published login of development

// passwordHash is Password's. It is written here so that the same rows come out every time; TestThePasswordIsTheOneThatIsPrinted holds the two together.
const passwordHash = "$argon2id$v=19$m=19456,t=2,p=1$Lsi9Eiw8WSHGBxj8whbWog$vCeMuc/Cto+16eL9+YIfRvArW7i/YkaM9VqajvZ2Iv4" //nolint:gosec // see Password

// Plan says what is made.
type Plan struct {
	// Seed is what chance begins with.
	Seed uint64
	// Until is the end: nothing happens at or after it.
	Until time.Time
	// Days is how long the shops have traded at the end; 0 means 365.
	Days int
	// Scale is how many times the three shops are made: 1 makes those three, 100 makes 300. 0 means 1.
	Scale int
}

// Validate reports a plan that cannot be carried out.
func (p Plan) Validate() error {
	switch {
	case p.Scale < 0 || p.Scale > MaxScale:
		return fmt.Errorf("the scale is %d; it may be 1 to %d", p.Scale, MaxScale)
	case p.Days < 0 || p.Days > MaxDays:
		return fmt.Errorf("%d days of trade; it may be 1 to %d", p.Days, MaxDays)
	case p.Until.Before(founded.AddDate(2, 0, 0)) || p.Until.Year() > 2999:
		return errors.New("the end must lie after September 2022 and before the year 3000")
	}
	return nil
}

// Len is how many shops the plan has.
func (p Plan) Len() int { return len(trades) * max(p.Scale, 1) }

// founded is when the businesses registered: before anything that a plan may tell of, and the same for all plans, so that their ids are.
var founded = time.Date(2020, time.September, 7, 9, 0, 0, 0, time.UTC)

// Shop is one business and its people.
type Shop struct {
	ID        uuid.UUID
	Number    int
	Name, TIN string
	// Owner is first, then managers, then the rest.
	People   []Person
	plan     Plan
	trade    *trade
	branches []branch
	volume   float64 // how many times the trade's usual sales it makes
}

// Person works in a shop.
type Person struct {
	ID          uuid.UUID
	Name, Email string
	// Role is OWNER, MANAGER or STAFF; Keeper marks the one of the warehouse.
	Role   string
	Keeper bool
	branch int // the storefront of a manager or cashier, from 1; 0: all of them
}

// branch is a place: number 0 is the warehouse, the others sell.
type branch struct {
	id                  uuid.UUID
	name, code, address string
}

// purposes of chance.
const (
	forPeople uint64 = iota
	forLife
	forIDs
)

// famous are the first three shops.
var famous = []struct {
	name, domain, owner, login string
	branches                   []branch
}{
	{"Adwoa's Provision Store", "adwoa", "Adwoa Mensah", "demo@makola.example", []branch{
		{name: "Back Store", code: "BACK", address: "Lagos Avenue 14, Madina, Accra"}, {name: "Madina Shop", code: "MAD", address: "Lagos Avenue 14, Madina, Accra"},
	}},
	{"Nkwa Pharmacy", "nkwa", "Emmanuel Ofori", "pharmacy@makola.example", []branch{
		{name: "Drug Store", code: "STOCK", address: "Ring Road 203, Kumasi"}, {name: "Nkwa Adum", code: "ADUM", address: "Ring Road 203, Kumasi"},
	}},
	{"Anyinam Electronics", "anyinam", "Yaw Boateng", "electronics@makola.example", []branch{
		{name: "Spintex Warehouse", code: "WH", address: "Spintex Road 88, Accra"}, {name: "Circle Branch", code: "CIR", address: "Ring Road 12, Accra"}, {name: "Osu Branch", code: "OSU", address: "Oxford Street 41, Accra"},
	}},
}

// Shop invents the people of shop i, from 0 to Len()-1, and whatever else does not depend on the plan's end.
func (p Plan) Shop(i int) Shop {
	c := newChance(p.Seed, uint64(i), forPeople)
	s := Shop{Number: i, plan: p, trade: trades[i%len(trades)], volume: 1}
	s.ID = c.id(founded.Add(time.Duration(i) * time.Minute))
	s.TIN = fmt.Sprintf("C%010d", 4_200_000_000+p.Seed%100_000*10_000+uint64(i))
	domain, owner, login := "", c.person(), ""
	if i < len(famous) {
		f := famous[i]
		s.Name, domain, owner, login, s.branches = f.name, f.domain, f.owner, f.login, append([]branch(nil), f.branches...)
	} else {
		s.Name, domain = fmt.Sprintf("%s's %s %04d", owner, s.trade.name, i), fmt.Sprintf("shop%04d", i)
		login = "owner@" + domain + ".makola.example"
		s.volume = 0.4 + 0.9*c.Float64()
		if i%25 == 7 { // a few are large
			s.volume *= 4
		}
		town := pick(c, towns)
		s.branches = []branch{{name: "Warehouse", code: "WH", address: town}, {name: "Main Shop", code: "MAIN", address: pick(c, streets) + ", " + town}}
		if s.trade == trades[2] {
			s.branches = append(s.branches, branch{name: "Second Shop", code: "TWO", address: pick(c, streets) + ", " + town})
		}
	}
	for b := range s.branches {
		s.branches[b].id = c.id(s.opened().Add(time.Duration(b+1) * time.Hour))
	}
	hire := func(role, name, email string, branch int, keeper bool) {
		s.People = append(s.People, Person{ID: c.id(s.opened().Add(time.Duration(len(s.People)) * time.Second)), Name: name, Email: email, Role: role, Keeper: keeper, branch: branch})
	}
	at := "@" + domain + ".makola.example"
	hire("OWNER", owner, login, 0, false)
	hire("MANAGER", c.person(), "manager"+at, 0, false)
	hire("STAFF", c.person(), "keeper"+at, 0, true)
	for b := 1; b < len(s.branches); b++ {
		for k := range 2 {
			hire("STAFF", c.person(), fmt.Sprintf("cashier%d%s", 2*(b-1)+k+1, at), b, false)
		}
	}
	return s
}

// opened is when the shop registered.
func (s *Shop) opened() time.Time { return founded.Add(time.Duration(s.Number) * time.Minute) }

// cashiers of a branch.
func (s *Shop) cashiers(branch int) (list []Person) {
	for _, p := range s.People {
		if p.branch == branch && p.Role == "STAFF" && !p.Keeper {
			list = append(list, p)
		}
	}
	return list
}

func (s *Shop) manager() Person { return s.People[1] }
func (s *Shop) keeper() Person  { return s.People[2] }
