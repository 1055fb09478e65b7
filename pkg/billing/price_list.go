package billing

import (
	"fmt"

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
	// ErrTierRetired reports a tier that another has taken the place of.
	ErrTierRetired = problem.New(problem.Conflict, "tier_retired", "This tier does not hold any more. Change the one that took its place.")
	// ErrNoSuchTier reports a tier that does not exist.
	ErrNoSuchTier = problem.New(problem.NotFound, "", "")
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

// TierByID returns a tier that holds. Any scope. Errors: ErrNoSuchTier, ErrTierRetired.
func TierByID(tx *gorm.DB, id uuid.UUID) (t ListedTier, err error) {
	err = ErrNoSuchTier
	if failed := query(tx, "read tier", `
		select id, min_storefronts, max_storefronts, base_minor, additional_minor, currency, max_members, max_products, is_active from billing.pricing_tier where id = $1`,
		func(rows pgx.Rows) error {
			active := false
			if err := rows.Scan(&t.ID, &t.MinStorefronts, &t.MaxStorefronts, &t.BaseMinor, &t.AdditionalMinor, &t.Currency, &t.MaxMembers, &t.MaxProducts, &active); err != nil {
				return err
			}
			if err = nil; !active {
				err = ErrTierRetired
			}
			return nil
		}, id); failed != nil {
		return t, failed
	}
	return t, err
}

// SetTier puts a tier into the price list. Where it takes the place of a part of others, their rest stays at the price that it has, so the list has a price for every number that it
// had one for, and one only. Payments and invoices keep the prices that they were made with. id names the decision: deciding again changes nothing, and fresh is then false.
// replaces is the tier that it is a change of, or uuid.Nil: once that is retired, the change comes too late.
// tx must be a platform transaction of billing-worker. Errors: ErrTierRange, ErrTierPrice, ErrTierRetired, ErrNoSuchTier.
func SetTier(tx *gorm.DB, id, replaces uuid.UUID, t ListedTier, by By) (fresh bool, err error) {
	if err := t.Check(); err != nil {
		return false, err
	}
	if err := takeTurns(tx); err != nil {
		return false, err
	}
	known := false
	if err := query(tx, "look for the tier", `select true from billing.pricing_tier where id = $1`, func(rows pgx.Rows) error { return rows.Scan(&known) }, id); err != nil || known {
		return false, err
	}
	if replaces != uuid.Nil {
		if _, err := TierByID(tx, replaces); err != nil {
			return false, err
		}
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
		"base": t.Price(t.MinStorefronts).Display(), "additional_minor": t.AdditionalMinor, "max_members": t.MaxMembers, "max_products": t.MaxProducts, "retired": retired}))
}

func small(n *int) *int32 {
	if n == nil {
		return nil
	}
	v := int32(*n)
	return &v
}
