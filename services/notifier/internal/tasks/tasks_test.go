package tasks_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/mail"
	"makola/pkg/mail/mailtest"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/service"
	"makola/pkg/storage"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
	"makola/proto/contract"
	accountspb "makola/proto/makola/accounts/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	"makola/services/notifier/internal/tasks"
	"makola/services/notifier/internal/templates"
)

// linkKey signs the links by which mails are turned off.
const linkKey = "0123456789abcdef0123456789abcdef"

// handle registers the handlers, as main does, with the mail server at url.
func handle(t *testing.T, r contract.Registrar, db *postgres.DB, q *task.Queue, url string) (*tasks.Notifications, *tasks.Accounts) {
	t.Helper()
	cfg := mail.Config{URL: service.Secret(url), From: "Makola <no-reply@makola.example>"}
	sender, err := mail.New(cfg)
	require.NoError(t, err)
	words, err := templates.New("https://app.example.com")
	require.NoError(t, err)
	domain, err := tasks.MessageIDDomain(cfg.From)
	require.NoError(t, err)
	unsubscribe, err := notifications.ParseUnsubscribeKeys(linkKey)
	require.NoError(t, err)
	users := &tasks.Accounts{Tasks: accountspb.NewTasks(q), Notify: notificationspb.NewTasks(q)}
	accountspb.HandleTasks(r, users)
	files, err := storage.Open(t.Context(), storage.Config{URL: "file://" + t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = files.Close() })
	n := &tasks.Notifications{DB: db, Words: words, Sender: sender, From: cfg.From, Files: files, Domain: domain, Unsubscribe: unsubscribe, PublicURL: "https://api.example.com/"}
	notificationspb.HandleTasks(r, n)
	hooks := webhooks.NewSender(loopback, 4)
	t.Cleanup(hooks.Close)
	webhookspb.HandleTasks(r, &tasks.Webhooks{DB: db, Keys: hookKeys(t), Sender: hooks, Tasks: webhookspb.NewTasks(q), Mail: notificationspb.NewTasks(q)})
	return n, users
}

// world is notifier without a broker: a real database, a real mail server, and one shop with its owner.
type world struct {
	*tasktest.Harness
	t      *testing.T
	pg     *postgrestest.Database
	db     *postgres.DB
	admin  *pgx.Conn
	server *mailtest.Server
	notify *notificationspb.Tasks
	sends  *tasks.Notifications
	files  *storage.Files
	users  *tasks.Accounts
	shop   uuid.UUID
	owner  uuid.UUID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldAt(t, mailtest.New(t), "")
}

// newWorldAt uses another mail server than the given one's when url is set.
func newWorldAt(t *testing.T, server *mailtest.Server, url string) *world {
	t.Helper()
	pg := postgrestest.New(t)
	db := pg.Open("makola_notifier")
	if url == "" {
		url = server.URL()
	}
	w := &world{Harness: tasktest.New(t, db), t: t, pg: pg, db: db, admin: pg.Admin(), server: server, shop: uuid.New(), owner: uuid.New()}
	w.notify = notificationspb.NewTasks(w.Queue)
	w.sends, w.users = handle(t, w, db, w.Queue, url)
	w.files = w.sends.Files
	w.addUser(w.owner, "ama@example.com", "Ama Mensah")
	w.exec(`insert into accounts.business (id, owner_id, name, email) values ($1, $2, 'Ama''s Provisions', 'shop@example.com')`, w.shop, w.owner)
	w.exec(`insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, 'OWNER')`, w.shop, w.owner)
	return w
}

// noFiles takes the place for files away.
func (w *world) noFiles() { w.sends.Files = nil }

func (w *world) addUser(id uuid.UUID, email, name string) {
	w.t.Helper()
	w.exec(`insert into accounts.user (id, email, name, password_hash) values ($1, $2, $3, 'x')`, id, email, name)
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.admin.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

// count answers a query of one number.
func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.admin.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

// inShop runs fn for the shop, as its tasks do.
func (w *world) inShop(fn func(ctx context.Context, tx *gorm.DB) error) {
	w.t.Helper()
	ctx := tenant.With(w.t.Context(), w.shop)
	require.NoError(w.t, w.db.InTenant(ctx, func(tx *gorm.DB) error { return fn(ctx, tx) }))
}

// inPlatform runs fn for nobody, as a publisher that knows no tenant.
func (w *world) inPlatform(fn func(ctx context.Context, tx *gorm.DB) error) {
	w.t.Helper()
	require.NoError(w.t, w.db.InSystem(w.t.Context(), func(tx *gorm.DB) error { return fn(w.t.Context(), tx) }))
}
