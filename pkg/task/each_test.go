package task_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/pkg/tenant"
	"makola/proto/contract"
	"makola/proto/makola/selftest/v1"
)

// fan is a platform task, selftest.fail, that enqueues selftest.noop_long for every active business.
type fan struct {
	*bench
	look *pgx.Conn
	n    int
	opts []task.EachOption
	// after runs when the fan-out has been made, in its transaction.
	after func(ctx context.Context, tx *gorm.DB) error
}

var slot = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC) // a Monday

func newFan(t *testing.T, role string) *fan {
	t.Helper()
	pg := postgrestest.New(t)
	f := &fan{look: pg.Admin()}
	db := pg.Open(role)
	f.bench = &bench{Harness: tasktest.New(t, db), db: db}
	f.tasks = selftest.NewTasks(f.Queue)
	selftest.HandleTasks(f.bench, &handlers{fail: func(ctx context.Context, tx *gorm.DB, _ *selftest.FailArgs) (_ *selftest.FailResult, err error) {
		f.n, err = f.each(ctx, tx)
		if err == nil && f.after != nil {
			err = f.after(ctx, tx)
		}
		return &selftest.FailResult{}, err
	}})
	return f
}

func (f *fan) each(ctx context.Context, tx *gorm.DB) (int, error) {
	return task.Each(ctx, tx, f.tasks.Echo, func(shop uuid.UUID) *selftest.EchoArgs { return &selftest.EchoArgs{Text: shop.String()} }, f.opts...)
}

// shops makes active businesses in a time zone and returns their ids, sorted.
func (f *fan) shops(t testing.TB, n int, zone string) (ids []uuid.UUID) {
	t.Helper()
	for range n {
		ids = append(ids, uuid.Must(uuid.NewV7()))
	}
	makeShops(t, f.look, ids, zone)
	return ids
}

func makeShops(t testing.TB, look *pgx.Conn, ids []uuid.UUID, zone string) {
	t.Helper()
	_, err := look.Exec(t.Context(), `with owner as (insert into accounts.user (id, email, name, password_hash) select gen_random_uuid(), $1::text, 'Owner', 'x' returning id)
		insert into accounts.business (id, owner_id, name, email, timezone) select b, owner.id, b::text, 'shop@example.com', $3 from owner, unnest($2::uuid[]) b`,
		ids[0].String()+"@example.com", ids, zone)
	require.NoError(t, err)
}

// ask enqueues the fan-out as cron does, for a slot, or as an operator does, with no option.
func (f *fan) ask(t testing.TB, opts ...contract.Option) (id uuid.UUID) {
	t.Helper()
	require.NoError(t, f.db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = f.tasks.Fail(t.Context(), tx, &selftest.FailArgs{}, opts...)
		return err
	}))
	return id
}

func (f *fan) count(t testing.TB, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, f.look.QueryRow(t.Context(), query, args...).Scan(&n))
	return n
}

func TestEveryActiveBusinessGetsOneTaskPerSlotHoweverOftenTheSweepRuns(t *testing.T) {
	t.Parallel()
	f := newFan(t, "makola_inventory")
	shops := f.shops(t, 2100, "Africa/Accra")
	_, err := f.look.Exec(t.Context(), `update accounts.business set is_active = false where id = any($1)`, shops[:50])
	require.NoError(t, err)
	shops = shops[50:]
	attempts := 0
	f.after = func(ctx context.Context, _ *gorm.DB) error {
		require.Equal(t, slot, task.RunFrom(ctx).Slot)
		require.Equal(t, len(shops), f.n)
		if attempts++; attempts == 1 {
			return errors.New("the first attempt dies with its work done")
		}
		return nil
	}
	id := f.ask(t, task.Unique(task.SlotKey("stock", slot)))
	f.Drain(t.Context())
	require.Zero(t, f.count(t, `select count(*) from task.task where name = 'selftest.echo'`), "what was not committed was never asked for")
	f.Advance(t.Context(), time.Minute)
	f.Drain(t.Context())
	require.Equal(t, 2, attempts)
	require.Equal(t, "completed", f.View(t.Context(), id).Status())

	require.Equal(t, id, f.ask(t, task.Unique(task.SlotKey("stock", slot))), "the slot is taken")
	_, err = f.look.Exec(t.Context(), `update task.task set state = 'pending' where id = $1`, id) // as if its message had come again after the row was restored
	require.NoError(t, err)
	f.after = nil
	f.Drain(t.Context())
	require.Zero(t, f.n, "every key is taken")

	const ofShop = `select count(*) from task.task where name = 'selftest.echo' and state = 'succeeded' and parent_id = $1 and args->>'text' = tenant_id::text
		and unique_key = 'stock@2026-11-23T07:00:00Z:' || tenant_id and tenant_id = any($2) and get_byte(uuid_send(id), 6) >> 4 = 7`
	require.Equal(t, len(shops), f.count(t, ofShop, id, shops))
	require.Equal(t, len(shops), f.count(t, `select count(*) from task.task where name = 'selftest.echo'`))

	f.ask(t, task.Unique(task.SlotKey("stock", slot.Add(time.Hour))))
	f.Drain(t.Context())
	require.Equal(t, len(shops), f.n, "the next slot is another matter")
}

func TestAFanOutThatAnOperatorAsksForIsKeyedByItsOwnTask(t *testing.T) {
	t.Parallel()
	f := newFan(t, "makola_notifier")
	f.shops(t, 3, "Pacific/Auckland")
	f.opts = []task.EachOption{task.EachDayAt(7 * time.Hour)}
	for range 2 {
		id := f.ask(t)
		f.Drain(t.Context())
		require.Equal(t, 3, f.n)
		require.Equal(t, 3, f.count(t, `select count(*) from task.task where unique_key = $1::text || ':' || tenant_id and available_at <= now()`, id.String()), "it does not wait for a time of day")
	}
	require.NoError(t, f.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		var listed, seen int
		require.NoError(t, postgres.QueryRow(tx, `select (select count(*) from accounts.v_active_business), (select count(*) from accounts.business)`).Scan(&listed, &seen))
		require.Equal(t, []int{3, 0}, []int{listed, seen}, "the platform sees the list, and of the table itself no more than before")
		return nil
	}))
}

func TestWorkOfATenantCannotFanOut(t *testing.T) {
	t.Parallel()
	f := newFan(t, "makola_reports")
	shops := f.shops(t, 2, "Africa/Accra")
	ctx := tenant.With(t.Context(), shops[0])
	id := f.enqueue(t, ctx, func(tx *gorm.DB) (uuid.UUID, error) {
		return f.tasks.Fail(ctx, tx, &selftest.FailArgs{})
	})
	var seen []error
	g := newFanHandler(func(hctx context.Context, tx *gorm.DB) error {
		_, err := f.each(hctx, tx)
		seen = append(seen, err)
		_, err = f.each(tenant.With(hctx, uuid.Nil), tx) // a context that hides whose work it is: the transaction still knows
		seen = append(seen, err)
		return nil
	})
	h := tasktest.New(t, f.db)
	selftest.HandleTasks(h, g)
	h.Drain(t.Context())
	require.Equal(t, "completed", f.View(t.Context(), id).Status())
	require.Len(t, seen, 2)
	for _, err := range seen {
		require.ErrorIs(t, err, task.ErrNotPlatform)
	}
	require.Zero(t, f.count(t, `select count(*) from task.task where name = 'selftest.echo'`))

	err := f.db.InTenant(ctx, func(tx *gorm.DB) error {
		var n int
		require.NoError(t, postgres.QueryRow(tx, `select count(*) from accounts.v_active_business`).Scan(&n))
		require.Zero(t, n, "the list is for the platform alone")
		require.NoError(t, postgres.QueryRow(tx, `select count(*) from accounts.v_business`).Scan(&n))
		require.Equal(t, 1, n, "a business sees itself")
		_, err := f.tasks.Echo(ctx, tx, &selftest.EchoArgs{}, task.ForTenant(shops[1]), task.Unique("x"))
		return err
	})
	require.ErrorContains(t, err, "42501", "a task of another business is refused by the row's policy")

	require.NoError(t, f.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := f.each(t.Context(), tx)
		require.ErrorIs(t, err, task.ErrNotPlatform, "there is no task whose key the others could carry")
		return nil
	}))
	_, err = f.each(t.Context(), &gorm.DB{})
	require.ErrorIs(t, err, postgres.ErrNoTransaction)
}

// newFanHandler makes handlers whose selftest.fail does what the test wants.
func newFanHandler(do func(ctx context.Context, tx *gorm.DB) error) *handlers {
	return &handlers{fail: func(ctx context.Context, tx *gorm.DB, _ *selftest.FailArgs) (*selftest.FailResult, error) {
		return &selftest.FailResult{}, do(ctx, tx)
	}}
}

func TestATaskLearnsWhetherItsBusinessStillTakesPart(t *testing.T) {
	t.Parallel()
	f := newFan(t, "makola_inventory")
	shops := f.shops(t, 2, "Africa/Accra")
	_, err := f.look.Exec(t.Context(), `update accounts.business set is_active = false where id = $1`, shops[1])
	require.NoError(t, err)
	h := tasktest.New(t, f.db)
	selftest.HandleTasks(h, newFanHandler(func(ctx context.Context, tx *gorm.DB) error {
		active, err := task.TenantActive(ctx, tx)
		if err == nil {
			require.Equal(t, task.RunFrom(ctx).Tenant == shops[0], active)
		}
		return err
	}))
	want := map[uuid.UUID]string{shops[0]: "completed", shops[1]: "completed", uuid.New(): "failed", uuid.Nil: "queued"} // a platform task has no business to ask for
	ids := map[uuid.UUID]uuid.UUID{}
	for shop := range want {
		ctx := tenant.With(t.Context(), shop)
		ids[shop] = f.enqueue(t, ctx, func(tx *gorm.DB) (uuid.UUID, error) { return f.tasks.Fail(ctx, tx, &selftest.FailArgs{}) })
	}
	h.Drain(t.Context())
	for shop, status := range want {
		v := h.View(t.Context(), ids[shop])
		require.Equal(t, status, v.Status())
		if shop == uuid.Nil {
			require.Contains(t, v.Error, postgres.ErrNoTenant.Error())
		}
		if status == "failed" {
			require.Equal(t, task.KindPermanent, v.ErrorKind)
			require.Contains(t, v.Error, "does not exist")
		}
	}
}

func TestATaskWorksForTheBusinessItNamesAndForNoOther(t *testing.T) {
	t.Parallel()
	f := newFan(t, "makola_inventory")
	shops := f.shops(t, 2, "Africa/Accra")
	_, err := f.look.Exec(t.Context(), `update accounts.business set is_active = false where id = $1`, shops[1])
	require.NoError(t, err)
	for _, c := range []struct {
		of     uuid.UUID // whose task it is; none is the platform's
		named  string
		want   string // the permanent error
		active bool
	}{
		{of: shops[0], named: shops[0].String(), active: true},
		{named: shops[0].String(), active: true},
		{named: shops[1].String()},
		{of: shops[0], named: shops[1].String(), want: "business_id is not the task's business"},
		{named: "12", want: "business_id is not a UUID"},
		{named: uuid.Nil.String(), want: "business_id is not a UUID"},
	} {
		do := func(tx *gorm.DB) error {
			ctx, tx, id, active, err := task.ForActiveBusiness(tx.Statement.Context, tx, c.named)
			if c.want != "" {
				require.EqualError(t, err, c.want)
				return nil
			}
			require.NoError(t, err)
			own, _ := tenant.From(ctx)
			owner, err := postgres.Owner(tx)
			require.NoError(t, err)
			require.Equal(t, []string{c.named, c.named, c.named}, []string{id.String(), own.String(), owner.String()})
			require.Equal(t, c.active, active)
			return nil
		}
		if c.of == uuid.Nil {
			require.NoError(t, f.db.InSystem(t.Context(), do))
		} else {
			require.NoError(t, f.db.InTenant(tenant.With(t.Context(), c.of), do))
		}
	}
}

func TestTasksWaitForTheTimeOfDayOfTheirBusiness(t *testing.T) {
	t.Parallel()
	monday := time.Monday
	tests := map[string]struct {
		zone string
		slot time.Time
		day  *time.Weekday
		want []string
	}{
		"where the slot is the time, at once":                       {"Africa/Accra", slot, nil, []string{"2026-11-23T07:00:00Z"}},
		"east of it, the next morning":                              {"Africa/Lagos", slot, nil, []string{"2026-11-24T06:00:00Z"}},
		"west of it, later today":                                   {"America/New_York", slot, nil, []string{"2026-11-23T12:00:00Z"}},
		"half an hour off":                                          {"Asia/Kolkata", slot, nil, []string{"2026-11-24T01:30:00Z"}},
		"at the date line":                                          {"Pacific/Kiritimati", slot, nil, []string{"2026-11-23T17:00:00Z"}},
		"a zone that nobody knows is UTC":                           {"Africa/Wakanda", slot, nil, []string{"2026-11-23T07:00:00Z"}},
		"clocks set forward within the slot make two":               {"Europe/London", time.Date(2026, 3, 28, 7, 0, 0, 0, time.UTC), nil, []string{"2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z"}},
		"and none in the next, whose morning has passed":            {"Europe/London", time.Date(2026, 3, 29, 7, 0, 0, 0, time.UTC), nil, []string{"2026-03-30T06:00:00Z"}},
		"clocks set back leave none in a slot":                      {"Europe/London", time.Date(2026, 10, 24, 7, 0, 0, 0, time.UTC), nil, []string{}},
		"because the morning belongs to the next":                   {"Europe/London", time.Date(2026, 10, 25, 7, 0, 0, 0, time.UTC), nil, []string{"2026-10-25T07:00:00Z"}},
		"weekly, where the slot is the time":                        {"Africa/Accra", slot, &monday, []string{"2026-11-23T07:00:00Z"}},
		"weekly, east of it, on the next Monday as it begins there": {"Asia/Tokyo", slot, &monday, []string{"2026-11-29T22:00:00Z"}},
		"weekly, west of it":                                        {"America/New_York", slot, &monday, []string{"2026-11-23T12:00:00Z"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFan(t, "makola_inventory")
			f.shops(t, 1, tt.zone)
			f.opts = []task.EachOption{task.EachDayAt(7 * time.Hour)}
			if tt.day != nil {
				f.opts = []task.EachOption{task.EachWeekAt(*tt.day, 7*time.Hour)}
			}
			f.ask(t, task.Unique(task.SlotKey("report", tt.slot)))
			f.Drain(t.Context())
			require.Equal(t, tt.want, f.times(t, "report"))
		})
	}
}

// times lists when the tasks of a job become available.
func (f *fan) times(t testing.TB, job string) []string {
	t.Helper()
	rows, err := f.look.Query(t.Context(), `select to_char(available_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from task.task where name = 'selftest.echo' and unique_key like $1 || '@%' order by available_at`, job)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}

// The slots of a schedule, one after the other, give every business one task for each of its days, in the slot that has its time of day.
func TestEveryLocalDayHasOneTaskWhateverTheClocksDo(t *testing.T) {
	t.Parallel()
	f := newFan(t, "makola_inventory")
	zones := map[uuid.UUID]*time.Location{}
	for _, name := range []string{"Africa/Accra", "Europe/London", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Pago_Pago"} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		zones[f.shops(t, 1, name)[0]] = zone
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for round := range 20 {
		job := "round" + strconv.Itoa(round)
		clock := time.Duration(rnd.IntN(24*60)) * time.Minute
		first := time.Date(2027+rnd.IntN(5), []time.Month{3, 4, 9, 10, 11}[rnd.IntN(5)], 1+rnd.IntN(31), rnd.IntN(24), 0, 0, 0, time.UTC) // clocks change in these months
		const slots = 5
		f.opts = []task.EachOption{task.EachDayAt(clock)}
		for i := range slots {
			f.ask(t, task.Unique(task.SlotKey(job, first.AddDate(0, 0, i))))
		}
		f.Drain(t.Context())
		rows, err := f.look.Query(t.Context(), `select tenant_id, split_part(split_part(unique_key, '@', 2), ':' || tenant_id, 1), available_at, p.slot from task.task c,
			lateral (select split_part(unique_key, '@', 2)::timestamptz slot from task.task p where p.id = c.parent_id) p
			where name = 'selftest.echo' and unique_key like $1 || '@%' order by tenant_id, available_at`, job)
		require.NoError(t, err)
		type one struct {
			Shop uuid.UUID
			Wall string
			At   time.Time
			Slot time.Time
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[one])
		require.NoError(t, err)
		days := map[uuid.UUID][]string{}
		for _, o := range all {
			if o.At.Before(o.Slot) || !o.At.Before(o.Slot.Add(24*time.Hour)) {
				t.Fatalf("seed %d: %s of %s, %s, is not in its slot %s", seed, o.Wall, zones[o.Shop], o.At, o.Slot)
			}
			wall, err := time.Parse("2006-01-02T15:04:05", o.Wall)
			require.NoError(t, err)
			if got := wall.Sub(wall.Truncate(24 * time.Hour)); got != clock {
				t.Fatalf("seed %d: %s is not the time of day %s", seed, o.Wall, clock)
			}
			shown := o.At.In(zones[o.Shop]).Format("2006-01-02T15:04:05")
			if skipped := time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, int(clock/time.Second), 0, zones[o.Shop]).Format("2006-01-02T15:04:05") != o.Wall; shown != o.Wall && !skipped {
				t.Fatalf("seed %d: the clock of %s shows %s at %s, want %s", seed, zones[o.Shop], shown, o.At, o.Wall)
			}
			days[o.Shop] = append(days[o.Shop], o.Wall[:10])
		}
		for shop, zone := range zones {
			if n := len(days[shop]); n < slots-1 || n > slots+1 {
				t.Fatalf("seed %d: %s has %d tasks in %d slots", seed, zone, n, slots)
			}
			for i, day := range days[shop][1:] {
				before, err := time.Parse(time.DateOnly, days[shop][i])
				require.NoError(t, err)
				if before.AddDate(0, 0, 1).Format(time.DateOnly) != day {
					t.Fatalf("seed %d: %s has %v", seed, zone, days[shop])
				}
			}
		}
	}
}

// What one business has asked for goes out before what others ask for later, and after what they asked for earlier: nobody waits longer than in one line for all.
func TestABusinessWithManyTasksHoldsOthersUpNoLongerThanTheirTurn(t *testing.T) {
	t.Parallel()
	pg, broker := postgrestest.New(t), rabbittest.New(t)
	db := pg.Open("makola_inventory")
	tasks := selftest.NewTasks(task.NewQueue(db, nil, task.QueueConfig{})) // nothing is published yet
	busy, other := uuid.New(), uuid.New()
	const before, after = 1100, 300 // the relay takes 512 at a time
	for _, turn := range []struct {
		shop uuid.UUID
		n    int
	}{{busy, before}, {other, 1}, {busy, after}} {
		require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
			for range turn.n {
				if _, err := tasks.Noop(t.Context(), tx, &selftest.NoopArgs{}, task.ForTenant(turn.shop)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	conn := broker.Conn(t, rabbit.Standard("selftest"))
	consumer := conn.NewConsumer(rabbit.ConsumerConfig{Queue: "selftest", Prefetch: 2 * (before + after), Buffer: 2 * (before + after), Tag: "line"})
	t.Cleanup(func() { _ = consumer.Close() })
	relay := task.NewQueue(db, conn, task.QueueConfig{ConfirmTimeout: time.Minute}) // what is published again stands in the line again
	require.NoError(t, relay.Start(t.Context()))
	t.Cleanup(func() { _ = relay.Stop(context.WithoutCancel(t.Context())) })
	for i := range before + 1 {
		d := <-consumer.Deliveries()
		want := busy
		if i == before {
			want = other
		}
		require.Equal(t, want.String(), d.Headers["tenant"], "message %d", i)
	}
}
