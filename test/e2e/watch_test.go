package e2e

import (
	"context"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// monday gives the role of cron a clock of the test's: unqualified calls of clock_timestamp() find this one first. It begins a second after the last Monday's seven o'clock,
// so that every job's slot, the week's included, has begun, and no slot begins by itself while the test looks.
const monday = `
create schema clock;
create table clock.ahead (ahead interval not null);
insert into clock.ahead select date_trunc('week', now() at time zone 'UTC' - interval '7 hours') at time zone 'UTC' + interval '7 hours 1 second' - now();
create function clock.clock_timestamp() returns timestamptz language sql as 'select pg_catalog.clock_timestamp() + (select ahead from clock.ahead)';
grant usage on schema clock to makola_cron;
grant select on clock.ahead to makola_cron;
do $$ begin execute format('alter role makola_cron in database %I set search_path = clock, pg_catalog, public', current_database()); end $$;
`

// exec changes what no role may, as time or an accident would.
func (h *house) exec(sql string, args ...any) {
	h.t.Helper()
	_, err := h.look.Exec(h.t.Context(), sql, args...)
	require.NoError(h.t, err)
}

// yesterday moves what was sold and moved so far to the day before.
func (h *house) yesterday() {
	h.t.Helper()
	require.NoError(h.t, pgx.BeginFunc(h.t.Context(), h.look, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`set local session_replication_role = replica`, // movements and sales are never changed otherwise
			`update inventory.movement set at = at - interval '1 day'`,
			`update sales.sale set completed_at = completed_at - interval '1 day' where completed_at is not null`,
		} {
			if _, err := tx.Exec(h.t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	}))
}

// sweep starts cron, waits until each of the jobs has run once more and all that inventory-worker got of it is done, and stops cron.
func (h *house) sweep(jobs ...string) {
	h.t.Helper()
	h.sweepOf(`queue in ('inventory', 'sales')`, jobs...)
}

// sweepOf starts cron, waits until each of the jobs has run once more and all tasks of the kind are done, and stops cron.
func (h *house) sweepOf(kind string, jobs ...string) {
	h.t.Helper()
	const runs = `select count(*) from cron.run where job = $1 and task_id is not null`
	before := map[string]int{}
	for _, job := range jobs {
		before[job] = h.count(runs, job)
	}
	cron := h.Start("cron")
	stack.Ready(h.t, cron)
	for _, job := range jobs {
		stack.Eventually(h.t, "cron runs "+job, func() bool { return h.count(runs, job) == before[job]+1 })
	}
	h.done(kind)
	require.Zero(h.t, cron.Stop())
}

// done waits until no task of the kind is left that may run now.
func (h *house) done(kind string) {
	h.t.Helper()
	stack.Eventually(h.t, "the tasks with "+kind+" are done", func() bool {
		return h.count(`select count(*) from task.task where `+kind+` and (state in ('published', 'running') or state = 'pending' and available_at <= now())`) == 0
	})
	require.Zero(h.t, h.count(`select count(*) from task.task where `+kind+` and state = 'failed'`))
}

// later sets cron's clock forward.
func (h *house) later(d time.Duration) {
	h.t.Helper()
	h.exec(`update clock.ahead set ahead = ahead + make_interval(secs => $1)`, d.Seconds())
}

// result is a member of the result of a business's task of that name, the latest.
func (s *shop) result(name, member string) (v string) {
	s.h.t.Helper()
	require.NoError(s.h.t, s.h.look.QueryRow(context.WithoutCancel(s.h.t.Context()), `select coalesce(result->>$3, '') from task.task where name = $1 and tenant_id = $2 order by id desc limit 1`, name, s.ID, member).Scan(&v))
	return v
}

// TestTheWatchOverAShopFloor lets cron run every job that watches over stock and carts, and looks at what became of each; then a reader turns mails off by a link, turns
// them on again, and wants peace at night.
func TestTheWatchOverAShopFloor(t *testing.T) {
	t.Parallel()
	h := openFloor(t)
	h.exec(monday)
	ama, yaw := h.register(), h.register()
	shopfront := ama.make("storefronts", map[string]any{"name": "Makola Road", "code": "MAIN"})
	products := map[string]string{}
	var items []any
	for _, name := range []string{"Soap", "Milk", "Salt", "Rice"} {
		products[name] = ama.make("products", map[string]any{"name": name, "sku": name, "reorder_level": 5})
		item := map[string]any{"product_id": products[name], "location_id": shopfront, "quantity": 20, "unit_cost": "2.00", "retail_price": "3.00"}
		if name == "Milk" {
			item["expiry_date"] = time.Now().UTC().AddDate(0, 0, 10).Format(time.DateOnly)
		}
		items = append(items, item)
	}
	ama.make("stock-batches", map[string]any{"items": items})
	ama.sell(shopfront, line{products["Soap"], 16})
	old := text(ama.sell(shopfront, line{products["Salt"], 1}).at("id"))
	h.yesterday()

	// A cart that was left an hour ago, one that was left the day before, and what a sale of last month set aside.
	left, _ := ama.cart(shopfront, "", line{products["Salt"], 1})
	h.exec(`update sales.reservation set expires_at = now() - interval '30 minutes' where sale_id = $1`, left)
	abandoned, _ := ama.cart(shopfront, "", line{products["Salt"], 2})
	h.exec(`update sales.sale set updated_at = now() - interval '25 hours' where id = $1`, abandoned)
	h.exec(`update sales.reservation set expires_at = now() + interval '1 day' where sale_id = $1`, abandoned) // so that it is the cart that ends it
	h.exec(`update sales.reservation set ended_at = now() - interval '8 days' where sale_id = $1`, old)
	// A crossing that nobody told of.
	h.exec(`update inventory.product set reorder_level = 30 where id = $1`, products["Rice"])
	const rice = `select count(*) from inventory.stock_alert where product_id = $1 and type = 'LOW_STOCK' and resolved_at is null`
	require.Zero(t, h.count(rice, products["Rice"]))

	h.sweep("check-stock-alerts", "release-expired-stock-reservations", "cleanup-expired-stock-reservations", "send-low-stock-alerts", "check-expiring-products", "send-stock-movement-report",
		"verify-stock", "verify-receivables")
	h.done(`queue = 'notifications'`)

	require.Equal(t, 1, h.count(rice, products["Rice"]), "check-stock-alerts")
	require.Equal(t, 1, h.count(`select count(*) from sales.reservation where sale_id = $1 and status = 'RELEASED'`, left), "release-expired-stock-reservations")
	ama.get("/api/v1/sales/"+left).is(t, "status", "DRAFT")
	require.Equal(t, 1, h.count(`select count(*) from audit.entry where action = 'stock.released' and entity_id = $1`, left))
	ama.get("/api/v1/sales/"+abandoned).is(t, "status", "CANCELLED")
	require.Equal(t, 1, h.count(`select count(*) from sales.reservation where sale_id = $1 and status = 'CANCELLED'`, abandoned), "cleanup-expired-stock-reservations")
	require.Zero(t, h.count(`select count(*) from sales.reservation where sale_id = $1`, old), "cleanup-expired-stock-reservations")
	ama.get("/api/v1/stock/availability?product_id="+products["Salt"]+"&storefront_id="+shopfront).is(t, "on_hand", 19, "reserved", 0, "available", 19)

	low := h.letter(ama.Email, "to reorder")
	for _, part := range []string{low.Text, low.HTML} {
		require.Contains(t, part, "Soap")
		require.Contains(t, part, "Makola Road")
		require.Contains(t, part, "GHS 8.00", "four left, at cost")
	}
	require.Contains(t, low.Text, "on hand: 4 pcs, level: 5, days left: 7, value: GHS 8.00", "16 were sold in 28 days")
	expiring := h.letter(ama.Email, "expires soon")
	require.Contains(t, expiring.Text, "Milk")
	require.Regexp(t, `\(in (10|9) days\)`, expiring.Text) // midnight may come between
	require.Contains(t, expiring.Text, "GHS 40.00")
	week := h.letter(ama.Email, "Your week in stock")
	require.Contains(t, week.Subject, "GHS 51.00")
	require.Regexp(t, `Units received\s+now: 80`, week.Text)
	require.Regexp(t, `Soap\s+Soap, in 1 sales?\s+units: 16`, week.Text)
	for _, check := range []string{"inventory.verify_stock", "sales.verify_receivables"} {
		require.Equal(t, "ok", ama.result(check, "status"), check)
	}
	require.Equal(t, 2, h.count(`select count(*) from inventory.stock_check where faults = 0`), "one for each business")
	require.Equal(t, 2, h.count(`select count(*) from sales.receivable_check where faults = 0`))
	require.Equal(t, "no_alerts", yaw.result("inventory.send_low_stock_alert", "status"))
	require.Equal(t, "no_data", yaw.result("inventory.send_stock_movement_report", "status"))
	require.Zero(t, len(h.letters(yaw.Email, "stock"))+len(h.letters(yaw.Email, "reorder"))+len(h.letters(yaw.Email, "expire")), "who has nothing is told nothing")
	kinds := map[string]string{}
	for _, n := range ama.list("notifications") {
		kinds[text(n["kind"])] = text(n["body"])
	}
	require.Contains(t, kinds, "STOCK_LOW")
	require.Contains(t, kinds["STOCK_EXPIRING"], "Milk at Makola Road")

	// The link in the mail: following it changes nothing, its button turns the mails off.
	link := regexp.MustCompile(`http://\S+/unsubscribe/[\w-]+`).FindString(low.Text)
	require.NotEmpty(t, link, low.Text)
	require.Contains(t, low.HTML, link)
	switches := func() answer { return ama.get("/api/v1/settings") }
	page := call(t, http.MethodGet, link, nil)
	require.Equal(t, http.StatusOK, page.Status)
	require.Contains(t, page.Text, "<form")
	require.Equal(t, true, switches().at("notifications", "lowStockAlerts"))
	off := call(t, http.MethodPost, link, []byte("List-Unsubscribe=One-Click"), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusOK, off.Status, off.Text)
	require.Equal(t, false, switches().at("notifications", "lowStockAlerts"))

	ama.sell(shopfront, line{products["Salt"], 19})
	h.later(6 * time.Hour)
	h.sweep("send-low-stock-alerts")
	h.done(`queue = 'notifications'`)
	require.Equal(t, "sent", ama.result("inventory.send_low_stock_alert", "status"), "to the mails, which the switch holds back")
	require.Equal(t, 1, h.count(`select count(*) from notifications.email where tenant_id = $1 and state = 'suppressed' and error = 'lowStockAlerts is off'`, ama.ID))
	require.Len(t, h.letters(ama.Email, "to reorder"), 1)
	require.Contains(t, text(ama.list("notifications")[0]["body"]), "Salt is out of stock", "in the application it is told all the same")

	// On again, but it is night: from three hours ago to three hours from now.
	night := func(offset time.Duration) string { return time.Now().UTC().Add(offset).Format("15:04") }
	settings := func(change map[string]any) {
		t.Helper()
		ama.must(http.StatusOK, http.MethodPatch, "settings", map[string]any{"notifications": change})
	}
	settings(map[string]any{"lowStockAlerts": true, "quiet_hours": map[string]any{"start": night(-3 * time.Hour), "end": night(3 * time.Hour)}})
	ama.sell(shopfront, line{products["Milk"], 20})
	h.later(6 * time.Hour)
	h.sweep("send-low-stock-alerts")
	h.done(`queue = 'notifications'`)
	const held = `from task.task where name = 'notifications.send_email' and state = 'pending' and available_at > now() + interval '1 hour' and available_at < now() + interval '4 hours'`
	require.Equal(t, 1, h.count(`select count(*) `+held))
	require.Len(t, h.letters(ama.Email, "to reorder"), 1)
	settings(map[string]any{"quiet_hours": nil})
	h.exec(`update task.task set available_at = now() where id in (select id ` + held + `)`) // morning
	stack.Eventually(t, "the mail comes in the morning", func() bool { return len(h.letters(ama.Email, "to reorder")) == 2 })
	morning := h.letters(ama.Email, "to reorder")[0]
	require.Contains(t, morning.Text, "Milk")
	require.Contains(t, morning.Text, "on hand: 0 pcs")
	require.NotContains(t, morning.Text, "Salt", "which was told of")
}
