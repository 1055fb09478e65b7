package task

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/tenant"
	"makola/proto/contract"
)

// ErrNotPlatform is returned by Each for work that belongs to a tenant, or to no task: only a platform task may cause work for all tenants.
var ErrNotPlatform = errors.New("only the handler of a platform task may enqueue for every tenant")

// eachChunk is how many tenants one pair of statements serves. It bounds the memory: 0.3 MB is alive with 250, 1.3 with 1,000 and 5.8 with 4,000, and the time per tenant is
// the same within what a busy machine lets one see (docs/benchmarks.md).
const eachChunk = 1000

// eachBytes bounds what the arguments of one statement weigh together, whatever the number of its tasks.
const eachBytes = 4 << 20

// Enqueuing is the shape of a generated client's methods, such as (*inventory.Tasks).SendLowStockAlert.
type Enqueuing[A proto.Message] func(ctx context.Context, tx *gorm.DB, args A, opts ...contract.Option) (contract.ID, error)

// EachOption is a choice of one fan-out.
type EachOption func(*eachOptions)

type eachOptions struct {
	local   bool
	clock   time.Duration
	weekday *time.Weekday
	window  time.Duration
}

// EachDayAt lets the task of every tenant wait until its own clock shows the time of day, such as 7 * time.Hour; for fan-outs whose schedule has a slot per day.
//
// The slot that lasts from t to t+24h has the tenants' local times within it, so each tenant has one task per local date, never a late one: with slots from 07:00 UTC a shop
// in Accra runs at once, one in Lagos, where that hour has passed, 23 hours later. Where clocks are set forward or back, two or no such times fall within one slot, and no or two
// within another. A time that a change of clocks skips is taken as much later as the clock was set forward; of a time that comes twice the second is taken.
// Without a slot, as when an operator asks, nothing waits. A time zone that the database does not know is taken for UTC.
func EachDayAt(clock time.Duration) EachOption {
	return func(o *eachOptions) { *o = eachOptions{local: true, clock: clock, window: 24 * time.Hour} }
}

// EachWeekAt is EachDayAt for one day of the week, for schedules with a slot per week.
func EachWeekAt(day time.Weekday, clock time.Duration) EachOption {
	return func(o *eachOptions) {
		*o = eachOptions{local: true, clock: clock, weekday: &day, window: 7 * 24 * time.Hour}
	}
}

// Each enqueues a task once for every active tenant, bound to it, in the transaction of the handler that calls it, and returns how many are new:
//
//	n, err := task.Each(ctx, tx, i.Tasks.SendLowStockAlert, func(shop uuid.UUID) *inventory.SendLowStockAlertArgs {
//		return &inventory.SendLowStockAlertArgs{BusinessId: shop.String()}
//	})
//
// Tenants are read in the order of their ids, eachChunk at a time, and their tasks inserted by one statement per chunk: memory stays flat and no statement is per tenant. All become
// visible together, with the handler's own commit, so a crash in between leaves nothing half done. A new attempt, a replay or a second message finds the keys taken:
// each task has the unique key <key>:<tenant>, where key is that of the handler's task, which names the schedule's slot (SlotKey), or its id when nobody gave it one, as when an
// operator asks. So a handler may fan out one kind of task once, and several kinds.
//
// args is called once per tenant, and must not use the transaction: what a task wants to know of its tenant it reads itself.
// The list is the view accounts.v_active_business, which row security keeps empty outside platform transactions; tasks for other tenants cannot be inserted there either.
// Errors: ErrNotPlatform; what the enqueue reports.
func Each[A proto.Message](ctx context.Context, tx *gorm.DB, enqueue Enqueuing[A], args func(tenant uuid.UUID) A, opts ...EachOption) (int, error) {
	f, err := newFanOut(ctx, tx, opts)
	if err != nil {
		return 0, err
	}
	ctx = context.WithValue(ctx, gatherKey{}, &f.gather)
	err = f.run(func(o occurrence) error {
		choices := []contract.Option{ForTenant(o.tenant), Unique(f.key(o))}
		if o.at != nil {
			choices = append(choices, RunAt(*o.at))
		}
		_, err := enqueue(ctx, tx, args(o.tenant), choices...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("enqueue for every tenant: %w", err)
	}
	return f.gather.inserted, nil
}

// fanOut is one call of Each.
type fanOut struct {
	tx     *gorm.DB
	o      eachOptions
	base   string
	slot   time.Time
	zones  []string // of the tenants, those the database knows
	job    string
	gather gather
	page   []occurrence
	last   uuid.UUID
}

// occurrence is one task to come: at once, or when the tenant's clock shows wall.
type occurrence struct {
	tenant uuid.UUID
	at     *time.Time
	wall   *string
}

func newFanOut(ctx context.Context, tx *gorm.DB, opts []EachOption) (*fanOut, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return nil, fmt.Errorf("enqueue for every tenant: %w", err)
	}
	run, ok := runFrom(ctx)
	if _, bound := tenant.From(ctx); bound || !ok {
		return nil, ErrNotPlatform
	}
	f := &fanOut{tx: tx, base: run.key, gather: gather{tx: tx}}
	for _, opt := range opts {
		opt(&f.o)
	}
	if f.base == "" {
		f.base = run.ID.String()
	}
	f.job, f.slot = parseSlot(f.base)
	f.o.local = f.o.local && !f.slot.IsZero()
	var system bool
	if err := postgres.QueryRow(tx, `select app.is_system()`).Scan(&system); err != nil {
		return nil, fmt.Errorf("ask whose transaction this is: %w", err)
	}
	if !system { // the list would look empty
		return nil, ErrNotPlatform
	}
	if !f.o.local {
		return f, nil
	}
	err := postgres.Query(tx, func(rows pgx.Rows) (err error) {
		f.zones, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}, `select name from pg_timezone_names where name in (select timezone from accounts.v_active_business)`)
	if err != nil {
		return nil, fmt.Errorf("list the time zones in use: %w", err)
	}
	return f, nil
}

// key names the task's place: the slot and the tenant, or the tenant's own time. The latter is the same for whichever slot finds it, should a schedule's slots be cut anew.
func (f *fanOut) key(o occurrence) string {
	if o.wall != nil {
		return f.job + "@" + *o.wall + ":" + o.tenant.String()
	}
	return f.base + ":" + o.tenant.String()
}

const eachTenantSQL = `select id, null::timestamptz, null::text from accounts.v_active_business where id > $1 order by id limit $2`

// eachLocalSQL gives, for every tenant, the moments within the slot at which its clock shows the wanted time; one row without a moment where there is none, so that the next page knows where to begin.
const eachLocalSQL = `with page as (select id, timezone from accounts.v_active_business where id > $1 order by id limit $2)
select p.id, o.at, to_char(o.wall, 'YYYY-MM-DD"T"HH24:MI:SS')
from (select id, case when timezone = any($8::text[]) then timezone else 'UTC' end as zone from page) p
left join lateral (
	select w.wall, w.wall at time zone p.zone as at
	from (select ($3::timestamptz at time zone p.zone)::date + d + $5::interval as wall from generate_series(-1, $7::int) d) w
	where ($6::int is null or extract(dow from w.wall) = $6)
) o on o.at >= $3 and o.at < $3 + $4::interval
order by p.id, o.at`

// run calls one for every task to come, a page of tenants at a time.
func (f *fanOut) run(one func(occurrence) error) error {
	for {
		tenants, err := f.next()
		if err != nil {
			return err
		}
		for _, o := range f.page {
			if err := one(o); err != nil {
				return fmt.Errorf("tenant %s: %w", o.tenant, err)
			}
		}
		if err := f.gather.flush(); err != nil {
			return err
		}
		if tenants < eachChunk {
			return nil
		}
	}
}

// next reads the next page, and returns how many tenants it has.
func (f *fanOut) next() (tenants int, err error) {
	f.page = f.page[:0]
	query, values := eachTenantSQL, []any{f.last, eachChunk}
	if f.o.local {
		var dow *int
		if f.o.weekday != nil {
			d := int(*f.o.weekday)
			dow = &d
		}
		query, values = eachLocalSQL, append(values, f.slot, f.o.window, f.o.clock, dow, int(f.o.window/(24*time.Hour))+1, f.zones)
	}
	err = postgres.Query(f.tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var o occurrence
			if err := rows.Scan((*[16]byte)(&o.tenant), &o.at, &o.wall); err != nil {
				return err
			}
			if o.tenant != f.last {
				tenants, f.last = tenants+1, o.tenant
			}
			if o.at != nil || !f.o.local {
				f.page = append(f.page, o)
			}
		}
		return rows.Err()
	}, query, values...)
	if err != nil {
		return 0, fmt.Errorf("list the active tenants: %w", err)
	}
	return tenants, nil
}

// gatherKey marks a context whose unique tasks are gathered instead of being inserted one by one.
type gatherKey struct{}

// gather inserts unique tasks many at a time, without asking which of their keys were taken.
type gather struct {
	tx       *gorm.DB
	q        *Queue
	b        buffer
	bytes    int
	inserted int
}

func (g *gather) add(q *Queue, n newTask) error {
	g.q = q
	g.b.add(n)
	g.bytes += len(n.args)
	if g.bytes < eachBytes {
		return nil
	}
	return g.flush()
}

func (g *gather) flush() error {
	if len(g.b.ids) == 0 {
		return nil
	}
	n, err := postgres.Exec(g.tx, insertUniqueSQL, g.b.values()...)
	if err != nil {
		return fmt.Errorf("insert %d tasks: %w", len(g.b.ids), err)
	}
	crash("each.chunk") // F29: some are inserted, none committed
	g.inserted += int(n)
	if n > 0 {
		g.q.wakeAfter(g.tx)
	}
	g.b.reset()
	g.bytes = 0
	return nil
}

// SlotKey is the unique key of the task that a schedule enqueues for a slot. It tells the handler which slot it works for (Run.Slot).
func SlotKey(job string, slot time.Time) string { return job + "@" + slot.UTC().Format(time.RFC3339) }

// parseSlot undoes SlotKey; the slot is zero for other keys.
func parseSlot(key string) (job string, slot time.Time) {
	i := strings.LastIndexByte(key, '@')
	if i < 0 {
		return "", time.Time{}
	}
	slot, err := time.Parse(time.RFC3339, key[i+1:])
	if err != nil {
		return "", time.Time{}
	}
	return key[:i], slot.UTC()
}
