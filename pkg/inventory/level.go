package inventory

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
	"makola/pkg/postgres"
)

// MaxUnitMinor is the most one unit may cost or be sold for, in minor units: 10,000,000.00. So the value of MaxQuantity of them fits 64 bits.
const MaxUnitMinor = 1_000_000_000

// Level is what one place holds of one product, and what it asks for it.
type Level struct {
	Location  Location
	ProductID uuid.UUID
	OnHand    int64
	// ReorderLevel is the place's own; nil: the product's, or the business's. Threshold is the one that counts.
	ReorderLevel *int64
	Threshold    int64
	Retail       money.Amount
	Wholesale    *money.Amount
}

// Status is how the stock stands.
func (l *Level) Status() Status { return StatusOf(l.OnHand, l.Threshold) }

const selectLevel = `
	select l.product_id, l.on_hand, l.reorder_level, coalesce(l.reorder_level, p.reorder_level, $2), l.currency, l.retail_price_minor, l.wholesale_price_minor,
	       o.id, o.kind, o.name, o.code, o.address, o.manager_id, o.is_active, o.created_at, o.updated_at
	  from inventory.stock_level l
	  join inventory.product p on p.tenant_id = l.tenant_id and p.id = l.product_id
	  join inventory.location o on o.tenant_id = l.tenant_id and o.id = l.location_id
	 where l.tenant_id = $1 `

func scanLevel(rows pgx.Rows) (l Level, err error) {
	o := &l.Location
	var wholesale *int64
	err = rows.Scan(&l.ProductID, &l.OnHand, &l.ReorderLevel, &l.Threshold, &l.Retail.Currency, &l.Retail.Minor, &wholesale,
		&o.ID, &o.Kind, &o.Name, &o.Code, &o.Address, &o.Manager, &o.Active, &o.CreatedAt, &o.UpdatedAt)
	l.Wholesale = optionalAmount(wholesale, l.Retail.Currency)
	return l, err
}

// MaxLevels is the most places that Levels returns.
const MaxLevels = 200

// Levels returns what each place holds of a product, by the places' codes.
func Levels(tx *gorm.DB, rules Rules, product uuid.UUID) (list []Level, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read stock levels: %w", err)
	}
	err = query(tx, "read stock levels", selectLevel+`and l.product_id = $3 order by o.code limit $4`, func(rows pgx.Rows) error {
		l, err := scanLevel(rows)
		list = append(list, l)
		return err
	}, owner, rules.ReorderLevel, product, MaxLevels)
	return list, err
}

// LevelDetails are what a place asks for a product; nil leaves it as it is. A negative reorder level, and NoWholesale, remove it.
type LevelDetails struct {
	ReorderLevel      *int64
	Retail, Wholesale *money.Amount
	NoWholesale       bool
}

// SetLevel sets the prices and the threshold of a product at a place of that kind; alerts follow the threshold at once. A product that never was there gets them before its first delivery, which needs a retail price.
// Errors: ErrLocationNotFound, ErrProductNotFound; prices out of range are faults of the body.
func SetLevel(tx *gorm.DB, who audit.Entry, rules Rules, kind LocationKind, place, product uuid.UUID, d LevelDetails) (*Level, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("set stock level: %w", err)
	}
	if _, err := LocationByID(tx, kind, place); err != nil {
		return nil, err
	}
	if _, err := productByID(tx, product, ""); err != nil {
		return nil, err
	}
	if err := d.check(rules.Currency); err != nil {
		return nil, err
	}
	onHand, err := lockLevels(tx, owner, []Pair{{product, place}})
	if err != nil {
		return nil, err
	}
	var retail, wholesale *int64
	if d.Retail != nil {
		retail = &d.Retail.Minor
	}
	if d.Wholesale != nil {
		wholesale = &d.Wholesale.Minor
	}
	if _, there := onHand[Pair{product, place}]; there {
		_, err = exec(tx, "change stock level", `
			update inventory.stock_level set reorder_level = case when $4 then $5 else reorder_level end, retail_price_minor = coalesce($6, retail_price_minor),
			       wholesale_price_minor = case when $8 then null else coalesce($7, wholesale_price_minor) end, updated_at = greatest(updated_at, now())
			 where tenant_id = $1 and location_id = $2 and product_id = $3`,
			owner, place, product, d.ReorderLevel != nil, level(d.ReorderLevel), retail, wholesale, d.NoWholesale)
	} else {
		if retail == nil {
			return nil, invalid(fault("/retail_price", "required", "is missing: the product was never here and has no price yet"))
		}
		_, err = exec(tx, "insert stock level", `
			insert into inventory.stock_level (tenant_id, location_id, product_id, currency, retail_price_minor, wholesale_price_minor, reorder_level) values ($1, $2, $3, $4, $5, $6, $7)`,
			owner, place, product, string(rules.Currency), *retail, wholesale, level(d.ReorderLevel))
	}
	if err != nil {
		if postgres.Constraint(err) == "stock_level_pkey" { // a delivery was faster
			return nil, problemBusy
		}
		return nil, err
	}
	after, err := one(tx, "read stock level", selectLevel+`and l.location_id = $3 and l.product_id = $4`, ErrProductNotFound, scanLevel, owner, rules.ReorderLevel, place, product)
	if err != nil {
		return nil, err
	}
	if d.ReorderLevel != nil {
		if _, _, err := refreshAlerts(tx, owner, []Pair{{product, place}}); err != nil {
			return nil, err
		}
	}
	changes := map[string]any{"location_id": place, "retail_price": after.Retail, "wholesale_price": after.Wholesale, "reorder_level": after.ReorderLevel}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Update, "stock_level", product.String(), changes
	return &after, record(tx, owner, who)
}

func (d *LevelDetails) check(c money.Currency) error {
	for pointer, price := range map[string]*money.Amount{"/retail_price": d.Retail, "/wholesale_price": d.Wholesale} {
		if price != nil && (price.Currency != c || price.Minor < 0 || price.Minor > MaxUnitMinor) {
			return invalid(fault(pointer, "out_of_range", "must be from 0.00 to 10000000.00"))
		}
	}
	return nil
}
