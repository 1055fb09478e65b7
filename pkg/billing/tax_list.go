package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/problem"
)

// ErrTaxRate reports a rate that is none.
var ErrTaxRate = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/rate_bp", Field: "rate_bp", Code: "out_of_range", Message: "must be from 0 to 10000"})

// DatedTax is a tax with the days on which it holds.
type DatedTax struct {
	TaxRate
	// Order is its place among the taxes of a day: a cumulative one is charged on those before it.
	Order int
	// From and Until are its first and its last day; the zero Until is no end.
	From, Until time.Time
}

func (t *DatedTax) dated() dated {
	return dated{from: t.From, until: t.Until, what: taxed{t.TaxRate, t.Order}}
}

type taxed struct {
	TaxRate
	order int
}

const selectTaxes = `select code, name, rate_bp, applies_to = 'CUMULATIVE', calculation_order, effective_from, effective_until from billing.tax_rate `

// Taxes returns all taxes, those of the past too, by their days. Any scope.
func Taxes(tx *gorm.DB) ([]DatedTax, error) {
	return taxes(tx, `order by effective_from, calculation_order, code`)
}

func taxes(tx *gorm.DB, where string, args ...any) (list []DatedTax, err error) {
	err = query(tx, "read taxes", selectTaxes+where, func(rows pgx.Rows) error {
		var t DatedTax
		err := scanDays(rows, &t.From, &t.Until, &t.Code, &t.Name, &t.BasisPoints, &t.Cumulative, &t.Order)
		list = append(list, t)
		return err
	}, args...)
	return list, err
}

// PlaceTax says what is wrong with a tax that is to hold from its first day on. Any scope. Errors: ErrTaxRate, and those of place.
func PlaceTax(tx *gorm.DB, t DatedTax, now time.Time) error {
	_, err := placeTax(tx, t, now)
	return err
}

func placeTax(tx *gorm.DB, t DatedTax, now time.Time) (placement, error) {
	if t.BasisPoints < 0 || t.BasisPoints > 10_000 {
		return placement{}, ErrTaxRate
	}
	list, err := taxes(tx, `where code = $1 order by effective_from`, t.Code)
	if err != nil {
		return placement{}, err
	}
	rows := make([]dated, len(list))
	for i := range list {
		rows[i] = list[i].dated()
	}
	return place(rows, t.dated(), today(now))
}

// SetTax has a tax begin on a day to come, in the place of the one of the same code, which ends the day before; or, where one begins on that day, becomes it. Without an end it
// holds until the next one begins. What was charged stays. Deciding the same again changes nothing, and fresh is then false.
// tx must be a platform transaction of billing-worker. Errors: ErrTaxRate, ErrDates, ErrCharged, ErrEnded, ErrNextBegins.
func SetTax(tx *gorm.DB, t DatedTax, by By, now time.Time) (fresh bool, err error) {
	if err := takeTurns(tx); err != nil {
		return false, err
	}
	p, err := placeTax(tx, t, now)
	if err != nil || !p.fresh {
		return false, err
	}
	if err := p.end(tx, "billing.tax_rate", t.Code, t.From); err != nil {
		return false, err
	}
	applies := "SUBTOTAL"
	if t.Cumulative {
		applies = "CUMULATIVE"
	}
	if _, err := exec(tx, "begin tax", `
		insert into billing.tax_rate as r (code, name, rate_bp, applies_to, calculation_order, effective_from, effective_until)
		values ($1, $2, $3, $4, $5, $6::date, nullif($7, '')::date)
		on conflict (code, effective_from) do update set name = excluded.name, rate_bp = excluded.rate_bp, applies_to = excluded.applies_to,
		       calculation_order = excluded.calculation_order, effective_until = excluded.effective_until`,
		t.Code, t.Name, t.BasisPoints, applies, t.Order, date(t.From), date(p.until)); err != nil {
		return false, err
	}
	return true, audit.Record(tx, by.entry(uuid.Nil, "tax.set", "tax", t.Code, map[string]any{
		"name": t.Name, "rate_bp": t.BasisPoints, "applies_to": applies, "calculation_order": t.Order, "from": date(t.From), "until": date(p.until),
	}))
}

// TaxChange is what may be changed of a tax; nil leaves it.
type TaxChange struct {
	DatedChange
	Name        *string
	BasisPoints *int64
	Cumulative  *bool
	Order       *int
}

// ChangedTax returns the tax of that code which begins on that day as the change makes it, for SetTax. Any scope. Errors: ErrNoDated, and those of SetTax.
func ChangedTax(tx *gorm.DB, code string, from time.Time, c TaxChange, now time.Time) (t DatedTax, err error) {
	list, err := taxes(tx, `where code = $1 and effective_from = $2::date`, code, date(from))
	switch {
	case err != nil:
		return t, err
	case len(list) == 0:
		return t, fmt.Errorf("change tax %s: %w", code, ErrNoDated)
	}
	t = list[0]
	change(&t.Name, c.Name)
	change(&t.BasisPoints, c.BasisPoints)
	change(&t.Cumulative, c.Cumulative)
	change(&t.Order, c.Order)
	if t.From, t.Until, err = c.days(t.From, t.Until); err != nil {
		return t, err
	}
	return t, PlaceTax(tx, t, now)
}

// change sets what a change has a value for.
func change[T any](what, to *T) {
	if to != nil {
		*what = *to
	}
}
