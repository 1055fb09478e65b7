package sales

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/tabular"
)

// maxImportedLimit bounds a typing mistake in a column of credit limits: 100,000,000.00.
const maxImportedLimit = 100_000_000_00

// errImportChanged reports rows that cannot be written any more as they were checked.
var errImportChanged = errors.New("customers have changed since the file was checked")

// CustomerImport brings customers from a file. Set its exported fields before; it is used by one goroutine, for one file.
type CustomerImport struct {
	// Business is whose customers they become, User brings them.
	Business, User uuid.UUID
	// Update changes the customers whose phone number is there already, and leaves as it is what the file leaves empty. Without it such a row is a fault.
	Update bool

	currency money.Currency
	lines    map[string]int // from a phone number to the line that has it
}

// CustomerRow is one customer of a file.
type CustomerRow struct {
	name, address      string
	phone, email, kind *string
	limit              *int64
	terms              *int32
	at                 tabular.Place // of the phone number
}

// ReadTerms looks up the currency of credit limits. tx must be bound to the business.
func (c *CustomerImport) ReadTerms(tx *gorm.DB) error {
	t, err := termsOf(tx)
	c.currency = t.currency
	return err
}

// Fields are the columns.
func (c *CustomerImport) Fields() []tabular.Field {
	return []tabular.Field{
		{Name: "name", Required: true, Aliases: []string{"customer", "customer name", "full name"}},
		{Name: "phone", Aliases: []string{"phone number", "telephone", "mobile", "contact"}},
		{Name: "email", Aliases: []string{"e-mail address", "mail"}},
		{Name: "address"},
		{Name: "type", Aliases: []string{"customer type"}},
		{Name: "credit_limit"},
		{Name: "credit_terms_days", Aliases: []string{"terms", "credit days"}},
	}
}

// Read makes a row of the file a customer.
func (c *CustomerImport) Read(row tabular.Row) (r CustomerRow, faults []*tabular.Error) {
	text := func(field string, most int) string {
		t := strings.TrimSpace(tabular.Unprotect(row.Text(field)))
		if utf8.RuneCountInString(t) > most {
			faults = append(faults, row.Fault(field, "has %d characters; at most %d are allowed", utf8.RuneCountInString(t), most))
		}
		if strings.ContainsFunc(t, func(r rune) bool { return r < ' ' && (field != "address" || r != '\n' && r != '\r') || r == 0x7f }) {
			faults = append(faults, row.Fault(field, "has a line break or another control character"))
		}
		return strings.Clone(t)
	}
	r.name, r.address, r.at = text("name", 200), text("address", 300), row.Place("phone")
	email := strings.ToLower(text("email", 254))
	phone := text("phone", 40)
	d := CustomerChange{Name: &r.name}
	if phone != "" {
		d.Phone = &phone
	}
	if email != "" {
		d.Email = &email
	}
	if r.name == "" {
		faults = append(faults, row.Fault("name", "must not be empty"))
	}
	if d.Email != nil && !plausible(*d.Email) {
		faults = append(faults, row.Fault("email", "is not an e-mail address"))
	}
	if d.Phone != nil {
		plain, err := NormalizePhone(*d.Phone)
		switch {
		case err != nil:
			faults = append(faults, row.Fault("phone", "must be 6 to 20 digits, perhaps after a +"))
		case plain == WalkInPhone:
			faults = append(faults, row.Fault("phone", "this number stands for customers without a name"))
		}
		d.Phone = &plain
	}
	r.phone, r.email = d.Phone, d.Email
	if row.Has("type") {
		kind := strings.ToUpper(row.Text("type"))
		if kind != string(Retail) && kind != string(Wholesale) {
			faults = append(faults, row.Fault("type", "must be RETAIL or WHOLESALE"))
		}
		kind = strings.Clone(kind)
		r.kind = &kind
	}
	if row.Has("credit_limit") {
		a, err := row.Money("credit_limit", c.currency)
		if e, ok := errors.AsType[*tabular.Error](err); ok {
			faults = append(faults, e)
		} else if a.Minor < 0 || a.Minor > maxImportedLimit {
			faults = append(faults, row.Fault("credit_limit", "must be from 0.00 to 100000000.00"))
		}
		r.limit = &a.Minor
	}
	if row.Has("credit_terms_days") {
		n, err := row.Integer("credit_terms_days")
		if e, ok := errors.AsType[*tabular.Error](err); ok {
			faults = append(faults, e)
		} else if n < 0 || n > 365 {
			faults = append(faults, row.Fault("credit_terms_days", "must be from 0 to 365"))
		}
		days := int32(n)
		r.terms = &days
	}
	return r, faults
}

// Check finds phone numbers that are in the file twice, or another customer's.
func (c *CustomerImport) Check(tx *gorm.DB, rows []CustomerRow) (faults []*tabular.Error, err error) {
	if c.lines == nil {
		c.lines = map[string]int{}
	}
	phones := make([]*string, len(rows))
	for i, r := range rows {
		phones[i] = r.phone
	}
	err = query(tx, "look up imported customers", `
		select u.n, c.id is not null, coalesce(c.is_walk_in, false) from unnest($2::text[]) with ordinality as u (phone, n)
		  left join sales.customer c on c.tenant_id = $1 and c.phone = u.phone where u.phone is not null order by u.n`,
		func(found pgx.Rows) error {
			var n int
			var taken, walkIn bool
			if err := found.Scan(&n, &taken, &walkIn); err != nil {
				return err
			}
			r := &rows[n-1]
			first, twice := c.lines[*r.phone]
			switch {
			case twice:
				faults = append(faults, r.at.Fault("line %d has this phone number too", first))
				return nil
			case walkIn:
				faults = append(faults, r.at.Fault("this number stands for customers without a name"))
			case taken && !c.Update:
				faults = append(faults, r.at.Fault("another customer has this phone number"))
			}
			c.lines[*r.phone] = r.at.Line
			return nil
		}, c.Business, phones)
	return faults, err
}

// Begin does nothing.
func (c *CustomerImport) Begin(*gorm.DB) error { return nil }

// End does nothing.
func (c *CustomerImport) End(*gorm.DB) error { return nil }

// Write makes and changes customers.
func (c *CustomerImport) Write(tx *gorm.DB, rows []CustomerRow) (created, updated int64, err error) {
	ids, err := newIDs("customer", len(rows))
	if err != nil {
		return 0, 0, err
	}
	names, addresses, phones, emails, kinds := make([]string, len(rows)), make([]*string, len(rows)), make([]*string, len(rows)), make([]*string, len(rows)), make([]*string, len(rows))
	limits, terms := make([]*int64, len(rows)), make([]*int32, len(rows))
	for i, r := range rows {
		names[i], addresses[i], phones[i], emails[i], kinds[i], limits[i], terms[i] = r.name, optional(r.address), r.phone, r.email, r.kind, r.limit, r.terms
	}
	const given = `unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::int[]) as u (id, name, email, phone, address, type, credit_limit, terms)`
	args := []any{c.Business, ids, names, emails, phones, addresses, kinds, limits, terms}
	if c.Update {
		updated, err = exec(tx, "change imported customers", `
			update sales.customer c set name = u.name, email = coalesce(u.email, c.email), address = coalesce(u.address, c.address), type = coalesce(u.type, c.type),
			       credit_limit_minor = coalesce(u.credit_limit, c.credit_limit_minor), credit_terms_days = coalesce(u.terms, c.credit_terms_days), updated_at = now()
			  from `+given+`
			 where c.tenant_id = $1 and c.phone = u.phone and not c.is_walk_in`, args...)
		if err != nil {
			return 0, 0, err
		}
	}
	created, err = exec(tx, "insert imported customers", `
		insert into sales.customer (id, tenant_id, name, email, phone, address, type, currency, credit_limit_minor, credit_terms_days, created_by)
		select u.id, $1, u.name, u.email, u.phone, coalesce(u.address, ''), coalesce(u.type, 'RETAIL'), $10, coalesce(u.credit_limit, 0), coalesce(u.terms, 30), $11 from `+given+`
		    on conflict (tenant_id, phone) do nothing`, append(args, string(c.currency), c.User)...)
	if err == nil && created+updated != int64(len(rows)) {
		err = fmt.Errorf("%w: %d of %d", errImportChanged, created+updated, len(rows))
	}
	return created, updated, err
}
