package inventory

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Batch is a delivery that was taken in.
type Batch struct {
	ID                     uuid.UUID
	Arrival                time.Time
	Reference, Description string
	CreatedBy              uuid.UUID
	CreatedAt              time.Time
	// ItemCount is how many items it brought; Items are those, where one batch is asked for.
	ItemCount int
	Items     []Item
}

const selectBatch = `
	select b.id, b.arrival_date, b.reference, b.description, b.created_by, b.created_at,
	       (select count(*) from inventory.stock_item i where i.tenant_id = b.tenant_id and i.batch_id = b.id and i.source_item_id is null)
	  from inventory.stock_batch b `

func scanBatch(rows pgx.Rows) (b Batch, err error) {
	err = rows.Scan(&b.ID, &b.Arrival, &b.Reference, &b.Description, &b.CreatedBy, &b.CreatedAt, &b.ItemCount)
	return b, err
}

// Batches returns the deliveries after the one with id after, newest first, and the id to go on with.
func Batches(tx *gorm.DB, after uuid.UUID, limit int) (list []Batch, next uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list deliveries: %w", err)
	}
	limit = clamp(limit)
	err = query(tx, "list deliveries", selectBatch+`where b.tenant_id = $1 and ($2::uuid is null or b.id < $2) order by b.id desc limit $3`, func(rows pgx.Rows) error {
		b, err := scanBatch(rows)
		list = append(list, b)
		return err
	}, owner, optionalID(after), limit+1)
	list, next = page(list, limit, func(b Batch) uuid.UUID { return b.ID })
	return list, next, err
}

// BatchByID returns a delivery with the items it brought, or ErrBatchNotFound.
func BatchByID(tx *gorm.DB, id uuid.UUID) (*Batch, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	b, err := one(tx, "read delivery", selectBatch+`where b.tenant_id = $1 and b.id = $2`, ErrBatchNotFound, scanBatch, owner, id)
	if err != nil {
		return nil, err
	}
	err = query(tx, "read items of delivery", selectItem+`where i.tenant_id = $1 and i.batch_id = $2 and i.source_item_id is null order by i.id`, func(rows pgx.Rows) error {
		item, err := scanItem(rows)
		b.Items = append(b.Items, item)
		return err
	}, owner, id)
	return &b, err
}
