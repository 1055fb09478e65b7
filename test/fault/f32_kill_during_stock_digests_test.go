package fault

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/rabbit"
	"makola/pkg/task"
	inventory "makola/proto/makola/inventory/v1"
	"makola/test/stack"
)

// lowShops makes 200 businesses, each with an owner and one product that has run low, of which nobody was told.
const lowShops = `
insert into accounts.user (id, email, name, password_hash) select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'owner' || n || '@example.com', 'Ama', 'x' from generate_series(1, 200) n;
insert into accounts.business (id, owner_id, name, email) select ('01900001-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
	'Shop ' || n, 'shop' || n || '@example.com' from generate_series(1, 200) n;
insert into accounts.membership (tenant_id, user_id, role) select id, owner_id, 'OWNER' from accounts.business;
insert into inventory.location (id, tenant_id, kind, name, code) select gen_random_uuid(), id, 'STOREFRONT', 'Makola Road', 'MAIN' from accounts.business;
insert into inventory.product (id, tenant_id, name, sku, reorder_level) select gen_random_uuid(), id, 'Soap', 'SOAP', 10 from accounts.business;
insert into inventory.stock_level (tenant_id, location_id, product_id, currency, retail_price_minor) select p.tenant_id, l.id, p.id, 'GHS', 300 from inventory.product p join inventory.location l using (tenant_id);
insert into inventory.stock_alert (id, tenant_id, product_id, location_id, type, current_quantity, threshold) select gen_random_uuid(), tenant_id, product_id, location_id, 'OUT_OF_STOCK', 0, 10 from inventory.stock_level;
`

// TestF32 kills inventory-worker again and again while it tells 200 businesses what is low: in the fan-out, before and after a commit, in the relay, and anywhere.
// Every owner gets one mail, and every business one notice.
func TestF32KillDuringStockDigests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.channel(func(ch *amqp.Channel) { require.NoError(t, rabbit.Standard(rabbit.Queues()...).Declare(ch, false)) })
	w.exec(lowShops)
	smtp, viewer := stack.FreeAddr(t), stack.FreeAddr(t)
	w.service("mail-viewer", "deploy/sandbox/mail-viewer", []string{"LISTEN_ADDR=" + viewer, "SMTP_ADDR=" + smtp})
	w.service("notifier", "services/notifier", []string{"DATABASE_URL=" + w.url("makola_notifier"), "SMTP_URL=smtp://" + smtp, "MAIL_FROM=Makola <no-reply@makola.example>"})
	digests := inventory.NewTasks(w.queue)
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := digests.SendLowStockAlert(t.Context(), tx, &inventory.SendLowStockAlertArgs{}, task.Unique(task.SlotKey("send-low-stock-alerts", time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC))))
		return err
	}))
	v := w.service("inventory-worker", "services/inventory-worker", []string{"DATABASE_URL=" + w.url("makola_inventory")}, "each.chunk:1", "short.before_commit:20", "short.after_commit:20", "relay.after_confirm:1")
	w.await("it is killed at each of its crash points", func() bool { return v.deaths() >= 4 })
	const told = "select count(*) from notifications.email where state <> 'failed'"
	for _, n := range []int{100, 150} {
		w.await("more are told", func() bool { return w.count(told) >= n })
		v.kill()
	}
	w.await("every task ends", func() bool { return w.count("select count(*) from task.task where state not in "+terminal) == 0 })
	require.Zero(t, w.count("select count(*) from task.task where state <> 'succeeded'"))
	require.Zero(t, w.count("select count(*) from task.dead_letter"))
	require.Zero(t, w.count("select count(*) from (select task_id from fault.step where after in "+terminal+" group by 1 having count(*) <> 1) x"), "each task ended once")
	require.Equal(t, 200, w.count("select count(*) from accounts.business b where 1 = (select count(*) from notifications.email e where e.tenant_id = b.id and e.state = 'sent')"), "each business one mail")
	require.Equal(t, 200, w.count("select count(*) from accounts.business b where 1 = (select count(*) from notifications.notice e where e.tenant_id = b.id)"), "each business one notice")
	require.Equal(t, 200, w.count("select count(*) from inventory.stock_alert where notified_at is not null"))
	resp, err := http.Get("http://" + viewer + "/api/messages")
	require.NoError(t, err)
	defer resp.Body.Close()
	var inbox struct {
		Messages []struct{ To []string }
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&inbox))
	arrived := map[string]int{}
	for _, m := range inbox.Messages {
		arrived[m.To[0]]++
	}
	require.Len(t, inbox.Messages, 200)
	require.Len(t, arrived, 200, "nobody was written to twice")
}
