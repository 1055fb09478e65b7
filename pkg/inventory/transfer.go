package inventory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/problem"
)

// sourceTransfer is the source_type of what a transfer moves.
const sourceTransfer = "transfer"

// MaxTransfer is the most products one transfer may move.
const MaxTransfer = 200

// TransferStatus is how far a transfer is.
type TransferStatus string

// The states of a transfer. The last two are final.
const (
	TransferPending   TransferStatus = "pending"
	TransferInTransit TransferStatus = "in_transit"
	TransferCompleted TransferStatus = "completed"
	TransferCancelled TransferStatus = "cancelled"
)

// Transfer moves stock from a warehouse to another one, or to a storefront. What is in transit is at neither place: it left the source's items when it was dispatched and
// nobody can sell it; the movements of the transfer add up to minus what is on the road, and to nothing once it has arrived or come back.
type Transfer struct {
	ID        uuid.UUID
	Reference string
	// Type is W2W or W2S.
	Type                string
	Status              TransferStatus
	Source, Destination uuid.UUID
	ExpectedArrival     *time.Time
	Notes               string
	CreatedBy           uuid.UUID
	CreatedAt           time.Time
	DispatchedBy        *uuid.UUID
	DispatchedAt        *time.Time
	CompletedBy         *uuid.UUID
	CompletedAt         *time.Time
	CancelledBy         *uuid.UUID
	CancelledAt         *time.Time
	// Items are in the order of the products' names; empty in a list.
	Items []TransferItem
}

// TransferItem is how much of a product a transfer moves.
type TransferItem struct {
	Product   uuid.UUID
	Name, SKU string
	Quantity  int64
}

// NewTransfer is a transfer to be made. Type may be empty: it follows from the places.
type NewTransfer struct {
	Type                string
	Source, Destination uuid.UUID
	ExpectedArrival     *time.Time
	Notes               string
	Items               []TransferItem
}

const selectTransfer = `
	select t.id, t.reference, t.type, t.status, t.source_id, t.destination_id, t.expected_arrival, t.notes, t.created_by, t.created_at, t.dispatched_by, t.dispatched_at,
	       t.completed_by, t.completed_at, t.cancelled_by, t.cancelled_at
	  from inventory.transfer t `

func scanTransfer(rows pgx.Rows) (t Transfer, err error) {
	err = rows.Scan(&t.ID, &t.Reference, &t.Type, &t.Status, &t.Source, &t.Destination, &t.ExpectedArrival, &t.Notes, &t.CreatedBy, &t.CreatedAt, &t.DispatchedBy, &t.DispatchedAt,
		&t.CompletedBy, &t.CompletedAt, &t.CancelledBy, &t.CancelledAt)
	return t, err
}

// Transfers returns the transfers after the one with id after, newest first, and the id to go on with. An empty status asks for all.
func Transfers(tx *gorm.DB, status TransferStatus, after uuid.UUID, limit int) (list []Transfer, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list transfers: %w", err)
	}
	limit = clamp(limit)
	err = query(tx, "list transfers", selectTransfer+`where t.tenant_id = $1 and ($2 = '' or t.status = $2) and ($3::uuid is null or t.id < $3) order by t.id desc limit $4`,
		func(rows pgx.Rows) error {
			t, err := scanTransfer(rows)
			list = append(list, t)
			return err
		}, owner, string(status), optionalID(after), limit+1)
	list, next = page(list, limit, func(t Transfer) uuid.UUID { return t.ID })
	return list, next, err
}

// TransferByID returns a transfer with its items, or ErrTransferNotFound.
func TransferByID(tx *gorm.DB, id uuid.UUID) (*Transfer, error) { return transferByID(tx, id, "") }

func transferByID(tx *gorm.DB, id uuid.UUID, lock string) (*Transfer, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read transfer: %w", err)
	}
	t, err := one(tx, "read transfer", selectTransfer+`where t.tenant_id = $1 and t.id = $2 `+lock, ErrTransferNotFound, scanTransfer, owner, id)
	if err != nil {
		return nil, err
	}
	err = query(tx, "read items of transfer", `
		select i.product_id, p.name, p.sku, i.quantity from inventory.transfer_item i join inventory.product p on p.tenant_id = i.tenant_id and p.id = i.product_id
		 where i.tenant_id = $1 and i.transfer_id = $2 order by lower(p.name), p.id`,
		func(rows pgx.Rows) error {
			var i TransferItem
			err := rows.Scan(&i.Product, &i.Name, &i.SKU, &i.Quantity)
			t.Items = append(t.Items, i)
			return err
		}, owner, id)
	return &t, err
}

// check names what is wrong with a transfer, and settles its type.
func (n *NewTransfer) check(tx *gorm.DB, owner uuid.UUID) (faults []problem.FieldError, err error) {
	if len(n.Items) < 1 || len(n.Items) > MaxTransfer {
		return []problem.FieldError{fault("/items", "out_of_range", "must be from 1 to 200")}, nil
	}
	if n.Source == n.Destination {
		faults = append(faults, fault("/destination_id", "same", "must be another place than the source"))
	}
	kinds, active := map[uuid.UUID]LocationKind{}, map[uuid.UUID]bool{}
	err = query(tx, "look up what a transfer names", `
		select id, kind, is_active from inventory.location where tenant_id = $1 and id = any($2)
		union all select id, '', is_active from inventory.product where tenant_id = $1 and id = any($3)`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var kind LocationKind
			var is bool
			err := rows.Scan(&id, &kind, &is)
			kinds[id], active[id] = kind, is
			return err
		}, owner, []uuid.UUID{n.Source, n.Destination}, ids(n.Items, func(i TransferItem) uuid.UUID { return i.Product }))
	if err != nil {
		return nil, err
	}
	if kinds[n.Source] != Warehouse {
		faults = append(faults, fault("/source_id", "unknown", "is no warehouse of this business"))
	}
	kind := map[LocationKind]string{Warehouse: "W2W", Storefront: "W2S"}[kinds[n.Destination]]
	switch {
	case kind == "":
		faults = append(faults, fault("/destination_id", "unknown", "is no place of this business"))
	case !active[n.Destination]:
		faults = append(faults, fault("/destination_id", "inactive", "is not in use any more"))
	case n.Type != "" && n.Type != kind:
		faults = append(faults, fault("/type", "mismatch", "does not fit the destination"))
	}
	n.Type = kind
	seen := map[uuid.UUID]bool{}
	for i, item := range n.Items {
		at := "/items/" + strconv.Itoa(i)
		if item.Quantity < 1 || item.Quantity > MaxQuantity {
			faults = append(faults, fault(at+"/quantity", "out_of_range", "must be a whole number from 1 to 1000000000"))
		}
		if kind, known := kinds[item.Product]; !known || kind != "" {
			faults = append(faults, fault(at+"/product_id", "unknown", "is no product of this business"))
		} else if seen[item.Product] {
			faults = append(faults, fault(at+"/product_id", "duplicate", "is there twice"))
		}
		seen[item.Product] = true
	}
	return faults, nil
}

// Move plans a transfer. Nothing moves before it is dispatched. Errors: faults of the body, named by JSON pointer.
func Move(tx *gorm.DB, who audit.Entry, n NewTransfer, now time.Time) (*Transfer, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("plan transfer: %w", err)
	}
	faults, err := n.check(tx, owner)
	if err != nil {
		return nil, err
	}
	if err := invalid(faults[:min(len(faults), maxFaults)]...); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make transfer id: %w", err)
	}
	// The id's last 48 bits are random: two transfers of a business on one day that share them are not to be expected.
	reference := "TRF-" + now.UTC().Format("20060102") + "-" + strings.ToUpper(id.String()[24:])
	_, err = exec(tx, "insert transfer", `insert into inventory.transfer (id, tenant_id, reference, type, source_id, destination_id, expected_arrival, notes, created_by) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		id, owner, reference, n.Type, n.Source, n.Destination, n.ExpectedArrival, strings.TrimSpace(n.Notes), who.User)
	if err != nil {
		return nil, err
	}
	_, err = exec(tx, "insert items of transfer", `
		insert into inventory.transfer_item (tenant_id, transfer_id, product_id, quantity) select $1, $2, u.product, u.quantity from unnest($3::uuid[], $4::bigint[]) as u (product, quantity)`,
		owner, id, column(n.Items, func(i TransferItem) uuid.UUID { return i.Product }), column(n.Items, func(i TransferItem) int64 { return i.Quantity }))
	if err != nil {
		return nil, err
	}
	return noted(tx, owner, who, id, "transfer.created")
}

// noted writes the audit entry of a step and returns the transfer as it is now.
func noted(tx *gorm.DB, owner uuid.UUID, who audit.Entry, id uuid.UUID, action string) (*Transfer, error) {
	t, err := TransferByID(tx, id)
	if err != nil {
		return nil, err
	}
	who.Action, who.Entity, who.EntityID = action, "transfer", id.String()
	who.Changes = map[string]any{"reference": t.Reference, "source_id": t.Source, "destination_id": t.Destination, "items": len(t.Items)}
	return t, record(tx, owner, who)
}

// step moves a locked transfer on.
func step(tx *gorm.DB, owner, user, id uuid.UUID, statement string) error {
	_, err := exec(tx, "move transfer on", `update inventory.transfer set `+statement+` where tenant_id = $1 and id = $2`, owner, id, user)
	return err
}

// Dispatch takes the goods of a transfer out of the source, first expired first out, all or none. Dispatching what is in transit changes nothing.
// Errors: ErrTransferNotFound, ErrTransferEnded, *InsufficientStockError.
func Dispatch(tx *gorm.DB, who audit.Entry, id uuid.UUID, now time.Time) (*Transfer, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("dispatch transfer: %w", err)
	}
	t, err := transferByID(tx, id, "for update")
	if err != nil {
		return nil, err
	}
	switch t.Status {
	case TransferInTransit:
		return t, nil
	case TransferCompleted, TransferCancelled:
		return nil, fmt.Errorf("dispatch transfer %s, which is %s: %w", id, t.Status, ErrTransferEnded)
	case TransferPending:
	}
	list, err := take(tx, owner, t.Source, column(t.Items, func(i TransferItem) need { return need{id, i.Product, i.Quantity} }))
	if err != nil {
		return nil, fmt.Errorf("dispatch transfer %s: %w", id, err)
	}
	moves := column(list, func(k taken) movement {
		return movement{item: k.item, source: id, pair: Pair{k.product, t.Source}, delta: -k.quantity}
	})
	if err := post(tx, owner, cause{kind: TransferOut, sourceType: sourceTransfer, user: who.User, at: now}, moves); err != nil {
		return nil, err
	}
	if err := step(tx, owner, who.User, id, `status = 'in_transit', dispatched_by = $3, dispatched_at = now()`); err != nil {
		return nil, err
	}
	return noted(tx, owner, who, id, "transfer.dispatched")
}

// Complete puts the goods of a transfer into the destination, each in an item of its own that keeps delivery, costs, prices and expiry of the one it left. Completing what
// is completed changes nothing. Errors: ErrTransferNotFound, ErrNotDispatched, ErrTransferEnded.
func Complete(tx *gorm.DB, who audit.Entry, id uuid.UUID, now time.Time) (*Transfer, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("complete transfer: %w", err)
	}
	t, err := transferByID(tx, id, "for update")
	if err != nil {
		return nil, err
	}
	switch t.Status {
	case TransferCompleted:
		return t, nil
	case TransferPending:
		return nil, fmt.Errorf("complete transfer %s: %w", id, ErrNotDispatched)
	case TransferCancelled:
		return nil, fmt.Errorf("complete transfer %s: %w", id, ErrTransferEnded)
	case TransferInTransit:
	}
	road, err := onTheRoad(tx, owner, id)
	if err != nil {
		return nil, err
	}
	moves, err := arrive(tx, owner, t.Destination, road)
	if err != nil {
		return nil, err
	}
	if err := post(tx, owner, cause{kind: TransferIn, sourceType: sourceTransfer, user: who.User, at: now}, moves); err != nil {
		return nil, err
	}
	if err := step(tx, owner, who.User, id, `status = 'completed', completed_by = $3, completed_at = now()`); err != nil {
		return nil, err
	}
	return noted(tx, owner, who, id, audit.Transfer)
}

// onTheRoad returns what has left the source's items for a transfer, as movements that would put it back.
func onTheRoad(tx *gorm.DB, owner, id uuid.UUID) (list []movement, err error) {
	err = query(tx, "read what is in transit", `
		select m.stock_item_id, m.product_id, m.location_id, -m.delta from inventory.movement m
		 where m.tenant_id = $1 and m.source_id = $2 and m.source_type = 'transfer' and m.kind = 'TRANSFER_OUT' order by m.product_id, m.stock_item_id`,
		func(rows pgx.Rows) error {
			m := movement{source: id}
			err := rows.Scan(&m.item, &m.pair.ProductID, &m.pair.LocationID, &m.delta)
			list = append(list, m)
			return err
		}, owner, id)
	return list, err
}

// arrive finds or makes the items of the destination that the goods come into, and returns their movements. A second transfer out of the same item comes into the item that
// the first one made. Levels that are not there yet begin with the prices of the newest item.
func arrive(tx *gorm.DB, owner, destination uuid.UUID, road []movement) ([]movement, error) {
	left := column(road, func(m movement) uuid.UUID { return m.item })
	_, err := exec(tx, "lock levels of the destination", `
		insert into inventory.stock_level as l (tenant_id, location_id, product_id, currency, retail_price_minor, wholesale_price_minor)
		select * from (
			select distinct on (i.product_id) i.tenant_id, $2::uuid, i.product_id, i.currency, i.retail_price_minor, i.wholesale_price_minor
			  from inventory.stock_item i where i.tenant_id = $1 and i.id = any($3) order by i.product_id, i.id desc) n
		 order by n.product_id
		    on conflict (tenant_id, location_id, product_id) do update set updated_at = l.updated_at`, owner, destination, left)
	if err != nil {
		return nil, err
	}
	fresh := make([]uuid.UUID, len(road))
	for i := range fresh {
		if fresh[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("make stock item id: %w", err)
		}
	}
	_, err = exec(tx, "insert items of the destination", `
		insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, supplier_id, source_item_id, expiry_date, quantity_received, currency, unit_cost_minor, unit_tax_minor,
		       unit_additional_minor, retail_price_minor, wholesale_price_minor)
		select u.fresh, i.tenant_id, i.batch_id, $2, i.product_id, i.supplier_id, i.id, i.expiry_date, u.quantity, i.currency, i.unit_cost_minor, i.unit_tax_minor,
		       i.unit_additional_minor, i.retail_price_minor, i.wholesale_price_minor
		  from unnest($3::uuid[], $4::uuid[], $5::bigint[]) as u (item, fresh, quantity) join inventory.stock_item i on i.tenant_id = $1 and i.id = u.item
		    on conflict on constraint stock_item_key do nothing`, owner, destination, left, fresh, column(road, func(m movement) int64 { return m.delta }))
	if err != nil {
		return nil, err
	}
	into := map[uuid.UUID]uuid.UUID{}
	err = query(tx, "find items of the destination", `
		select i.source_item_id, i.id from inventory.stock_item s join inventory.stock_item i on i.tenant_id = s.tenant_id and i.batch_id = s.batch_id and i.source_item_id = s.id
		 where s.tenant_id = $1 and s.id = any($3) and i.location_id = $2`,
		func(rows pgx.Rows) error {
			var from, to uuid.UUID
			err := rows.Scan(&from, &to)
			into[from] = to
			return err
		}, owner, destination, left)
	if err != nil {
		return nil, err
	}
	moves := make([]movement, len(road))
	for i, m := range road {
		to, ok := into[m.item]
		if !ok {
			return nil, fmt.Errorf("no item at place %s for what left item %s", destination, m.item)
		}
		moves[i] = movement{item: to, source: m.source, pair: Pair{m.pair.ProductID, destination}, delta: m.delta}
	}
	return moves, nil
}

// Cancel ends a transfer. What is in transit goes back into the very items it left. Cancelling what is cancelled changes nothing.
// Errors: ErrTransferNotFound, ErrTransferEnded.
func Cancel(tx *gorm.DB, who audit.Entry, id uuid.UUID, now time.Time) (*Transfer, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("cancel transfer: %w", err)
	}
	t, err := transferByID(tx, id, "for update")
	if err != nil {
		return nil, err
	}
	switch t.Status {
	case TransferCancelled:
		return t, nil
	case TransferCompleted:
		return nil, fmt.Errorf("cancel transfer %s: %w", id, ErrTransferEnded)
	case TransferInTransit:
		road, err := onTheRoad(tx, owner, id)
		if err != nil {
			return nil, err
		}
		pairs := column(road, func(m movement) Pair { return m.pair })
		slices.SortFunc(pairs, comparePairs)
		if _, err := lockLevels(tx, owner, slices.Compact(pairs)); err != nil {
			return nil, err
		}
		if err := post(tx, owner, cause{kind: TransferIn, sourceType: sourceTransfer, reason: "cancelled", user: who.User, at: now}, road); err != nil {
			return nil, err
		}
	case TransferPending:
	}
	if err := step(tx, owner, who.User, id, `status = 'cancelled', cancelled_by = $3, cancelled_at = now()`); err != nil {
		return nil, err
	}
	return noted(tx, owner, who, id, "transfer.cancelled")
}
