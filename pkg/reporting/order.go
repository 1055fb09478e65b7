package reporting

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/task"
	"makola/proto/contract"
	reportspb "makola/proto/makola/reports/v1"
)

const (
	// MaxRunning is how many reports of one business are made at once, whatever the number of workers; the others wait for their turn. It is less than what one worker makes at
	// once (TASKS_LONG), so that one business does not occupy it.
	MaxRunning = 3
	// MaxOpen is how many may be under way, those that wait included.
	MaxOpen = 20
)

// Trigger is why a report is made.
type Trigger string

// The triggers.
const (
	Manual Trigger = "MANUAL" // somebody asked the gateway
	API    Trigger = "API"    // a task came from elsewhere, such as the Django application

	Scheduled Trigger = "SCHEDULED" // a schedule fell due
)

// Order is what report to make. Make it with Read.
type Order struct {
	Kind   Kind
	Format Format
	Period Period
	// Storefronts are those whose sales it may show; nil is all, and an empty list none.
	Storefronts []uuid.UUID
	// IncludeZeroStock lists products that a place is out of, in a report on stock.
	IncludeZeroStock bool
	// User is who asked; the zero id is nobody in particular. Mail tells them by mail when it is done, besides the notice.
	User    uuid.UUID
	Mail    bool
	Trigger Trigger
}

// Wish is an order as it comes from outside.
type Wish struct {
	Kind               Kind
	Format             string // Empty is the kind's default.
	StartDate, EndDate string // YYYY-MM-DD; for the kinds that are of a period.
}

// Read checks a wish. tx must be bound to the business, whose clock says what today is. Errors: faults of the wish's members, as problem.Error.
func Read(tx *gorm.DB, w Wish, now time.Time) (o Order, err error) {
	if !slices.Contains(Kinds(), w.Kind) {
		return o, fault("kind", "unknown", "is no kind of report")
	}
	o.Kind = w.Kind
	if o.Format, err = w.Kind.format(w.Format); err != nil {
		return o, err
	}
	if !w.Kind.dated() {
		return o, nil
	}
	zone, err := zoneOf(tx)
	if err != nil {
		return o, err
	}
	o.Period, err = ParsePeriod(w.StartDate, w.EndDate, dayOf(now, zone))
	return o, err
}

func zoneOf(tx *gorm.DB) (zone *time.Location, err error) {
	id, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read time zone: %w", err)
	}
	var name string
	err = query(tx, "read time zone", `select timezone from accounts.v_settings where tenant_id = $1`, func(rows pgx.Rows) error { return rows.Scan(&name) }, id)
	if err != nil {
		return nil, err
	}
	return loadZone(name)
}

// fingerprint is the same for two orders of the same thing. Whoever may not see everything shares with nobody.
func (o Order) fingerprint() string {
	ids := "all"
	if o.Storefronts != nil {
		list := make([]string, len(o.Storefronts))
		for i, id := range o.Storefronts {
			list[i] = id.String()
		}
		slices.Sort(list)
		ids = o.User.String() + ":" + strings.Join(list, ",")
	}
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s %t %s", o.Kind, o.Format, day(o.Period.From), day(o.Period.To), o.IncludeZeroStock, ids))
	return hex.EncodeToString(sum[:])
}

// Request records the order and enqueues the task that makes it. When the same is being made already, that report is returned, and fresh is false. Errors: ErrTooMany.
func Request(ctx context.Context, tx *gorm.DB, tasks *reportspb.Tasks, o Order) (r *Report, fresh bool, err error) {
	id, err := owner(tx)
	if err != nil {
		return nil, false, fmt.Errorf("request report: %w", err)
	}
	// One after another within a business, so that ten requests at once are counted and compared.
	if _, err := exec(tx, "wait for other requests", `select pg_advisory_xact_lock(hashtextextended('reporting.request ' || $1::text, 0))`, id.String()); err != nil {
		return nil, false, err
	}
	open, same := 0, uuid.Nil
	err = query(tx, "look for reports under way", `select id, fingerprint = $2 from reporting.v_report where tenant_id = $1 and state = 'PENDING' and status in ('PENDING', 'PROCESSING') and schedule_id is null order by id`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var equal bool
			if err := rows.Scan(&id, &equal); err != nil {
				return err
			}
			if open++; equal {
				same = id
			}
			return nil
		}, id, o.fingerprint())
	switch {
	case err != nil:
		return nil, false, err
	case same != uuid.Nil:
		r, err = get(tx, same)
		return r, false, err
	case open >= MaxOpen:
		return nil, false, ErrTooMany
	}
	o.Trigger = Manual
	task := uuid.Must(uuid.NewV7())
	if r, err = insert(tx, id, task, o); err != nil {
		return nil, false, err
	}
	return r, true, o.enqueue(ctx, tx, tasks, id, task)
}

// insert writes the row of a report.
func insert(tx *gorm.DB, business, task uuid.UUID, o Order) (*Report, error) {
	r := &Report{ID: uuid.Must(uuid.NewV7()), Order: o, Task: task, Status: Pending}
	err := query(tx, "record report", `
		insert into reporting.report (id, tenant_id, kind, format, trigger, period_start, period_end, storefronts, include_zero_stock, fingerprint, task_id, created_by, mail)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning created_at`,
		func(rows pgx.Rows) error { return rows.Scan(&r.CreatedAt) },
		r.ID, business, o.Kind, o.Format, o.Trigger, optionalDate(o.Period.From), optionalDate(o.Period.To), o.Storefronts, o.IncludeZeroStock, o.fingerprint(), task, optionalID(o.User), o.Mail)
	return r, err
}

func optionalDate(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// enqueue enqueues the order's task under that id, for business.
func (o Order) enqueue(ctx context.Context, tx *gorm.DB, tasks *reportspb.Tasks, business, id uuid.UUID) error {
	options := []contract.Option{task.WithID(id), task.ForTenant(business), task.CreatedBy(o.User)}
	start, end, format := o.Period.From.Format(time.DateOnly), o.Period.To.Format(time.DateOnly), string(o.Format)
	var user *string
	if o.User != uuid.Nil {
		text := o.User.String()
		user = &text
	}
	var err error
	switch o.Kind {
	case Sales:
		_, err = tasks.GenerateSalesReport(ctx, tx, &reportspb.GenerateSalesReportArgs{BusinessId: business.String(), StartDate: start, EndDate: end, Format: &format, UserId: user}, options...)
	case Inventory:
		_, err = tasks.GenerateInventoryReport(ctx, tx, &reportspb.GenerateInventoryReportArgs{BusinessId: business.String(), Format: &format, IncludeZeroStock: &o.IncludeZeroStock}, options...)
	case Customers:
		_, err = tasks.ExportCustomersToCsv(ctx, tx, &reportspb.ExportCustomersToCsvArgs{BusinessId: business.String(), Format: &format}, options...)
	case Transactions:
		_, err = tasks.ExportTransactionsToExcel(ctx, tx, &reportspb.ExportTransactionsToExcelArgs{BusinessId: business.String(), StartDate: start, EndDate: end}, options...)
	case AuditLogs:
		_, err = tasks.ExportAuditLogs(ctx, tx, &reportspb.ExportAuditLogsArgs{BusinessId: business.String(), StartDate: start, EndDate: end, Format: &format}, options...)
	default:
		err = fmt.Errorf("no task makes reports of kind %q", o.Kind)
	}
	if err != nil {
		return fmt.Errorf("enqueue report: %w", err)
	}
	return nil
}
