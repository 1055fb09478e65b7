package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
	"makola/pkg/postgres"
)

// sourceAdjustment is the source_type of what an approved adjustment moves.
const sourceAdjustment = "stock_adjustment"

// The types of adjustments, by the way they go. Decreases and increases are what their name says, whatever the sign of the number; the others go either way.
var (
	decreases = []string{"THEFT", "DAMAGE", "EXPIRED", "SPOILAGE", "LOSS", "SAMPLE", "WRITE_OFF", "SUPPLIER_RETURN"}
	increases = []string{"CUSTOMER_RETURN", "FOUND", "CORRECTION_INCREASE"}
)

// AdjustmentStatus is what became of an adjustment.
type AdjustmentStatus string

// The states of an adjustment that a reader can meet: approving completes it in the same transaction.
const (
	AdjustmentPending   AdjustmentStatus = "PENDING"
	AdjustmentCompleted AdjustmentStatus = "COMPLETED"
	AdjustmentRejected  AdjustmentStatus = "REJECTED"
)

// Adjustment is a change of one item's stock that somebody asks for and somebody else decides on.
type Adjustment struct {
	ID, Item, Location, Product uuid.UUID
	ProductName, ProductSKU     string
	Type                        string
	// Quantity has the sign of what it does to the stock. Before is what was on hand when it was entered and, once completed, just before it.
	Quantity, Before     int64
	UnitCost, TotalCost  money.Amount
	Reason, Reference    string
	Status               AdjustmentStatus
	CreatedBy            uuid.UUID
	DecidedBy            *uuid.UUID
	DecidedAt            *time.Time
	CompletedAt          *time.Time
	CreatedAt, UpdatedAt time.Time
}

// AdjustmentDetails are what an adjustment says. In a change, nil leaves it as it is.
type AdjustmentDetails struct {
	Type *string
	// Quantity is not zero. For a type that goes one way its sign does not matter.
	Quantity          *int64
	Reason, Reference *string
	// UnitCost is what one unit is worth; without it, what the item cost.
	UnitCost *money.Amount
}

// signed is the quantity as its type wants it.
func signed(kind string, quantity int64) int64 {
	switch {
	case slices.Contains(decreases, kind):
		return -max(quantity, -quantity)
	case slices.Contains(increases, kind):
		return max(quantity, -quantity)
	default:
		return quantity
	}
}

func (d *AdjustmentDetails) check(c money.Currency) error {
	if q := d.Quantity; q != nil && (*q == 0 || *q > MaxQuantity || *q < -MaxQuantity) {
		return invalid(fault("/quantity", "out_of_range", "must be a whole number other than 0, at most 1000000000"))
	}
	if u := d.UnitCost; u != nil && (u.Currency != c || u.Minor < 0 || u.Minor > MaxUnitMinor) {
		return invalid(fault("/unit_cost", "out_of_range", "must be from 0.00 to 10000000.00"))
	}
	if d.Reason != nil && strings.TrimSpace(*d.Reason) == "" {
		return invalid(fault("/reason", "invalid", "must not be empty"))
	}
	return nil
}

const selectAdjustment = `
	select a.id, a.stock_item_id, a.location_id, a.product_id, p.name, p.sku, a.type, a.quantity, coalesce(a.quantity_before, 0), a.currency, a.unit_cost_minor, a.total_cost_minor,
	       a.reason, a.reference, a.status, a.created_by, a.decided_by, a.decided_at, a.completed_at, a.created_at, a.updated_at
	  from inventory.stock_adjustment a join inventory.product p on p.tenant_id = a.tenant_id and p.id = a.product_id `

func scanAdjustment(rows pgx.Rows) (a Adjustment, err error) {
	err = rows.Scan(&a.ID, &a.Item, &a.Location, &a.Product, &a.ProductName, &a.ProductSKU, &a.Type, &a.Quantity, &a.Before, &a.UnitCost.Currency, &a.UnitCost.Minor, &a.TotalCost.Minor,
		&a.Reason, &a.Reference, &a.Status, &a.CreatedBy, &a.DecidedBy, &a.DecidedAt, &a.CompletedAt, &a.CreatedAt, &a.UpdatedAt)
	a.TotalCost.Currency = a.UnitCost.Currency
	return a, err
}

// AdjustmentFilter chooses adjustments; zero members choose all.
type AdjustmentFilter struct {
	Status AdjustmentStatus
	Item   uuid.UUID
}

// Adjustments returns the adjustments after the one with id after, newest first, and the id to go on with.
func Adjustments(tx *gorm.DB, f AdjustmentFilter, after uuid.UUID, limit int) (list []Adjustment, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list adjustments: %w", err)
	}
	limit = clamp(limit)
	var w filter
	tenant := w.arg(owner)
	switch f.Status {
	case "":
	case AdjustmentPending: // spelt out, so that the index of what waits is used
		w.where.WriteString(` and a.status = 'PENDING'`)
	case AdjustmentCompleted, AdjustmentRejected:
		w.and(`a.status = ?`, string(f.Status))
	}
	if f.Item != uuid.Nil {
		w.and(`a.stock_item_id = ?`, f.Item)
	}
	if after != uuid.Nil {
		w.and(`a.id < ?`, after)
	}
	err = query(tx, "list adjustments", selectAdjustment+`where a.tenant_id = `+tenant+w.where.String()+` order by a.id desc limit `+w.arg(limit+1), func(rows pgx.Rows) error {
		a, err := scanAdjustment(rows)
		list = append(list, a)
		return err
	}, w.args...)
	list, next = page(list, limit, func(a Adjustment) uuid.UUID { return a.ID })
	return list, next, err
}

// AdjustmentByID returns an adjustment, or ErrAdjustmentNotFound.
func AdjustmentByID(tx *gorm.DB, id uuid.UUID) (*Adjustment, error) {
	return adjustmentByID(tx, id, "")
}

func adjustmentByID(tx *gorm.DB, id uuid.UUID, lock string) (*Adjustment, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read adjustment: %w", err)
	}
	a, err := one(tx, "read adjustment", selectAdjustment+`where a.tenant_id = $1 and a.id = $2 `+lock, ErrAdjustmentNotFound, scanAdjustment, owner, id)
	return &a, err
}

// pendingAdjustment locks an adjustment that nobody has decided on.
func pendingAdjustment(tx *gorm.DB, id uuid.UUID) (*Adjustment, error) {
	a, err := adjustmentByID(tx, id, "for update of a")
	if err == nil && a.Status != AdjustmentPending {
		err = fmt.Errorf("adjustment %s is %s: %w", id, a.Status, ErrNotPending)
	}
	return a, err
}

// Adjust asks for a change of an item's stock. Nothing moves before somebody approves it. d needs type, quantity and reason.
// Errors: an item that does not exist and numbers out of range are faults of the body.
func Adjust(tx *gorm.DB, who audit.Entry, item uuid.UUID, d AdjustmentDetails) (*Adjustment, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("adjust stock: %w", err)
	}
	i, err := ItemByID(tx, item)
	if err != nil {
		return nil, missingItem(err)
	}
	if err := d.check(i.Cost.Currency); err != nil {
		return nil, err
	}
	cost := i.Landed
	if d.UnitCost != nil {
		cost = *d.UnitCost
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make adjustment id: %w", err)
	}
	_, err = exec(tx, "insert adjustment", `
		insert into inventory.stock_adjustment (id, tenant_id, stock_item_id, location_id, product_id, type, quantity, quantity_before, currency, unit_cost_minor, reason, reference, created_by)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		id, owner, item, i.Location, i.Product, value(d.Type), signed(value(d.Type), value(d.Quantity)), i.OnHand, string(cost.Currency), cost.Minor,
		value(trimmed(d.Reason)), value(trimmed(d.Reference)), who.User)
	if err != nil {
		return nil, wrongType(err)
	}
	a, err := AdjustmentByID(tx, id)
	if err != nil {
		return nil, err
	}
	who.Action, who.Entity, who.EntityID, who.Changes = "adjustment.created", "stock_adjustment", id.String(), a.changes()
	return a, record(tx, owner, who)
}

// missingItem makes an item that does not exist a fault of the body.
func missingItem(err error) error {
	if errors.Is(err, ErrItemNotFound) {
		return invalid(fault("/stock_item_id", "unknown", "is no stock item of this business"))
	}
	return err
}

// wrongType makes a type that does not exist a fault of the body.
func wrongType(err error) error {
	if postgres.Constraint(err) == "stock_adjustment_type_check" {
		return invalid(fault("/type", "not_allowed", "is no type of adjustment"))
	}
	return err
}

func (a *Adjustment) changes() map[string]any {
	return map[string]any{"stock_item_id": a.Item, "type": a.Type, "quantity": a.Quantity, "reason": a.Reason}
}

// ChangeAdjustment changes what an adjustment says while nobody has decided on it. Errors: ErrAdjustmentNotFound, ErrNotPending; those of Adjust.
func ChangeAdjustment(tx *gorm.DB, who audit.Entry, id uuid.UUID, d AdjustmentDetails) (*Adjustment, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("change adjustment: %w", err)
	}
	before, err := pendingAdjustment(tx, id)
	if err != nil {
		return nil, err
	}
	if err := d.check(before.UnitCost.Currency); err != nil {
		return nil, err
	}
	kind, quantity, cost := before.Type, before.Quantity, before.UnitCost
	if d.Type != nil {
		kind = *d.Type
	}
	if d.Quantity != nil {
		quantity = *d.Quantity
	}
	if d.UnitCost != nil {
		cost = *d.UnitCost
	}
	_, err = exec(tx, "change adjustment", `
		update inventory.stock_adjustment set type = $3, quantity = $4, unit_cost_minor = $5, reason = coalesce($6, reason), reference = coalesce($7, reference), updated_at = now()
		 where tenant_id = $1 and id = $2 and status = 'PENDING'`, owner, id, kind, signed(kind, quantity), cost.Minor, trimmed(d.Reason), trimmed(d.Reference))
	if err != nil {
		return nil, wrongType(err)
	}
	after, err := AdjustmentByID(tx, id)
	if err != nil {
		return nil, err
	}
	who.Action, who.Entity, who.EntityID, who.Changes = "adjustment.changed", "stock_adjustment", id.String(), after.changes()
	return after, record(tx, owner, who)
}

// Approve carries an adjustment out: it is approved and completed together, or, when the item holds too little, not at all.
// Errors: ErrAdjustmentNotFound, ErrNotPending, ErrOwnAdjustment, *InsufficientStockError.
func Approve(tx *gorm.DB, who audit.Entry, rules Rules, id uuid.UUID, now time.Time) (*Adjustment, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("approve adjustment: %w", err)
	}
	a, err := pendingAdjustment(tx, id)
	if err != nil {
		return nil, err
	}
	if rules.SeparateApprover && a.CreatedBy == who.User {
		return nil, fmt.Errorf("approve adjustment %s: %w", id, ErrOwnAdjustment)
	}
	pair := Pair{a.Product, a.Location}
	if _, err := lockLevels(tx, owner, []Pair{pair}); err != nil {
		return nil, err
	}
	item, err := ItemByID(tx, a.Item) // as it is now that the level is ours
	if err != nil {
		return nil, err
	}
	if item.OnHand+a.Quantity < 0 {
		return nil, fmt.Errorf("approve adjustment %s: %w", id, &InsufficientStockError{Product: a.Product, Available: item.OnHand, Requested: -a.Quantity})
	}
	_, err = exec(tx, "complete adjustment", `
		update inventory.stock_adjustment set status = 'COMPLETED', quantity_before = $3, decided_by = $4, decided_at = now(), completed_at = now(), updated_at = now()
		 where tenant_id = $1 and id = $2 and status = 'PENDING'`, owner, id, item.OnHand, who.User)
	if err != nil {
		return nil, err
	}
	// The reason of the movement is the type: what was stolen and what was found is told apart in the ledger itself.
	err = post(tx, owner, cause{kind: Adjusted, sourceType: sourceAdjustment, reason: a.Type, user: who.User, at: now}, []movement{{item: a.Item, source: id, pair: pair, delta: a.Quantity}})
	if err != nil {
		return nil, err
	}
	if a, err = AdjustmentByID(tx, id); err != nil {
		return nil, err
	}
	who.Action, who.Entity, who.EntityID, who.Changes = "adjustment.completed", "stock_adjustment", id.String(), a.changes()
	return a, record(tx, owner, who)
}

// Reject ends an adjustment without effect. Errors: ErrAdjustmentNotFound, ErrNotPending.
func Reject(tx *gorm.DB, who audit.Entry, id uuid.UUID) (*Adjustment, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("reject adjustment: %w", err)
	}
	if _, err := pendingAdjustment(tx, id); err != nil {
		return nil, err
	}
	_, err = exec(tx, "reject adjustment", `
		update inventory.stock_adjustment set status = 'REJECTED', decided_by = $3, decided_at = now(), updated_at = now() where tenant_id = $1 and id = $2 and status = 'PENDING'`,
		owner, id, who.User)
	if err != nil {
		return nil, err
	}
	a, err := AdjustmentByID(tx, id)
	if err != nil {
		return nil, err
	}
	who.Action, who.Entity, who.EntityID, who.Changes = "adjustment.rejected", "stock_adjustment", id.String(), a.changes()
	return a, record(tx, owner, who)
}
