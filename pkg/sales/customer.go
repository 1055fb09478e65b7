package sales

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
	"makola/pkg/postgres"
)

// The customer who stands for people without a name, one in each business.
const (
	WalkInName  = "Walk-In-Customer"
	WalkInPhone = "+233000000000"
)

// Type is at whose prices is sold, and to which kind of customer.
type Type string

// The types.
const (
	Retail    Type = "RETAIL"
	Wholesale Type = "WHOLESALE"
)

// Customer is somebody who buys.
type Customer struct {
	ID             uuid.UUID
	Name           string
	Email, Phone   *string
	Address        string
	Type           Type
	Currency       money.Currency
	LimitMinor     int64
	Outstanding    int64
	TermsDays      int
	Blocked        bool
	WalkIn, Active bool
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Available is what is left of the credit limit.
func (c *Customer) Available() int64 { return max(0, c.LimitMinor-c.Outstanding) }

// Amount is minor units in the customer's currency.
func (c *Customer) Amount(minor int64) money.Amount { return money.FromMinor(minor, c.Currency) }

// CustomerChange is what a client may say about a customer; nil leaves it as it is, or as it is by default.
type CustomerChange struct {
	Name, Email, Phone, Address *string
	Type                        *Type
	LimitMinor                  *int64
	TermsDays                   *int
	Blocked, Active             *bool
}

// Credit reports whether the change says something about credit, which is not everybody's to decide.
func (c CustomerChange) Credit() bool {
	return c.LimitMinor != nil || c.TermsDays != nil || c.Blocked != nil
}

// NormalizePhone returns a phone number without spaces, hyphens, points and brackets, so that one number is one customer however it is written. Errors: ErrPhone.
func NormalizePhone(text string) (string, error) {
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -.()\u00a0", r) {
			return -1
		}
		return r
	}, text)
	digits := strings.TrimPrefix(plain, "+")
	if len(digits) < 6 || len(digits) > 20 || strings.Trim(digits, "0123456789") != "" {
		return "", ErrPhone
	}
	return plain, nil
}

const customerSQL = `
	select c.id, c.name, c.email, c.phone, c.address, c.type, c.currency, c.credit_limit_minor, c.outstanding_minor, c.credit_terms_days, c.credit_blocked, c.is_walk_in, c.is_active,
	       c.created_at, c.updated_at
	  from sales.customer c `

func scanCustomer(rows pgx.Rows) (*Customer, error) {
	c := &Customer{}
	err := rows.Scan(&c.ID, &c.Name, &c.Email, &c.Phone, &c.Address, &c.Type, &c.Currency, &c.LimitMinor, &c.Outstanding, &c.TermsDays, &c.Blocked, &c.WalkIn, &c.Active, &c.CreatedAt, &c.UpdatedAt)
	return c, err
}

func customer(tx *gorm.DB, where string, args ...any) (c *Customer, err error) {
	err = query(tx, "read customer", customerSQL+where, func(rows pgx.Rows) (err error) {
		c, err = scanCustomer(rows)
		return err
	}, args...)
	if err == nil && c == nil {
		err = ErrCustomerNotFound
	}
	return c, err
}

// CustomerByID returns a customer of the business that tx is bound to. Errors: ErrCustomerNotFound.
func CustomerByID(tx *gorm.DB, id uuid.UUID) (*Customer, error) {
	return customer(tx, `where c.id = $1`, id)
}

// lockCustomer returns a customer whose debt nobody else changes until tx ends. The lock lets foreign keys pass: two tills that have each written a payment of the same customer
// hold the customer by its key, and would wait for each other in a ring for a full lock.
func lockCustomer(tx *gorm.DB, id uuid.UUID) (*Customer, error) {
	return customer(tx, `where c.id = $1 for no key update of c`, id)
}

// WalkIn returns the customer who stands for people without a name, and makes them when the business has none yet.
func WalkIn(tx *gorm.DB, business uuid.UUID) (*Customer, error) {
	c, err := customer(tx, `where c.is_walk_in`)
	if !errors.Is(err, ErrCustomerNotFound) {
		return c, err
	}
	id, err := newID("customer")
	if err != nil {
		return nil, err
	}
	// Of two who make them at once, one waits here and then reads what the other made. A number that somebody has already leaves the walk-in without one.
	_, err = exec(tx, "make walk-in customer", `
		insert into sales.customer (id, tenant_id, name, phone, currency, is_walk_in)
		select $1, $2, $3, case when not exists (select from sales.customer o where o.tenant_id = $2 and o.phone = $4) then $4 end, b.currency, true
		  from accounts.business b where b.id = $2
		    on conflict do nothing`, id, business, WalkInName, WalkInPhone)
	if err != nil {
		return nil, err
	}
	return customer(tx, `where c.is_walk_in`)
}

// CreateCustomer makes a customer. Whoever has the phone number already is returned as they are, and made is false. Errors: ErrPhone.
func CreateCustomer(tx *gorm.DB, who Actor, d CustomerChange) (c *Customer, made bool, err error) {
	if err := d.normalize(); err != nil {
		return nil, false, err
	}
	if d.Phone != nil && *d.Phone == WalkInPhone {
		c, err = WalkIn(tx, who.Entry.Tenant)
		return c, false, err
	}
	id, err := newID("customer")
	if err != nil {
		return nil, false, err
	}
	n, err := exec(tx, "make customer", `
		insert into sales.customer (id, tenant_id, name, email, phone, address, type, currency, credit_limit_minor, credit_terms_days, credit_blocked, created_by)
		select $1, $2, $3, $4, $5, coalesce($6, ''), coalesce($7, 'RETAIL'), b.currency, coalesce($8, 0), coalesce($9, 30), coalesce($10, false), $11
		  from accounts.business b where b.id = $2
		    on conflict (tenant_id, phone) do nothing`,
		id, who.Entry.Tenant, d.Name, d.Email, d.Phone, d.Address, d.Type, d.LimitMinor, d.TermsDays, d.Blocked, who.Entry.User)
	if err != nil {
		return nil, false, err
	}
	if n == 0 {
		c, err = customer(tx, `where c.phone = $1`, d.Phone)
		return c, false, err
	}
	if err := who.record(tx, audit.Create, "customer", id, map[string]any{"name": *d.Name}); err != nil {
		return nil, false, err
	}
	c, err = CustomerByID(tx, id)
	return c, true, err
}

// normalize puts the texts of a change into the form that is stored: an empty e-mail address or phone number is none.
func (c *CustomerChange) normalize() error {
	if c.Name != nil {
		name := strings.TrimSpace(*c.Name)
		if name == "" {
			return field("name", "required", "must not be empty")
		}
		c.Name = &name
	}
	if c.Email != nil {
		email := strings.ToLower(strings.TrimSpace(*c.Email))
		c.Email = &email
		if email != "" && !plausible(email) {
			return field("email", "invalid", "must be an e-mail address")
		}
	}
	if c.Phone != nil && *c.Phone != "" {
		phone, err := NormalizePhone(*c.Phone)
		if err != nil {
			return err
		}
		c.Phone = &phone
	}
	return nil
}

// plausible reports whether a text could be an e-mail address.
func plausible(email string) bool {
	at := strings.LastIndexByte(email, '@')
	return at >= 1 && at < len(email)-1 && !strings.ContainsAny(email, " \t\r\n,;<>")
}

// ChangeCustomer changes a customer of the business that tx is bound to. Errors: ErrCustomerNotFound, ErrWalkIn, ErrPhone, ErrPhoneTaken.
func ChangeCustomer(tx *gorm.DB, who Actor, id uuid.UUID, d CustomerChange) (*Customer, error) {
	if err := d.normalize(); err != nil {
		return nil, err
	}
	before, err := lockCustomer(tx, id)
	switch {
	case err != nil:
		return nil, err
	case before.WalkIn:
		return nil, ErrWalkIn
	}
	_, err = exec(tx, "change customer", `
		update sales.customer set name = coalesce($3, name), email = case when $4::text is null then email else nullif($4, '') end, phone = case when $5::text is null then phone else nullif($5, '') end,
		       address = coalesce($6, address), type = coalesce($7, type), credit_limit_minor = coalesce($8, credit_limit_minor), credit_terms_days = coalesce($9, credit_terms_days),
		       credit_blocked = coalesce($10, credit_blocked), is_active = coalesce($11, is_active), updated_at = now()
		 where tenant_id = $1 and id = $2`,
		who.Entry.Tenant, id, d.Name, d.Email, d.Phone, d.Address, d.Type, d.LimitMinor, d.TermsDays, d.Blocked, d.Active)
	if postgres.Constraint(err) == "customer_phone_key" {
		return nil, ErrPhoneTaken
	}
	if err != nil {
		return nil, err
	}
	after, err := CustomerByID(tx, id)
	if err != nil {
		return nil, err
	}
	changes := map[string]any{}
	difference(changes, "name", before.Name, after.Name)
	difference(changes, "phone", text(before.Phone), text(after.Phone))
	difference(changes, "email", text(before.Email), text(after.Email))
	difference(changes, "type", before.Type, after.Type)
	difference(changes, "credit_limit", before.Amount(before.LimitMinor).Decimal(), after.Amount(after.LimitMinor).Decimal())
	difference(changes, "credit_terms_days", before.TermsDays, after.TermsDays)
	difference(changes, "credit_blocked", before.Blocked, after.Blocked)
	difference(changes, "is_active", before.Active, after.Active)
	if len(changes) == 0 {
		return after, nil
	}
	return after, who.record(tx, audit.Update, "customer", id, changes)
}

func difference[T comparable](changes map[string]any, name string, before, after T) {
	if before != after {
		changes[name] = [2]any{before, after}
	}
}

// CustomerFilter chooses customers; nil and zero members choose all.
type CustomerFilter struct {
	// Before is the last id of the page before; Limit is the size of the page.
	Before uuid.UUID
	Limit  int
	// Q is a part of the name, the phone number or the e-mail address.
	Q              string
	Type           *Type
	Active         *bool
	HasOutstanding *bool
}

// trigram is how many letters in a row the search's index needs.
const trigram = 3

// ListCustomers pages through the customers of the business that tx is bound to, newest first.
func ListCustomers(tx *gorm.DB, f CustomerFilter) ([]*Customer, error) {
	var w conditions
	if f.Before != uuid.Nil {
		w.add(`c.id < ?`, f.Before)
	}
	switch letters := utf8.RuneCountInString(f.Q); {
	case letters >= trigram: // an array, so that the planner does not read all customers to meet the few
		w.add(`c.id = any (array(select sales.matching_customers(?)))`, LikePattern(f.Q))
	case letters > 0: // too short for the index, and so common that a walk soon has a page of them
		w.add(`c.search like ?`, LikePattern(f.Q))
	}
	if f.Type != nil {
		w.add(`c.type = ?`, *f.Type)
	}
	if f.Active != nil {
		w.add(`c.is_active = ?`, *f.Active)
	}
	if f.HasOutstanding != nil {
		w.add(`(c.outstanding_minor > 0) = ?`, *f.HasOutstanding)
	}
	list := []*Customer{}
	w.args = append(w.args, f.Limit)
	err := query(tx, "list customers", customerSQL+`where c.tenant_id = `+boundTenant+w.text+fmt.Sprintf("\n order by c.id desc limit $%d", len(w.args)), func(rows pgx.Rows) error {
		c, err := scanCustomer(rows)
		list = append(list, c)
		return err
	}, w.args...)
	return list, err
}

// LikePattern is a lower-case LIKE pattern for texts that contain q, whatever characters it has.
func LikePattern(q string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(q)) + "%"
}

// CreditStatus is whether a customer may buy on credit now, and how much.
type CreditStatus struct {
	Customer *Customer
	// OverdueMinor is what should have been paid before today; OldestDue is since when.
	OverdueMinor int64
	OldestDue    *time.Time
	// Reason says why they may not buy anything on credit; empty when they may.
	Reason CreditReason
}

// CreditOf returns the credit status of a customer. Errors: ErrCustomerNotFound.
func CreditOf(tx *gorm.DB, id uuid.UUID, now time.Time) (*CreditStatus, error) {
	c, err := CustomerByID(tx, id)
	if err != nil {
		return nil, err
	}
	t, err := termsOf(tx)
	if err != nil {
		return nil, err
	}
	s, err := creditOf(tx, c, t.day(now))
	if err != nil {
		return nil, err
	}
	if s.Reason == "" && c.Available() == 0 {
		s.Reason = CreditLimit
	}
	return s, nil
}

// creditOf judges a customer on a day, whatever is asked for.
func creditOf(tx *gorm.DB, c *Customer, today time.Time) (*CreditStatus, error) {
	s := &CreditStatus{Customer: c}
	err := query(tx, "sum overdue debts", `
		select coalesce(sum(outstanding_minor), 0)::bigint, min(due_date) from sales.receivable where customer_id = $1 and outstanding_minor > 0 and due_date < $2`,
		func(rows pgx.Rows) error { return rows.Scan(&s.OverdueMinor, &s.OldestDue) }, c.ID, today)
	switch {
	case err != nil:
		return nil, err
	case c.WalkIn:
		s.Reason = CreditWalkIn
	case !c.Active:
		s.Reason = CreditInactive
	case c.Blocked:
		s.Reason = CreditBlocked
	case s.OverdueMinor > 0:
		s.Reason = CreditOverdue
	}
	return s, nil
}

func text(t *string) string {
	if t == nil {
		return ""
	}
	return *t
}
