package notifications_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/tenant"
)

// board is a database with notices, the role that posts them and the one that shows them.
type board struct {
	t             *testing.T
	poster, shown *postgres.DB
	admin         *pgx.Conn
	shop          uuid.UUID
}

func newBoard(t *testing.T, poster string) *board {
	t.Helper()
	pg := postgrestest.New(t)
	return &board{t: t, poster: pg.Open(poster), shown: pg.Open("makola_gateway"), admin: pg.Admin(), shop: uuid.New()}
}

func (b *board) notice(key string) notifications.Notice {
	return notifications.Notice{Tenant: b.shop, Kind: notifications.KindStockLow, Priority: notifications.High, Title: "Rice runs low", Key: key}
}

// post stores notices for their tenants in a transaction of its own.
func (b *board) post(notices ...notifications.Notice) (posted []bool) {
	b.t.Helper()
	var tenants []uuid.UUID
	for _, n := range notices {
		tenants = append(tenants, n.Tenant)
	}
	require.NoError(b.t, b.poster.InSystem(b.t.Context(), func(tx *gorm.DB) (err error) {
		if err := postgres.BindTenants(tx, tenants); err != nil {
			return err
		}
		posted, err = notifications.Post(tx, nil, notices)
		return err
	}))
	return posted
}

func (b *board) reader(user uuid.UUID, permissions ...string) notifications.Reader {
	if permissions == nil {
		permissions = []string{}
	}
	return notifications.Reader{Tenant: b.shop, User: user, Permissions: permissions}
}

// as runs fn for a reader.
func (b *board) as(r notifications.Reader, fn func(tx *gorm.DB) error) error {
	b.t.Helper()
	return b.shown.InTenant(tenant.With(b.t.Context(), r.Tenant), fn)
}

// inbox lists the titles that a reader sees, and how many of them are unread.
func (b *board) inbox(r notifications.Reader, f notifications.InboxFilter) (titles []string, unread int) {
	b.t.Helper()
	if f.Limit == 0 {
		f.Limit = 100
	}
	require.NoError(b.t, b.as(r, func(tx *gorm.DB) error {
		list, n, err := notifications.Inbox(tx, r, f)
		for _, got := range list {
			titles = append(titles, got.Title)
		}
		unread = n
		return err
	}))
	return titles, unread
}

func (b *board) news(r notifications.Reader, mark string) (news notifications.News, titles []string) {
	b.t.Helper()
	require.NoError(b.t, b.as(r, func(tx *gorm.DB) (err error) {
		news, err = notifications.LatestNews(tx, r, mark)
		return err
	}))
	for _, n := range news.Notices {
		titles = append(titles, n.Title)
	}
	return news, titles
}

func TestOneKeyIsOneNoticeInItsBusiness(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"makola_billing", "makola_inventory", "makola_reports", "makola_notifier"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			b := newBoard(t, role)
			foreign := b.notice("b")
			foreign.Tenant = uuid.New()
			require.Equal(t, []bool{true, true, true, false}, b.post(b.notice("b"), b.notice("a"), foreign, b.notice("b")))
			require.Equal(t, []bool{false, true}, b.post(b.notice("b"), b.notice("c")))
			require.Empty(t, b.post())
			titles, unread := b.inbox(b.reader(uuid.New()), notifications.InboxFilter{})
			require.Len(t, titles, 3)
			require.Equal(t, 3, unread)
		})
	}
}

func TestANoticeOfABusinessThatIsNotBoundIsRefused(t *testing.T) {
	t.Parallel()
	b := newBoard(t, "makola_billing")
	err := b.poster.InTenant(tenant.With(t.Context(), uuid.New()), func(tx *gorm.DB) error {
		_, err := notifications.Post(tx, nil, []notifications.Notice{b.notice("a")})
		return err
	})
	require.ErrorContains(t, err, "row-level security")
}

func TestWhatIsNoNoticeIsRefusedBeforeAnythingIsStored(t *testing.T) {
	t.Parallel()
	b := newBoard(t, "makola_billing")
	for name, change := range map[string]func(*notifications.Notice){
		"no tenant":              func(n *notifications.Notice) { n.Tenant = uuid.Nil },
		"no key":                 func(n *notifications.Notice) { n.Key = "" },
		"an unknown kind":        func(n *notifications.Notice) { n.Kind = "WEATHER" },
		"an unknown priority":    func(n *notifications.Notice) { n.Priority = "" },
		"no title":               func(n *notifications.Notice) { n.Title = "" },
		"a title of two lines":   func(n *notifications.Notice) { n.Title = "a\nb" },
		"a title without an end": func(n *notifications.Notice) { n.Title = strings.Repeat("x", 201) },
		"another site's link":    func(n *notifications.Notice) { n.Link = "https://evil.example" },
		"a link of no scheme":    func(n *notifications.Notice) { n.Link = "//evil.example" },
		"a link backwards":       func(n *notifications.Notice) { n.Link = `/\evil.example` },
		"data without an end":    func(n *notifications.Notice) { n.Data = map[string]any{"x": strings.Repeat("x", 5000)} },
		"data that is no JSON":   func(n *notifications.Notice) { n.Data = map[string]any{"x": func() {}} },
	} {
		wrong := b.notice("wrong")
		change(&wrong)
		err := b.poster.InTenant(tenant.With(t.Context(), b.shop), func(tx *gorm.DB) error {
			_, err := notifications.Post(tx, nil, []notifications.Notice{b.notice("right"), wrong})
			return err
		})
		require.ErrorIs(t, err, notifications.ErrNotice, name)
	}
	_, err := notifications.Post(nil, nil, []notifications.Notice{b.notice("a")})
	require.ErrorIs(t, err, postgres.ErrNoTransaction)
	titles, _ := b.inbox(b.reader(uuid.New()), notifications.InboxFilter{})
	require.Empty(t, titles)
}

func TestEachReaderSeesWhatIsForThem(t *testing.T) {
	t.Parallel()
	b := newBoard(t, "makola_billing")
	ama, kofi := uuid.New(), uuid.New()
	of := func(title string, user uuid.UUID, permission string) notifications.Notice {
		n := b.notice(title)
		n.Title, n.User, n.Permission = title, user, permission
		return n
	}
	b.post(of("all", uuid.Nil, ""), of("money", uuid.Nil, "can_view_financial_data"), of("for ama", ama, ""), of("for ama, who may no more", ama, "can_manage_payments"))
	owner, clerk := b.reader(ama, "can_view_financial_data", "can_view_sales"), b.reader(kofi)
	titles, unread := b.inbox(owner, notifications.InboxFilter{})
	require.ElementsMatch(t, []string{"all", "money", "for ama"}, titles)
	require.Equal(t, 3, unread)
	titles, unread = b.inbox(clerk, notifications.InboxFilter{})
	require.Equal(t, []string{"all"}, titles)
	require.Equal(t, 1, unread)

	stranger := b.reader(ama, "can_view_financial_data", "can_manage_payments")
	stranger.Tenant = uuid.New()
	titles, _ = b.inbox(stranger, notifications.InboxFilter{})
	require.Empty(t, titles)
	list := map[string]uuid.UUID{}
	rows, err := b.admin.Query(t.Context(), "select title, id from notifications.notice")
	require.NoError(t, err)
	for rows.Next() {
		var title string
		var id uuid.UUID
		require.NoError(t, rows.Scan(&title, &id))
		list[title] = id
	}
	for _, mark := range []func(*gorm.DB, notifications.Reader, uuid.UUID) (bool, error){notifications.MarkRead, notifications.Dismiss} {
		for title, r := range map[string]notifications.Reader{"money": clerk, "for ama": clerk, "all": stranger, "for ama, who may no more": owner, "unknown": owner} {
			require.ErrorIs(t, b.as(r, func(tx *gorm.DB) error {
				_, err := mark(tx, r, list[title])
				return err
			}), notifications.ErrNoticeNotFound, title)
		}
	}
	var states int
	require.NoError(t, b.admin.QueryRow(t.Context(), "select count(*) from notifications.notice_state").Scan(&states))
	require.Zero(t, states)
}

func TestReadingAndDismissingIsEachReadersOwn(t *testing.T) {
	t.Parallel()
	b := newBoard(t, "makola_billing")
	for i := range 5 {
		n := b.notice(fmt.Sprint(i))
		n.Title = fmt.Sprint(i)
		if i == 4 {
			n.Kind, n.Priority = notifications.KindCreditsLow, notifications.Critical
		}
		b.post(n)
	}
	ama, kofi := b.reader(uuid.New()), b.reader(uuid.New())
	ids := map[string]uuid.UUID{}
	require.NoError(t, b.as(ama, func(tx *gorm.DB) error {
		list, _, err := notifications.Inbox(tx, ama, notifications.InboxFilter{Limit: 10})
		for _, n := range list {
			ids[n.Title] = n.ID
		}
		return err
	}))
	mark := func(fn func(*gorm.DB, notifications.Reader, uuid.UUID) (bool, error), title string) (changed bool) {
		require.NoError(t, b.as(ama, func(tx *gorm.DB) (err error) {
			changed, err = fn(tx, ama, ids[title])
			return err
		}))
		return changed
	}
	require.True(t, mark(notifications.MarkRead, "3"))
	require.False(t, mark(notifications.MarkRead, "3"), "again")
	require.True(t, mark(notifications.Dismiss, "2"))
	require.True(t, mark(notifications.Dismiss, "3"), "what was read may go")
	require.False(t, mark(notifications.Dismiss, "3"))
	require.True(t, mark(notifications.MarkRead, "2"), "it is gone and not read")
	require.True(t, mark(notifications.MarkRead, "1"))

	all := func(titles []string, unread int) []string { return append(titles, fmt.Sprint(unread)) }
	require.Equal(t, []string{"4", "1", "0", "2"}, all(b.inbox(ama, notifications.InboxFilter{})))
	require.Equal(t, []string{"4", "0", "2"}, all(b.inbox(ama, notifications.InboxFilter{Unread: true})))
	require.Equal(t, []string{"4", "2"}, all(b.inbox(ama, notifications.InboxFilter{Kind: notifications.KindCreditsLow})))
	require.Equal(t, []string{"1", "0", "2"}, all(b.inbox(ama, notifications.InboxFilter{Priority: notifications.High})))
	require.Equal(t, []string{"4", "2"}, all(b.inbox(ama, notifications.InboxFilter{Limit: 1})))
	require.Equal(t, []string{"1", "0", "2"}, all(b.inbox(ama, notifications.InboxFilter{Before: ids["4"]})))
	require.Equal(t, []string{"4", "3", "2", "1", "0", "5"}, all(b.inbox(kofi, notifications.InboxFilter{})), "nobody else's")
	var n int64
	require.NoError(t, b.as(ama, func(tx *gorm.DB) (err error) {
		n, err = notifications.MarkAllRead(tx, ama)
		return err
	}))
	require.EqualValues(t, 2, n)
	require.Equal(t, []string{"0"}, all(b.inbox(ama, notifications.InboxFilter{Unread: true})))
	require.Equal(t, []string{"4", "3", "2", "1", "0", "5"}, all(b.inbox(kofi, notifications.InboxFilter{})))
}

// A slow transaction commits after a later one: its ids, times and transaction number are older than what was sent already, and it is sent all the same, once.
func TestNewsMissNothingWhateverTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	b := newBoard(t, "makola_billing")
	r := b.reader(uuid.New())
	titled := func(title string) notifications.Notice {
		n := b.notice(title)
		n.Title = title
		return n
	}
	b.post(titled("before"))
	start, titles := b.news(r, "")
	require.Empty(t, titles, "who comes anew reads the list")
	require.Equal(t, 1, start.Unread)
	require.True(t, notifications.ValidMark(start.Mark), start.Mark)

	slow, err := b.poster.Begin(t.Context(), postgres.Scope{Tenants: []uuid.UUID{b.shop}})
	require.NoError(t, err)
	defer slow.Rollback()
	_, err = notifications.Post(slow.DB, nil, []notifications.Notice{titled("slow")})
	require.NoError(t, err)
	b.post(titled("quick"))
	second, titles := b.news(r, start.Mark)
	require.Equal(t, []string{"quick"}, titles)
	require.NoError(t, slow.Commit())
	third, titles := b.news(r, second.Mark)
	require.Equal(t, []string{"slow"}, titles)
	require.Equal(t, 3, third.Unread)
	_, titles = b.news(r, third.Mark)
	require.Empty(t, titles)
	_, titles = b.news(r, start.Mark)
	require.Equal(t, []string{"slow", "quick"}, titles, "who comes back with an old mark gets all that came since")
	_, titles = b.news(r, "1:2")
	require.Empty(t, titles, "what is no mark is none")

	b.post(titled("restored"))
	_, err = b.admin.Exec(t.Context(), "update notifications.notice set xact = '99999999999' where title = 'restored'")
	require.NoError(t, err)
	_, titles = b.news(r, third.Mark)
	require.Empty(t, titles, "a number of another cluster does not come again and again")
}

func TestNewsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBoard(t, "makola_billing")
	r := b.reader(uuid.New())
	start, _ := b.news(r, "")
	var many []notifications.Notice
	for i := range notifications.MostUnread + 50 {
		many = append(many, b.notice(fmt.Sprint(i)))
	}
	b.post(many...)
	news, titles := b.news(r, start.Mark)
	require.Len(t, titles, notifications.MostMissed)
	require.Equal(t, notifications.MostUnread, news.Unread)
	for i := 1; i < len(news.Notices); i++ {
		require.Negative(t, strings.Compare(news.Notices[i-1].ID.String(), news.Notices[i].ID.String()), "the oldest first")
	}
}

// Whatever a client sends as a mark, PostgreSQL can read what we take for one.
func TestAValidMarkIsOneForPostgreSQL(t *testing.T) {
	t.Parallel()
	b := newBoard(t, "makola_gateway")
	for _, mark := range []string{"", "x", "1", "1:2", "2:1:", "0:0:", "1:5:5", "1:5:0", "3:5:2", "1:5:3,2", "1:5:2,2", "1:5:2,", "1:5:2 ", "99999999999999999999:99999999999999999999:", "1:2:\x00", strings.Repeat("1", 5000)} {
		require.False(t, notifications.ValidMark(mark), "%q", mark)
	}
	rapid.Check(t, func(rt *rapid.T) {
		mark := rapid.OneOf(rapid.StringMatching(`[1-9][0-9]{0,2}:[1-9][0-9]{0,2}:([1-9][0-9]?(,[1-9][0-9]?){0,3})?`), rapid.StringMatching(`[0-9]{1,19}:[0-9]{1,19}:`)).Draw(rt, "mark")
		if !notifications.ValidMark(mark) {
			return
		}
		var text string
		if err := b.admin.QueryRow(t.Context(), "select pg_snapshot_xmin($1::text::pg_snapshot)::text", mark).Scan(&text); err != nil {
			rt.Fatalf("%q: %v", mark, err)
		}
	})
}

func TestOldNoticesGoWithWhatWasDoneWithThem(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	b := &board{t: t, poster: pg.Open("makola_billing"), shown: pg.Open("makola_gateway"), admin: pg.Admin(), shop: uuid.New()}
	b.post(b.notice("1"), b.notice("2"), b.notice("3"))
	r := b.reader(uuid.New())
	require.NoError(t, b.as(r, func(tx *gorm.DB) error {
		_, err := notifications.MarkAllRead(tx, r)
		return err
	}))
	prune := func(before time.Time) (n int64) {
		require.NoError(t, pg.Open("makola_cron").InSystem(t.Context(), func(tx *gorm.DB) (err error) {
			n, err = notifications.PruneNotices(tx, before, 2)
			return err
		}))
		return n
	}
	require.Zero(t, prune(time.Now().Add(-time.Hour)))
	require.EqualValues(t, 2, prune(time.Now().Add(time.Hour)))
	require.EqualValues(t, 1, prune(time.Now().Add(time.Hour)))
	var states int
	require.NoError(t, b.admin.QueryRow(t.Context(), "select count(*) from notifications.notice_state").Scan(&states))
	require.Zero(t, states)
}
