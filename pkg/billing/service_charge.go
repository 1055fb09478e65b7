package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
	"makola/pkg/problem"
)

// ChargeKind says how a service charge is reckoned.
type ChargeKind string

// The kinds of service charges.
const (
	ChargePercentage ChargeKind = "PERCENTAGE"
	ChargeFixed      ChargeKind = "FIXED"
)

// MaxChargeMinor is the largest fixed charge: GHS 1,000,000.00. No provider takes as much; a larger number is a typing mistake.
const MaxChargeMinor = 1_000_000_00

// ErrChargeAmount reports a charge that has not exactly the amount of its kind.
var ErrChargeAmount = problem.New(problem.Invalid, "", "", problem.FieldError{
	Pointer: "/kind", Field: "kind", Code: "out_of_range", Message: "PERCENTAGE needs rate_bp from 1 to 10000 and no amount, FIXED an amount from 0.01 to 1000000.00 and no rate_bp",
})

// ServiceCharge is what a month costs besides its price and its taxes, as it applies on a day. It is not taxed.
type ServiceCharge struct {
	Code, Name string
	Kind       ChargeKind
	// BasisPoints is the rate of a percentage, and AmountMinor the amount of a fixed charge in pesewas; the other is 0.
	BasisPoints, AmountMinor int64
	// OnTotal has a percentage charged on the price and its taxes, and not on the price alone.
	OnTotal bool
	// Provider is whose payments are charged it; empty: everybody's.
	Provider string
}

// DatedCharge is a service charge with the days on which it holds.
type DatedCharge struct {
	ServiceCharge
	// From and Until are its first and its last day; the zero Until is no end.
	From, Until time.Time
}

// ChargeLine is a service charge of one payment or invoice. BasisPoints is 0 of a fixed one. It is stored as a TaxLine is.
type ChargeLine TaxLine

func (c *DatedCharge) dated() dated {
	return dated{from: c.From, until: c.Until, what: c.ServiceCharge}
}

const selectCharges = `
	select code, name, kind, coalesce(rate_bp, 0), coalesce(amount_minor, 0), applies_to = 'TOTAL', coalesce(provider, ''), effective_from, effective_until from billing.service_charge `

// ServiceCharges returns all service charges, those of the past too, by their days. Any scope.
func ServiceCharges(tx *gorm.DB) ([]DatedCharge, error) {
	return charges(tx, `order by effective_from, code`)
}

// ServiceChargesOn returns the charges of a payment with provider on day; those of an empty provider are the ones that every payment has. Any scope.
func ServiceChargesOn(tx *gorm.DB, provider string, day time.Time) ([]DatedCharge, error) {
	return charges(tx, `
		where effective_from <= $1::date and (effective_until is null or effective_until >= $1::date) and (provider is null or provider = $2) order by code`, day.Format(time.DateOnly), provider)
}

func charges(tx *gorm.DB, where string, args ...any) (list []DatedCharge, err error) {
	err = query(tx, "read service charges", selectCharges+where, func(rows pgx.Rows) error {
		var c DatedCharge
		err := scanDays(rows, &c.From, &c.Until, &c.Code, &c.Name, &c.Kind, &c.BasisPoints, &c.AmountMinor, &c.OnTotal, &c.Provider)
		list = append(list, c)
		return err
	}, args...)
	return list, err
}

// ApplyCharges computes one line for each charge, rounded half-up to one minor unit, and the sum of the lines. Errors are those of package money.
func ApplyCharges(base, tax money.Amount, list []DatedCharge) (lines []ChargeLine, sum money.Amount, err error) {
	sum = money.FromMinor(0, base.Currency)
	total, err := base.Add(tax)
	if err != nil {
		return nil, sum, fmt.Errorf("apply service charges: %w", err)
	}
	for _, c := range list {
		on, amount := base, money.FromMinor(c.AmountMinor, base.Currency)
		if c.OnTotal {
			on = total
		}
		if c.Kind == ChargePercentage {
			if amount, err = on.Percent(c.BasisPoints); err != nil {
				return nil, sum, fmt.Errorf("service charge %s: %w", c.Code, err)
			}
		}
		if sum, err = sum.Add(amount); err != nil {
			return nil, sum, fmt.Errorf("service charge %s: %w", c.Code, err)
		}
		lines = append(lines, ChargeLine{Code: c.Code, Name: c.Name, BasisPoints: c.BasisPoints, Amount: amount})
	}
	return lines, sum, nil
}

// Check says what is wrong with a charge on any day: ErrChargeAmount.
func (c *ServiceCharge) Check() error {
	percentage := c.Kind == ChargePercentage && c.BasisPoints >= 1 && c.BasisPoints <= 10_000 && c.AmountMinor == 0
	fixed := c.Kind == ChargeFixed && c.AmountMinor >= 1 && c.AmountMinor <= MaxChargeMinor && c.BasisPoints == 0
	if !percentage && !fixed {
		return ErrChargeAmount
	}
	return nil
}

// PlaceServiceCharge says what is wrong with a charge that is to hold from its first day on. Any scope. Errors: ErrChargeAmount, and those of place.
func PlaceServiceCharge(tx *gorm.DB, c DatedCharge, now time.Time) error {
	_, err := placeCharge(tx, c, now)
	return err
}

func placeCharge(tx *gorm.DB, c DatedCharge, now time.Time) (placement, error) {
	if err := c.Check(); err != nil {
		return placement{}, err
	}
	list, err := charges(tx, `where code = $1 order by effective_from`, c.Code)
	if err != nil {
		return placement{}, err
	}
	rows := make([]dated, len(list))
	for i := range list {
		rows[i] = list[i].dated()
	}
	return place(rows, c.dated(), today(now))
}

// SetServiceCharge has a charge begin on a day to come, as SetTax does with a tax. tx must be a platform transaction of billing-worker.
// Errors: ErrChargeAmount, ErrDates, ErrCharged, ErrEnded, ErrNextBegins.
func SetServiceCharge(tx *gorm.DB, c DatedCharge, by By, now time.Time) (fresh bool, err error) {
	if err := takeTurns(tx); err != nil {
		return false, err
	}
	p, err := placeCharge(tx, c, now)
	if err != nil || !p.fresh {
		return false, err
	}
	if err := p.end(tx, "billing.service_charge", c.Code, c.From); err != nil {
		return false, err
	}
	applies := "SUBTOTAL"
	if c.OnTotal {
		applies = "TOTAL"
	}
	if _, err := exec(tx, "begin service charge", `
		insert into billing.service_charge (code, name, kind, rate_bp, amount_minor, applies_to, provider, effective_from, effective_until)
		values ($1, $2, $3, nullif($4, 0), nullif($5::bigint, 0), $6, nullif($7, ''), $8::date, nullif($9, '')::date)
		on conflict (code, effective_from) do update set name = excluded.name, kind = excluded.kind, rate_bp = excluded.rate_bp, amount_minor = excluded.amount_minor,
		       applies_to = excluded.applies_to, provider = excluded.provider, effective_until = excluded.effective_until`,
		c.Code, c.Name, string(c.Kind), c.BasisPoints, c.AmountMinor, applies, c.Provider, date(c.From), date(p.until)); err != nil {
		return false, err
	}
	return true, audit.Record(tx, by.entry(uuid.Nil, "service_charge.set", "service_charge", c.Code, map[string]any{
		"name": c.Name, "kind": c.Kind, "rate_bp": c.BasisPoints, "amount_minor": c.AmountMinor, "applies_to": applies, "provider": c.Provider, "from": date(c.From), "until": date(p.until),
	}))
}

// ServiceChargeChange is what may be changed of a service charge; nil leaves it.
type ServiceChargeChange struct {
	DatedChange
	Name                     *string
	Kind                     *ChargeKind
	BasisPoints, AmountMinor *int64
	OnTotal                  *bool
	Provider                 *string
}

// ChangedServiceCharge returns the charge of that code which begins on that day as the change makes it, for SetServiceCharge: with another kind it loses the amount of the one that
// it had. Any scope. Errors: ErrNoDated, and those of SetServiceCharge.
func ChangedServiceCharge(tx *gorm.DB, code string, from time.Time, to ServiceChargeChange, now time.Time) (c DatedCharge, err error) {
	list, err := charges(tx, `where code = $1 and effective_from = $2::date`, code, date(from))
	switch {
	case err != nil:
		return c, err
	case len(list) == 0:
		return c, fmt.Errorf("change service charge %s: %w", code, ErrNoDated)
	}
	c = list[0]
	if to.Kind != nil && *to.Kind != c.Kind {
		c.BasisPoints, c.AmountMinor = 0, 0
	}
	change(&c.Name, to.Name)
	change(&c.Kind, to.Kind)
	change(&c.BasisPoints, to.BasisPoints)
	change(&c.AmountMinor, to.AmountMinor)
	change(&c.OnTotal, to.OnTotal)
	change(&c.Provider, to.Provider)
	if c.From, c.Until, err = to.days(c.From, c.Until); err != nil {
		return c, err
	}
	return c, PlaceServiceCharge(tx, c, now)
}
