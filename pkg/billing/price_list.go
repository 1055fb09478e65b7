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

// Errors of the price list and the taxes.
var (
	// ErrTierRange reports a tier whose storefronts do not go from a number to the same or a larger one, up to MaxStorefronts.
	ErrTierRange = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/max_storefronts", Field: "max_storefronts", Code: "out_of_range", Message: "must not be less than min_storefronts, and both from 1 to 1000"})
	// ErrTierPrice reports a price that is not positive.
	ErrTierPrice = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/base_price", Field: "base_price", Code: "out_of_range", Message: "must be more than 0"})
	// ErrTaxDate reports a tax that would change what was charged already, or that ends before it begins.
	ErrTaxDate = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/effective_from", Field: "effective_from", Code: "out_of_range", Message: "must be after today, and not after effective_until"})
	// ErrTaxOverlap reports a tax that is to last into days for which the tax of the same code is decided already.
	ErrTaxOverlap = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/effective_until", Field: "effective_until", Code: "out_of_range", Message: "must be before the day on which this tax begins anew"})
	// ErrTaxRate reports a rate that is none.
	ErrTaxRate = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/rate_bp", Field: "rate_bp", Code: "out_of_range", Message: "must be from 0 to 10000"})
)

// ListedTier is a tier with its limits.
type ListedTier struct {
	Tier
	MaxMembers, MaxProducts *int
}

// Check says what is wrong with a tier: ErrTierRange or ErrTierPrice.
func (t *ListedTier) Check() error {
	switch {
	case t.MinStorefronts < 1 || t.MinStorefronts > MaxStorefronts || t.MaxStorefronts != nil && (*t.MaxStorefronts < t.MinStorefronts || *t.MaxStorefronts > MaxStorefronts):
		return ErrTierRange
	case t.BaseMinor <= 0 || t.AdditionalMinor < 0 || t.MaxMembers != nil && *t.MaxMembers <= 0 || t.MaxProducts != nil && *t.MaxProducts <= 0:
		return ErrTierPrice
	}
	return nil
}

// PriceList returns the tiers that hold, by their storefronts. Any scope.
func PriceList(tx *gorm.DB) (list []ListedTier, err error) {
	err = query(tx, "read price list", `
		select id, min_storefronts, max_storefronts, base_minor, additional_minor, currency, max_members, max_products from billing.pricing_tier where is_active order by min_storefronts`,
		func(rows pgx.Rows) error {
			var t ListedTier
			err := rows.Scan(&t.ID, &t.MinStorefronts, &t.MaxStorefronts, &t.BaseMinor, &t.AdditionalMinor, &t.Currency, &t.MaxMembers, &t.MaxProducts)
			list = append(list, t)
			return err
		})
	return list, err
}

// SetTier puts a tier into the price list. Where it takes the place of a part of others, their rest stays at the price that it has, so the list has a price for every number that it
// had one for, and one only. Payments and invoices keep the prices that they were made with. id names the decision: deciding again changes nothing, and fresh is then false.
// tx must be a platform transaction of billing-worker. Errors: ErrTierRange, ErrTierPrice.
func SetTier(tx *gorm.DB, id uuid.UUID, t ListedTier, by By) (fresh bool, err error) {
	if err := t.Check(); err != nil {
		return false, err
	}
	if _, err := exec(tx, "take turns changing prices", `select pg_advisory_xact_lock(hashtextextended('billing.pricing_tier', 0))`); err != nil {
		return false, err
	}
	known := false
	if err := query(tx, "look for the tier", `select true from billing.pricing_tier where id = $1`, func(rows pgx.Rows) error { return rows.Scan(&known) }, id); err != nil || known {
		return false, err
	}
	list, err := PriceList(tx)
	if err != nil {
		return false, err
	}
	t.ID, t.Currency = id, string(money.GHS)
	added := []ListedTier{t}
	var retired []uuid.UUID
	for _, old := range list {
		before, after := old, old
		if old.MaxStorefronts != nil && *old.MaxStorefronts < t.MinStorefronts || t.MaxStorefronts != nil && *t.MaxStorefronts < old.MinStorefronts {
			continue
		}
		retired = append(retired, old.ID)
		if old.MinStorefronts < t.MinStorefronts {
			last := t.MinStorefronts - 1
			before.MaxStorefronts = &last
			added = append(added, before)
		}
		if t.MaxStorefronts != nil && (old.MaxStorefronts == nil || *old.MaxStorefronts > *t.MaxStorefronts) {
			after.MinStorefronts = *t.MaxStorefronts + 1
			after.BaseMinor = old.Price(after.MinStorefronts).Minor
			added = append(added, after)
		}
	}
	for i := range added[1:] {
		if added[1+i].ID, err = uuid.NewV7(); err != nil {
			return false, fmt.Errorf("make tier id: %w", err)
		}
	}
	if _, err := exec(tx, "retire tiers", `update billing.pricing_tier set is_active = false where id = any ($1::uuid[])`, retired); err != nil {
		return false, err
	}
	_, err = exec(tx, "add tiers", `
		insert into billing.pricing_tier (id, min_storefronts, max_storefronts, base_minor, additional_minor, currency, max_members, max_products)
		select * from unnest($1::uuid[], $2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::text[], $7::int[], $8::int[])`,
		column(added, func(t ListedTier) uuid.UUID { return t.ID }), column(added, func(t ListedTier) int32 { return int32(t.MinStorefronts) }),
		column(added, func(t ListedTier) *int32 { return small(t.MaxStorefronts) }), column(added, func(t ListedTier) int64 { return t.BaseMinor }),
		column(added, func(t ListedTier) int64 { return t.AdditionalMinor }), column(added, func(t ListedTier) string { return t.Currency }),
		column(added, func(t ListedTier) *int32 { return small(t.MaxMembers) }), column(added, func(t ListedTier) *int32 { return small(t.MaxProducts) }))
	if err != nil {
		return false, err
	}
	return true, audit.Record(tx, by.entry(uuid.Nil, "pricing_tier.set", "pricing_tier", id.String(), map[string]any{"min_storefronts": t.MinStorefronts, "max_storefronts": t.MaxStorefronts,
		"base": t.Price(t.MinStorefronts).Display(), "additional_minor": t.AdditionalMinor, "retired": retired}))
}

func small(n *int) *int32 {
	if n == nil {
		return nil
	}
	v := int32(*n)
	return &v
}

// DatedTax is a tax with the days on which it holds.
type DatedTax struct {
	TaxRate
	// Order is its place among the taxes of a day: a cumulative one is charged on those before it.
	Order int
	// From and Until are its first and its last day; the zero Until is no end.
	From, Until time.Time
}

// Taxes returns all taxes, those of the past too, by their days. Any scope.
func Taxes(tx *gorm.DB) (list []DatedTax, err error) {
	err = query(tx, "read taxes", `
		select code, name, rate_bp, applies_to = 'CUMULATIVE', calculation_order, effective_from, effective_until from billing.tax_rate order by effective_from, calculation_order, code`,
		func(rows pgx.Rows) error {
			var t DatedTax
			var until *time.Time
			err := rows.Scan(&t.Code, &t.Name, &t.BasisPoints, &t.Cumulative, &t.Order, &t.From, &until)
			if until != nil {
				t.Until = *until
			}
			list = append(list, t)
			return err
		})
	return list, err
}

// Check says what is wrong with a tax that is to begin after today: ErrTaxDate or ErrTaxRate.
func (t *DatedTax) Check(today time.Time) error {
	switch {
	case t.From.Format(time.DateOnly) <= today.UTC().Format(time.DateOnly) || !t.Until.IsZero() && t.Until.Before(t.From):
		return ErrTaxDate
	case t.BasisPoints < 0 || t.BasisPoints > 10_000:
		return ErrTaxRate
	}
	return nil
}

// SetTax has a tax begin on a day to come, in the place of the one of the same code, which ends the day before; it lasts until the next one of that code begins, unless it ends before.
// One that was to begin on the same day is decided anew. What was charged stays. Deciding the same again changes nothing, and fresh is then false.
// tx must be a platform transaction of billing-worker. Errors: ErrTaxDate, ErrTaxRate, ErrTaxOverlap.
func SetTax(tx *gorm.DB, t DatedTax, by By, now time.Time) (fresh bool, err error) {
	if err := t.Check(now); err != nil {
		return false, err
	}
	applies := "SUBTOTAL"
	if t.Cumulative {
		applies = "CUMULATIVE"
	}
	if _, err := exec(tx, "take turns changing taxes", `select pg_advisory_xact_lock(hashtextextended('billing.tax_rate', 0))`); err != nil {
		return false, err
	}
	var next *time.Time
	err = query(tx, "look for the next tax", `select min(effective_from) from billing.tax_rate where code = $1 and effective_from > $2::date`,
		func(rows pgx.Rows) error { return rows.Scan(&next) }, t.Code, t.From.Format(time.DateOnly))
	switch {
	case err != nil:
		return false, err
	case next != nil && t.Until.IsZero():
		t.Until = next.AddDate(0, 0, -1)
	case next != nil && !t.Until.Before(*next):
		return false, ErrTaxOverlap
	}
	if _, err := exec(tx, "end tax", `
		update billing.tax_rate set effective_until = $2::date - 1 where code = $1 and effective_from < $2::date and (effective_until is null or effective_until >= $2::date)`,
		t.Code, t.From.Format(time.DateOnly)); err != nil {
		return false, err
	}
	until := ""
	if !t.Until.IsZero() {
		until = t.Until.Format(time.DateOnly)
	}
	n, err := exec(tx, "begin tax", `
		insert into billing.tax_rate as r (code, name, rate_bp, applies_to, calculation_order, effective_from, effective_until)
		values ($1, $2, $3, $4, $5, $6::date, nullif($7, '')::date)
		    on conflict (code, effective_from) do update
		   set name = excluded.name, rate_bp = excluded.rate_bp, applies_to = excluded.applies_to, calculation_order = excluded.calculation_order, effective_until = excluded.effective_until
		 where (r.name, r.rate_bp, r.applies_to, r.calculation_order) <> (excluded.name, excluded.rate_bp, excluded.applies_to, excluded.calculation_order)
		    or r.effective_until is distinct from excluded.effective_until`,
		t.Code, t.Name, t.BasisPoints, applies, t.Order, t.From.Format(time.DateOnly), until)
	if err != nil || n == 0 {
		return false, err
	}
	return true, audit.Record(tx, by.entry(uuid.Nil, "tax.set", "tax", t.Code, map[string]any{"rate_bp": t.BasisPoints, "applies_to": applies, "from": t.From.Format(time.DateOnly), "until": until}))
}
