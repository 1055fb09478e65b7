package inventory

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
)

// Product is what a business sells.
type Product struct {
	ID        uuid.UUID
	Name, SKU string
	// Barcode and Category may be missing.
	Barcode  *string
	Category *uuid.UUID
	Unit     string
	// ReorderLevel is at or below how many units stock is low; nil: what the business says.
	ReorderLevel *int64
	// AlertsMuted keeps the product out of alerts and digests.
	AlertsMuted, Active  bool
	CreatedAt, UpdatedAt time.Time
}

// ProductDetails are what changes about a product; nil leaves it as it is. An empty barcode, the zero category and a negative reorder level remove it.
type ProductDetails struct {
	Name, SKU, Barcode, Unit *string
	Category                 *uuid.UUID
	ReorderLevel             *int64
	AlertsMuted, Active      *bool
}

const productColumns = `p.id, p.name, p.sku, p.barcode, p.category_id, p.unit, p.reorder_level, p.alerts_muted, p.is_active, p.created_at, p.updated_at`

// fields are where productColumns are scanned to.
func (p *Product) fields() []any {
	return []any{&p.ID, &p.Name, &p.SKU, &p.Barcode, &p.Category, &p.Unit, &p.ReorderLevel, &p.AlertsMuted, &p.Active, &p.CreatedAt, &p.UpdatedAt}
}

func scanProduct(rows pgx.Rows) (p Product, err error) {
	err = rows.Scan(p.fields()...)
	return p, err
}

func productByID(tx *gorm.DB, id uuid.UUID, lock string) (*Product, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read product: %w", err)
	}
	p, err := one(tx, "read product", `select `+productColumns+` from inventory.product p where p.tenant_id = $1 and p.id = $2 `+lock, ErrProductNotFound, scanProduct, owner, id)
	return &p, err
}

// AddProduct makes a product. Errors: ErrSKUTaken; a category that does not exist is a fault of the body.
func AddProduct(tx *gorm.DB, who audit.Entry, d ProductDetails) (*Product, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("add product: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make product id: %w", err)
	}
	_, err = exec(tx, "insert product", `
		insert into inventory.product (id, tenant_id, name, sku, barcode, unit, category_id, reorder_level, alerts_muted)
		values ($1, $2, $3, $4, nullif($5::text, ''), coalesce($6, 'pcs'), $7, $8, $9)`,
		id, owner, trimmed(d.Name), trimmed(d.SKU), trimmed(d.Barcode), trimmed(d.Unit), optionalID(value(d.Category)), level(d.ReorderLevel), value(d.AlertsMuted))
	if err != nil {
		return nil, productTaken(err)
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Create, "product", id.String(), map[string]any{"name": value(trimmed(d.Name)), "sku": value(trimmed(d.SKU))}
	if err := record(tx, owner, who); err != nil {
		return nil, err
	}
	return productByID(tx, id, "")
}

// ChangeProduct changes details of a product. What its threshold, its muting or its end mean for its alerts happens at once. Errors: ErrProductNotFound, ErrSKUTaken; a category that does not exist is a fault of the body.
func ChangeProduct(tx *gorm.DB, who audit.Entry, id uuid.UUID, d ProductDetails) (*Product, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("change product: %w", err)
	}
	places := []Pair{} // nil would be every place there is
	if d.ReorderLevel != nil || d.AlertsMuted != nil || d.Active != nil {
		if places, err = lockPlaces(tx, owner, id); err != nil { // before the product, as a sale does
			return nil, err
		}
	}
	before, err := productByID(tx, id, "for update")
	if err != nil {
		return nil, err
	}
	_, err = exec(tx, "change product", `
		update inventory.product set name = coalesce($3, name), sku = coalesce($4, sku), barcode = case when $5::text is null then barcode else nullif($5, '') end, unit = coalesce($6, unit),
		       category_id = case when $7 then $8 else category_id end, reorder_level = case when $9 then $10 else reorder_level end,
		       alerts_muted = coalesce($11, alerts_muted), is_active = coalesce($12, is_active), updated_at = now()
		 where tenant_id = $1 and id = $2`,
		owner, id, trimmed(d.Name), trimmed(d.SKU), trimmed(d.Barcode), trimmed(d.Unit), d.Category != nil, optionalID(value(d.Category)), d.ReorderLevel != nil, level(d.ReorderLevel),
		d.AlertsMuted, d.Active)
	if err != nil {
		return nil, productTaken(err)
	}
	after, err := productByID(tx, id, "")
	if err != nil {
		return nil, err
	}
	changes := map[string]any{}
	differ(changes, "name", before.Name, after.Name)
	differ(changes, "sku", before.SKU, after.SKU)
	differ(changes, "barcode", value(before.Barcode), value(after.Barcode))
	differ(changes, "unit", before.Unit, after.Unit)
	differ(changes, "category_id", value(before.Category), value(after.Category))
	if value(before.ReorderLevel) != value(after.ReorderLevel) || (before.ReorderLevel == nil) != (after.ReorderLevel == nil) {
		changes["reorder_level"] = [2]any{before.ReorderLevel, after.ReorderLevel}
	}
	differ(changes, "alerts_muted", before.AlertsMuted, after.AlertsMuted)
	differ(changes, "is_active", before.Active, after.Active)
	if len(changes) == 0 {
		return after, nil
	}
	if _, _, err := refreshAlerts(tx, owner, places); err != nil {
		return nil, err
	}
	who.Action, who.Entity, who.EntityID, who.Changes = audit.Update, "product", id.String(), changes
	return after, record(tx, owner, who)
}

// lockPlaces locks the levels of a product and returns where they are.
func lockPlaces(tx *gorm.DB, owner, product uuid.UUID) ([]Pair, error) {
	places := []Pair{}
	err := query(tx, "lock stock levels", `select location_id from inventory.stock_level where tenant_id = $1 and product_id = $2 order by location_id for update`, func(rows pgx.Rows) error {
		p := Pair{ProductID: product}
		err := rows.Scan(&p.LocationID)
		places = append(places, p)
		return err
	}, owner, product)
	return places, err
}

// level is a reorder level as the database has it: a negative one is none.
func level(n *int64) *int64 {
	if n == nil || *n < 0 {
		return nil
	}
	return n
}

func productTaken(err error) error {
	switch c := postgres.Constraint(err); {
	case c == "product_sku_key":
		return ErrSKUTaken
	case c == "product_category_fkey":
		return invalid(fault("/category_id", "unknown", "is no category of this business"))
	case strings.HasSuffix(c, "_text_check"): // a text of spaces only; the API's description has checked the rest
		return invalid(fault("/sku", "invalid", "must not be empty"))
	}
	return err
}
