package api_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/api"
	"makola/services/api-gateway/internal/live"
)

const (
	inbox = "/api/v1/notifications"
	feed  = inbox + "/stream"
)

// postBy has a worker post a notice to the shop, and returns the notice's id.
func (g *gateway) postBy(worker *postgres.DB, bell *task.Queue, s shop, n notifications.Notice) string {
	g.t.Helper()
	n.Tenant = uuid.MustParse(s.business)
	if n.Kind == "" {
		n.Kind, n.Priority = notifications.KindCreditsLow, notifications.High
	}
	n.Title = "notice " + n.Key
	require.NoError(g.t, worker.InTenant(tenant.With(g.t.Context(), n.Tenant), func(tx *gorm.DB) error {
		posted, err := notifications.Post(tx, bell, []notifications.Notice{n})
		require.Equal(g.t, []bool{true}, posted)
		return err
	}))
	var id string
	require.NoError(g.t, g.admin.QueryRow(g.t.Context(), "select id::text from notifications.notice where tenant_id = $1 and dedupe_key = $2", s.business, n.Key).Scan(&id))
	return id
}

// post is postBy for everybody in the shop, without a bell.
func (g *gateway) post(s shop, key string) string {
	g.t.Helper()
	return g.postBy(g.pg.Open("makola_billing"), nil, s, notifications.Notice{Key: key, Link: "/credits", Data: map[string]any{"balance": "4.00"}})
}

// titles lists a page of notifications, and how many are unread.
func titles(a *answer) (list []string) {
	for _, item := range a.body["items"].([]any) {
		list = append(list, item.(map[string]any)["title"].(string))
	}
	return append(list, fmt.Sprint(a.body["unread"]))
}

func TestNotificationsAreListedReadAndDismissed(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	var ids []string
	for _, key := range []string{"1", "2", "3"} {
		ids = append(ids, g.post(ama, key))
	}
	g.postBy(g.pg.Open("makola_inventory"), nil, ama, notifications.Notice{Key: "4", Kind: notifications.KindStockLow, Priority: notifications.Low})
	require.Equal(t, []string{"notice 4", "notice 3", "notice 2", "notice 1", "4"}, titles(g.do("GET", inbox, ama.access, nil).is(t, 200, "")))
	require.Equal(t, []string{"0"}, titles(g.do("GET", inbox, kofi.access, nil).is(t, 200, "")))

	page := g.do("GET", inbox+"?limit=3", ama.access, nil).is(t, 200, "")
	require.Equal(t, []string{"notice 4", "notice 3", "notice 2", "4"}, titles(page))
	one := page.body["items"].([]any)[1].(map[string]any)
	require.Equal(t, "/credits", one["link"])
	require.Equal(t, map[string]any{"balance": "4.00"}, one["data"])
	require.Nil(t, one["read_at"])
	page = g.do("GET", inbox+"?limit=3&cursor="+page.text("next_cursor"), ama.access, nil).is(t, 200, "")
	require.Equal(t, []string{"notice 1", "4"}, titles(page))
	require.Nil(t, page.body["next_cursor"])
	require.Equal(t, []string{"notice 4", "4"}, titles(g.do("GET", inbox+"?kind=STOCK_LOW", ama.access, nil)))
	require.Equal(t, []string{"notice 4", "4"}, titles(g.do("GET", inbox+"?priority=LOW", ama.access, nil)))

	for range 2 {
		g.do("POST", inbox+"/"+ids[0]+"/read", ama.access, nil).is(t, 204, "")
		g.do("POST", inbox+"/"+ids[1]+"/dismiss", ama.access, nil).is(t, 204, "")
	}
	require.Equal(t, []string{"notice 4", "notice 3", "notice 1", "2"}, titles(g.do("GET", inbox, ama.access, nil)))
	require.Equal(t, []string{"notice 4", "notice 3", "2"}, titles(g.do("GET", inbox+"?unread=true", ama.access, nil)))
	require.EqualValues(t, 2, g.do("POST", inbox+"/read-all", ama.access, nil).is(t, 200, "").body["marked"])
	require.EqualValues(t, 0, g.do("POST", inbox+"/read-all", ama.access, nil).is(t, 200, "").body["marked"])
	require.Equal(t, []string{"0"}, titles(g.do("GET", inbox+"?unread=true", ama.access, nil)))

	g.do("GET", inbox+"?kind=WEATHER", ama.access, nil).is(t, 422, "invalid")
	g.do("GET", inbox+"?cursor=x", ama.access, nil).is(t, 422, "invalid")
	g.do("POST", inbox+"/"+ids[2]+"/read", kofi.access, nil).is(t, 404, "notice_not_found")
	g.do("POST", inbox+"/"+uuid.NewString()+"/dismiss", ama.access, nil).is(t, 404, "notice_not_found")
	g.do("GET", feed, "", nil).is(t, 401, "unauthenticated")
}

func TestWhoMaySeeWhichNotification(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	worker := g.pg.Open("makola_billing")
	g.postBy(worker, nil, ama, notifications.Notice{Key: "all"})
	money := g.postBy(worker, nil, ama, notifications.Notice{Key: "money", Permission: string(accounts.ViewFinancialData)})
	g.postBy(worker, nil, ama, notifications.Notice{Key: "payments", Permission: string(accounts.ManagePayments)})
	g.postBy(worker, nil, ama, notifications.Notice{Key: "manager", User: g.member(ama, accounts.Manager, "")})
	for role, want := range map[accounts.Role][]string{
		accounts.Owner: {"notice payments", "notice money", "notice all", "3"}, accounts.Admin: {"notice payments", "notice money", "notice all", "3"},
		accounts.Manager: {"notice manager", "notice money", "notice all", "3"}, accounts.Staff: {"notice all", "1"},
	} {
		s := ama
		s.access = g.token(ama, role, time.Now())
		require.Equal(t, want, titles(g.do("GET", inbox, s.access, nil).is(t, 200, "")), role)
		first := g.follow(s, feed).next()
		require.Equal(t, want[len(want)-1], fmt.Sprint(first.body["unread"]), role)
	}
	g.do("POST", inbox+"/"+money+"/read", g.token(ama, accounts.Staff, time.Now()), nil).is(t, 404, "notice_not_found")
}

// A worker posts at its own end of the broker, two gateways tell, and a client may go from one to the other.
func TestANoticeIsToldAtWhicheverGateway(t *testing.T) {
	t.Parallel()
	b := rabbittest.New(t)
	require.NoError(t, b.Declare(t, rabbit.Standard(), false))
	var hubs []*live.Hub
	keep := func(o *api.Options, _ *api.Server) { hubs = append(hubs, o.Hub) }
	g := open(t, listening(t, b, live.Limits{}), keep)
	other := g.replica(listening(t, b, live.Limits{}), keep)
	announcing(t, b, g)
	db := g.pg.Open("makola_billing")
	worker := task.NewQueue(db, b.Conn(t, rabbit.Standard()), task.QueueConfig{PollInterval: time.Hour})
	require.NoError(t, worker.Start(t.Context()))
	t.Cleanup(func() { _ = worker.Stop(context.WithoutCancel(t.Context())) })
	ama, kofi := g.register("ama"), g.register("kofi")
	g.postBy(db, nil, ama, notifications.Notice{Key: "0"})
	foreign := other.follow(kofi, feed)
	require.EqualValues(t, 0, foreign.next().body["unread"])

	here, there := g.follow(ama, feed), other.follow(ama, feed)
	for _, w := range []*stream{here, there} {
		e := w.next()
		require.Equal(t, "unread", e.name)
		require.EqualValues(t, 1, e.body["unread"], "what was there before is in the list")
		require.NotEmpty(t, e.id)
	}
	id := g.postBy(db, worker, ama, notifications.Notice{Key: "1"})
	told := func(w *stream, title string, unread int) event {
		t.Helper()
		e := w.next()
		require.Equal(t, "notice", e.name)
		require.Equal(t, title, e.body["title"])
		require.Empty(t, e.id)
		e = w.next()
		require.Equal(t, "unread", e.name)
		require.EqualValues(t, unread, e.body["unread"])
		return e
	}
	mark := told(here, "notice 1", 2)
	told(there, "notice 1", 2)
	// One client loses its connection, misses a notice and comes back to the other gateway.
	here.cancel()
	for range here.events { // until it is closed
	}
	g.postBy(db, worker, ama, notifications.Notice{Key: "2"})
	told(there, "notice 2", 3)
	back := other.follow(ama, feed, "Last-Event-ID", mark.id)
	told(back, "notice 2", 3)
	// What is read at one gateway is known at the other.
	g.do("POST", inbox+"/"+id+"/read", ama.access, nil).is(t, 204, "")
	for _, w := range []*stream{there, back} {
		e := w.next()
		require.Equal(t, "unread", e.name)
		require.EqualValues(t, 2, e.body["unread"])
	}
	again := g.follow(ama, feed, "Last-Event-ID", "not ours")
	require.EqualValues(t, 2, again.next().body["unread"], "a strange id is none")
	g.postBy(db, worker, kofi, notifications.Notice{Key: "theirs"})
	told(foreign, "notice theirs", 1)
	require.Empty(t, there.events, "nobody hears of another business's")
	for _, hub := range hubs {
		hub.Drain()
	}
	for _, w := range []*stream{there, back, again} {
		require.Equal(t, "bye", w.next().name)
		w.ends()
	}
}

func TestANoticeWhoseRingWasLostIsFoundByLooking(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	w := g.follow(ama, feed)
	require.EqualValues(t, 0, w.next().body["unread"])
	g.post(ama, "1")
	require.Equal(t, "notice 1", w.next().body["title"])
	require.EqualValues(t, 1, w.next().body["unread"])
	require.Equal(t, 200, g.do("HEAD", feed, ama.access, nil).StatusCode, "and it does not hang")
}
