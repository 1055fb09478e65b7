package inventory

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/problem"
)

// ErrAlertNotFound reports an alert that the business does not have, or that has ended.
var ErrAlertNotFound = problem.New(problem.NotFound, "alert_not_found", "There is no such open alert.")

// MaxSnooze is how long an alert can be put off.
const MaxSnooze = 90 * 24 * time.Hour

// ErrSnooze reports a time that an alert cannot be put off to.
var ErrSnooze = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/until", Field: "until", Code: "out_of_range", Message: "must be a time in the next 90 days"})

// Alert is an alert as people see it.
type Alert struct {
	ID, Product, Location      uuid.UUID
	Type                       AlertType
	ProductName, SKU, Unit     string
	LocationName               string
	Item                       *uuid.UUID
	ExpiryDate                 *time.Time
	Bucket                     *int
	OnHand                     int64 // now; of the item, for a warning of expiry
	Threshold                  int64 // units; for a warning of expiry, days
	OpenedAt                   time.Time
	ResolvedAt, NotifiedAt     *time.Time
	AcknowledgedAt, SnoozedTil *time.Time
	AcknowledgedBy             *uuid.UUID
}

// AlertFilter chooses alerts; zero members choose all open ones.
type AlertFilter struct {
	// Ended chooses those that have ended instead of the open ones.
	Ended             bool
	Type              AlertType
	Product, Location uuid.UUID
}

const selectAlert = `
	select a.id, a.product_id, a.location_id, a.type, p.name, p.sku, p.unit, o.name, a.stock_item_id, i.expiry_date, a.bucket, coalesce(i.on_hand, l.on_hand, 0), a.threshold,
	       a.opened_at, a.resolved_at, a.notified_at, a.acknowledged_at, a.acknowledged_by, a.snoozed_until
	  from inventory.stock_alert a
	  join inventory.product p on p.tenant_id = a.tenant_id and p.id = a.product_id
	  join inventory.location o on o.tenant_id = a.tenant_id and o.id = a.location_id
	  left join inventory.stock_level l on l.tenant_id = a.tenant_id and l.product_id = a.product_id and l.location_id = a.location_id
	  left join inventory.stock_item i on i.tenant_id = a.tenant_id and i.id = a.stock_item_id
	 where a.tenant_id = $1 `

func scanAlert(rows pgx.Rows) (a Alert, err error) {
	err = rows.Scan(&a.ID, &a.Product, &a.Location, &a.Type, &a.ProductName, &a.SKU, &a.Unit, &a.LocationName, &a.Item, &a.ExpiryDate, &a.Bucket, &a.OnHand, &a.Threshold,
		&a.OpenedAt, &a.ResolvedAt, &a.NotifiedAt, &a.AcknowledgedAt, &a.AcknowledgedBy, &a.SnoozedTil)
	return a, err
}

// Alerts returns the alerts before the one with id before, newest first; uuid.Nil begins at the newest.
func Alerts(tx *gorm.DB, f AlertFilter, before uuid.UUID, limit int) (list []Alert, err error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	where, args := `and a.resolved_at is null`, []any{owner}
	if f.Ended {
		where = `and a.resolved_at is not null`
	}
	add := func(piece string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(" and "+piece, len(args))
	}
	if f.Type != "" {
		add(`a.type = $%d`, string(f.Type))
	}
	if f.Product != uuid.Nil {
		add(`a.product_id = $%d`, f.Product)
	}
	if f.Location != uuid.Nil {
		add(`a.location_id = $%d`, f.Location)
	}
	if before != uuid.Nil {
		add(`a.id < $%d`, before)
	}
	args = append(args, limit)
	err = query(tx, "list alerts", selectAlert+where+fmt.Sprintf(` order by a.id desc limit $%d`, len(args)), func(rows pgx.Rows) error {
		a, err := scanAlert(rows)
		list = append(list, a)
		return err
	}, args...)
	return list, err
}

// Acknowledge records that somebody has seen to an open alert: it is told no more. Doing so twice keeps the first. Errors: ErrAlertNotFound.
func Acknowledge(tx *gorm.DB, id, user uuid.UUID) (*Alert, error) {
	return changeAlert(tx, id, "acknowledge alert", `acknowledged_at = coalesce(acknowledged_at, now()), acknowledged_by = coalesce(acknowledged_by, $3)`, user)
}

// Snooze puts an open alert off: it is not told before until. Errors: ErrAlertNotFound; ErrSnooze.
func Snooze(tx *gorm.DB, id uuid.UUID, until, now time.Time) (*Alert, error) {
	if !until.After(now) || until.After(now.Add(MaxSnooze)) {
		return nil, ErrSnooze
	}
	return changeAlert(tx, id, "snooze alert", `snoozed_until = $3`, until)
}

func changeAlert(tx *gorm.DB, id uuid.UUID, what, set string, arg any) (*Alert, error) {
	owner, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	n, err := exec(tx, what, `update inventory.stock_alert set `+set+` where tenant_id = $1 and id = $2 and resolved_at is null`, owner, id, arg)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, ErrAlertNotFound
	}
	var a Alert
	err = query(tx, what, selectAlert+`and a.id = $2`, func(rows pgx.Rows) (err error) {
		a, err = scanAlert(rows)
		return err
	}, owner, id)
	return &a, err
}

// UnknownProducts returns those of the ids that are no product of the business.
func UnknownProducts(tx *gorm.DB, ids []uuid.UUID) (unknown []uuid.UUID, err error) {
	owner, err := owner(tx)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	err = query(tx, "look up products", `
		select u.id from unnest($2::uuid[]) as u (id) where not exists (select from inventory.product p where p.tenant_id = $1 and p.id = u.id)`, func(rows pgx.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		unknown = append(unknown, id)
		return err
	}, owner, ids)
	return unknown, err
}
