package notifications_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/tenant"
	notificationspb "makola/proto/makola/notifications/v1"
)

func TestQueueKeepsOneMailPerTenantAndKey(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db := pg.Open("makola_billing") // the role with the fewest rights that may queue
	tasks := notificationspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	shop, other := tenant.With(t.Context(), uuid.New()), tenant.With(t.Context(), uuid.New())
	e := notifications.Email{Key: "purchase-mail:1", To: "ama@example.com", Content: notifications.CreditsPurchased{Name: "Ama"}}
	queue := func(ctx context.Context) (id uuid.UUID, queued bool) {
		require.NoError(t, in(ctx, db, func(tx *gorm.DB) (err error) {
			id, queued, err = notifications.Queue(ctx, tx, tasks, e)
			return err
		}))
		return id, queued
	}

	first, queued := queue(shop)
	require.True(t, queued)
	second, queued := queue(shop)
	require.False(t, queued)
	require.Equal(t, first, second)
	ofOther, queued := queue(other)
	require.True(t, queued, "another business's event of the same name is another mail")
	ofPlatform, queued := queue(t.Context())
	require.True(t, queued)
	require.Len(t, map[uuid.UUID]bool{first: true, ofOther: true, ofPlatform: true}, 3)

	admin := pg.Admin()
	var mails, sends int
	require.NoError(t, admin.QueryRow(t.Context(), `select count(*) from notifications.email`).Scan(&mails))
	require.NoError(t, admin.QueryRow(t.Context(), `select count(*) from task.task t join notifications.email e
		on t.name = 'notifications.send_email' and t.args ->> 'email_id' = e.id::text and t.tenant_id is not distinct from e.tenant_id`).Scan(&sends))
	require.Equal(t, 3, mails)
	require.Equal(t, 3, sends, "each mail has one task, of its own tenant")
}

func TestQueueAtOnceKeepsOneMail(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db := pg.Open("makola_notifier")
	tasks := notificationspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	ctx := tenant.With(t.Context(), uuid.New())
	var mu sync.Mutex
	ids, stored := map[uuid.UUID]bool{}, 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := db.InTenant(ctx, func(tx *gorm.DB) error {
				id, queued, err := notifications.Queue(ctx, tx, tasks, notifications.Email{Key: "k", To: "a@example.com", Content: notifications.Welcome{}})
				mu.Lock()
				defer mu.Unlock()
				ids[id] = true
				if queued {
					stored++
				}
				return err
			})
			if err != nil {
				t.Errorf("queue: %v", err)
			}
		})
	}
	wg.Wait()
	require.Len(t, ids, 1)
	require.Equal(t, 1, stored)
}

func TestQueueLeavesNothingBehindWhenTheEventRollsBack(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db := pg.Open("makola_notifier")
	tasks := notificationspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	err := db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, _, err := notifications.Queue(t.Context(), tx, tasks, notifications.Email{Key: "k", To: "a@example.com", Content: notifications.Welcome{}})
		require.NoError(t, err)
		return context.Canceled
	})
	require.ErrorIs(t, err, context.Canceled)
	var rows int
	require.NoError(t, pg.Admin().QueryRow(t.Context(), `select (select count(*) from notifications.email) + (select count(*) from task.task)`).Scan(&rows))
	require.Zero(t, rows)
}

func TestQueueRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t).Open("makola_notifier")
	tasks := notificationspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	for _, to := range []string{"", "ama", "Ama <ama@example.com>", "ama@example.com\r\nBcc: all@example.com", "a@example.com, b@example.com"} {
		err := db.InSystem(t.Context(), func(tx *gorm.DB) error {
			_, _, err := notifications.Queue(t.Context(), tx, tasks, notifications.Email{Key: "k", To: to, Content: notifications.Welcome{}})
			return err
		})
		require.ErrorIs(t, err, notifications.ErrAddress, "%q", to)
	}
}

func TestQueueAllKeepsOneMailPerTenantAndKey(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db := pg.Open("makola_billing")
	tasks := notificationspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	shop, other := uuid.New(), uuid.New()
	mail := func(of uuid.UUID, key, to string) notifications.Email {
		return notifications.Email{Tenant: of, Key: key, To: to, Content: notifications.Welcome{}}
	}
	queue := func(emails ...notifications.Email) (queued []notifications.Queued) {
		require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			require.NoError(t, postgres.BindTenants(tx, []uuid.UUID{shop, other}))
			queued, err = notifications.QueueAll(t.Context(), tx, tasks, emails)
			return err
		}))
		return queued
	}

	before := queue(mail(other, "b", "b@example.com"), mail(uuid.Nil, "b", "b@example.com"))
	got := queue(mail(shop, "b", "b@example.com"), mail(shop, "c", "nobody"), mail(other, "b", "b@example.com"), mail(shop, "b", "b@example.com"),
		mail(uuid.Nil, "b", "b@example.com"), mail(shop, "", "b@example.com"), mail(shop, "a", "a@example.com"))
	require.ErrorIs(t, got[1].Err, notifications.ErrAddress)
	require.ErrorContains(t, got[5].Err, "no key")
	for i, want := range map[int]notifications.Queued{
		0: {ID: got[0].ID, New: true}, 2: {ID: before[0].ID}, 3: {ID: got[0].ID}, 4: {ID: before[1].ID}, 6: {ID: got[6].ID, New: true},
	} {
		require.Equal(t, want, got[i], i)
	}
	require.Len(t, map[uuid.UUID]bool{before[0].ID: true, before[1].ID: true, got[0].ID: true, got[6].ID: true}, 4)
	require.Empty(t, queue())

	var mails, sends int
	require.NoError(t, pg.Admin().QueryRow(t.Context(), `select count(*), count(t.id) from notifications.email e left join task.task t
		on t.name = 'notifications.send_email' and t.args ->> 'email_id' = e.id::text and t.tenant_id is not distinct from e.tenant_id`).Scan(&mails, &sends))
	require.Equal(t, 4, mails)
	require.Equal(t, 4, sends, "each mail has one task, of its own tenant")
}

func TestTheFirstTextStored_IsTheOneThatIsSent(t *testing.T) {
	t.Parallel()
	db, ctx, id := queued(t)
	first := notifications.Rendered{Subject: "s", Text: "t", HTML: "h"}
	for _, attempt := range []notifications.Rendered{first, {Subject: "newer", Text: "newer", HTML: "newer"}} {
		require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error {
			got, err := notifications.SaveRendered(tx, id, attempt)
			require.NoError(t, err)
			require.Equal(t, first, *got)
			return nil
		}))
	}
}

func TestAMailIsSentOnceAndMayBeSentAfterARefusal(t *testing.T) {
	t.Parallel()
	db, ctx, id := queued(t)
	require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error { return notifications.MarkRefused(tx, id, "550 no such user") }))
	require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error { return notifications.MarkRefused(tx, id, "550 still none") }))
	require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) error { return notifications.MarkSent(tx, id, "<1@example.com>") }))
	for name, change := range map[string]func(tx *gorm.DB) error{
		"sent again":    func(tx *gorm.DB) error { return notifications.MarkSent(tx, id, "<1@example.com>") },
		"refused after": func(tx *gorm.DB) error { return notifications.MarkRefused(tx, id, "550") },
	} {
		require.ErrorIs(t, db.InTenant(ctx, change), notifications.ErrAlreadySent, name)
	}
}

func TestAnotherTenantsMailIsNotFound(t *testing.T) {
	t.Parallel()
	db, _, id := queued(t)
	for name, ctx := range map[string]context.Context{"another business": tenant.With(t.Context(), uuid.New()), "the platform": t.Context()} {
		err := in(ctx, db, func(tx *gorm.DB) error {
			_, err := notifications.Load(tx, id)
			return err
		})
		require.ErrorIs(t, err, notifications.ErrNotFound, name)
		err = in(ctx, db, func(tx *gorm.DB) error { return notifications.MarkSent(tx, id, "<1@example.com>") })
		require.ErrorIs(t, err, notifications.ErrNotFound, name)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got, err := notifications.Decode("credits_purchased", []byte(`{"credits":"80.00","currency":"GHS","taxes":[{"name":"VAT","rate_bp":1500,"amount_minor":1200}],"of_tomorrow":1}`))
	require.NoError(t, err)
	require.Equal(t, notifications.CreditsPurchased{Credits: 8000, Currency: money.GHS, Taxes: []notifications.Tax{{Name: "VAT", BasisPoints: 1500, AmountMinor: 1200}}}, got)
	_, err = notifications.Decode("of_tomorrow", []byte(`{}`))
	require.ErrorIs(t, err, notifications.ErrUnknownTemplate)
	_, err = notifications.Decode("welcome", []byte(`{"name":1}`))
	require.ErrorContains(t, err, "template welcome")
}

// queued returns a database that holds one queued mail, and a context of its tenant.
func queued(t *testing.T) (*postgres.DB, context.Context, uuid.UUID) {
	t.Helper()
	db := postgrestest.New(t).Open("makola_notifier")
	tasks := notificationspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	ctx := tenant.With(t.Context(), uuid.New())
	var id uuid.UUID
	require.NoError(t, db.InTenant(ctx, func(tx *gorm.DB) (err error) {
		id, _, err = notifications.Queue(ctx, tx, tasks, notifications.Email{Key: "k", To: "a@example.com", Content: notifications.Welcome{}})
		return err
	}))
	return db, ctx, id
}

// in runs fn for the context's tenant, or for the platform when it has none.
func in(ctx context.Context, db *postgres.DB, fn func(tx *gorm.DB) error) error {
	if _, ok := tenant.From(ctx); ok {
		return db.InTenant(ctx, fn)
	}
	return db.InSystem(ctx, fn)
}
