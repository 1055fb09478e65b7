package e2e

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/proto/contract"
	accounts "makola/proto/makola/accounts/v1"
	aifeatures "makola/proto/makola/ai_features/v1"
	inventory "makola/proto/makola/inventory/v1"
	notifications "makola/proto/makola/notifications/v1"
	reports "makola/proto/makola/reports/v1"
	sales "makola/proto/makola/sales/v1"
	subscriptions "makola/proto/makola/subscriptions/v1"
	webhooks "makola/proto/makola/webhooks/v1"
	"makola/test/stack"
)

// catalogue is every task there is.
func catalogue() []*contract.Descriptor {
	return slices.Concat(accounts.AllTasks(), aifeatures.AllTasks(), inventory.AllTasks(), notifications.AllTasks(), reports.AllTasks(), sales.AllTasks(), subscriptions.AllTasks(), webhooks.AllTasks())
}

// proof is how one task is seen to do its work: what is done so that it is published (args, as JSON, enqueue it as cron and operators do; act is a request of the API that
// does), and what must be true in the database and in the mail afterwards. $1 of effect is the shop.
type proof struct {
	task   string
	before func(e *everything) // Prepares.
	args   func(e *everything) map[string]any
	act    func(e *everything)
	effect string
	check  func(e *everything) // What no query says.
	mail   string              // Words of the subject of a mail to the owner.
}

// none are no arguments; business is the shop's id alone.
func none(*everything) map[string]any       { return map[string]any{} }
func business(e *everything) map[string]any { return map[string]any{"business_id": e.ama.ID} }

// proofs are in the order in which they run: an earlier one leaves what a later one needs. One without args and act looks at what came of others.
var proofs = []proof{
	// Accounts and mail.
	{task: "accounts.send_welcome_email", effect: `select count(*) = 1 from notifications.email where template = 'welcome' and tenant_id = $1`, mail: "Welcome"},
	{task: "accounts.send_verification_email", effect: sentTo("verify_email"), mail: "Confirm"},
	{task: "accounts.send_password_reset_email", act: func(e *everything) { e.post("auth/password-reset/request", map[string]any{"email": e.ama.Email}) },
		effect: sentTo("password_reset"), mail: "Choose a new password"},
	{task: "accounts.send_password_changed_email", act: func(e *everything) {
		e.post("auth/change-password", map[string]any{"old_password": "correct horse battery", "new_password": "correct horse battery 2"})
	}, effect: sentTo("password_changed"), mail: "was changed"},
	{task: "accounts.send_invitation_email", before: func(e *everything) {
		e.post("auth/verify-email", map[string]any{"token": code.FindString(e.letter(e.ama.Email, "Confirm").Text)})
	}, act: func(e *everything) {
		e.ama.make("invitations", map[string]any{"email": "esi@example.com", "role": "MANAGER"})
	}, effect: `select exists (select from accounts.invitation where tenant_id = $1 and mailed > 0)`},
	{task: "accounts.expire_invitations", before: func(e *everything) {
		e.exec(`update accounts.invitation set sent_at = now() - interval '9 days', expires_at = now() - interval '1 day' where tenant_id = $1`, e.ama.ID)
	}, args: none, effect: `select exists (select from accounts.invitation where tenant_id = $1 and status = 'EXPIRED')`},
	{task: "accounts.cleanup_inactive_users", before: func(e *everything) {
		e.exec(`insert into accounts.user (id, email, name, password_hash, is_active, created_at, updated_at)
			values (gen_random_uuid(), 'gone@example.com', 'Gone', 'x', false, now() - interval '1 year', now() - interval '91 days')`)
	}, args: none, effect: `select not exists (select from accounts.user where email = 'gone@example.com')`},
	{task: "accounts.generate_user_activity_report", before: func(e *everything) {
		e.exec(`update accounts.business_settings set activity_reports = true where tenant_id = $1`, e.ama.ID)
		e.exec(`insert into audit.entry (id, tenant_id, at, user_id, actor, action, entity)
			select 'ffffffff-0000-7000-8000-000000000001', $1, date_trunc('week', now()) - interval '3 days', $2::uuid, 'ama@example.com', 'LOGIN', 'session'`, e.ama.ID, e.owner())
	}, args: business, effect: sentTo("activity_summary")},
	{task: "notifications.send_email", effect: `select exists (select from notifications.email where tenant_id = $1 and state = 'sent')`},

	// Credits that are used: the trial's fifty.
	{task: "ai_features.record_usage", act: func(e *everything) {
		for range 8 {
			e.use("portfolio_dashboard", "5.00")
		}
	}, effect: `select exists (select from billing.usage_transaction where tenant_id = $1 and success)`},
	{task: "ai_features.check_low_ai_credits", before: func(e *everything) {
		stack.Eventually(e.t, "all use is recorded", func() bool {
			return e.count(`select count(*) from billing.credit_lot where tenant_id = $1 and remaining = 1000`, e.ama.ID) == 1
		})
		e.exec(`update billing.usage_alert set created_at = created_at - interval '2 days', armed_at = armed_at - interval '2 days' where tenant_id = $1`, e.ama.ID) // the last use raised one at once
	}, args: none, effect: `select exists (select from billing.usage_alert where tenant_id = $1 and kind = 'low_balance' and created_at > now() - interval '1 hour')`},
	{task: "ai_features.send_low_credit_alert", effect: sentTo("credit_alert"), mail: "running low"},
	{task: "ai_features.cleanup_expired_ai_transactions", before: func(e *everything) {
		e.exec(`update billing.usage_transaction set retention_until = now() - interval '1 day' where tenant_id = $1`, e.ama.ID)
	}, args: none, effect: `select not exists (select from billing.usage_transaction where tenant_id = $1) and exists (select from billing.usage_day where tenant_id = $1)`},
	{task: "ai_features.expire_credits", before: func(e *everything) {
		e.exec(`update billing.credit_lot set expires_at = now() - interval '1 hour' where tenant_id = $1`, e.ama.ID)
	}, args: none, effect: `select balance = 0 from billing.ledger_account where tenant_id = $1 and kind = 'credits'`},

	// Credits that are bought.
	{task: "ai_features.process_payment_webhook", act: func(e *everything) { e.press(e.order("webhook"), "pay") }, effect: purchased, mail: "Receipt"},
	{task: "ai_features.send_credit_purchase_notification", effect: sentTo("credits_purchased"), mail: "Receipt"},
	{task: "ai_features.process_webhook_event", args: storedEvent, effect: `select count(*) = 1 from billing.ledger_transfer where tenant_id = $1 and kind = 'purchase'`},
	{task: "ai_features.verify_payment", act: func(e *everything) {
		e.order("verify")
		e.play(e.references["verify"], "lose")
		e.post("ai/credits/verify", map[string]any{"reference": e.references["verify"]})
	}, check: func(e *everything) { e.ama.eventually(e.references["verify"], "completed") }},
	{task: "ai_features.reconcile_payments", before: func(e *everything) {
		e.order("late")
		e.play(e.references["late"], "lose")
		e.exec(`update billing.credit_purchase set created_at = now() - interval '11 minutes' where reference = $1`, e.references["late"])
	}, args: none, check: func(e *everything) { e.ama.eventually(e.references["late"], "completed") }},
	{task: "ai_features.answer_question", act: func(e *everything) {
		e.post("ai/query", map[string]any{"question": "Which products are low in stock?"})
	},
		effect: `select exists (select from billing.ledger_transfer where tenant_id = $1 and kind = 'usage')`},
	{task: "ai_features.describe_product", act: func(e *everything) { e.post("ai/products/description", map[string]any{"product_id": e.milk}) },
		effect: `select count(*) = 2 from assist.request where tenant_id = $1`},
	{task: "ai_features.compare_payments", args: none, effect: `select exists (select from task.task where name = 'ai_features.compare_payments' and result ->> 'status' <> '')`},
	{task: "ai_features.grant_credits", args: func(e *everything) map[string]any {
		return map[string]any{"business_id": e.ama.ID, "grant_id": uuid.NewString(), "credits": "7.00", "actor": "kofi", "reason": "a present"}
	}, effect: `select exists (select from billing.ledger_transfer where tenant_id = $1 and kind = 'grant')`},
	{task: "ai_features.reverse_transfer", args: func(e *everything) map[string]any {
		var id string
		require.NoError(e.t, e.look.QueryRow(e.t.Context(), `select id::text from billing.ledger_transfer where tenant_id = $1 and kind = 'grant'`, e.ama.ID).Scan(&id))
		return map[string]any{"business_id": e.ama.ID, "transfer_id": id, "actor": "kofi", "reason": "a mistake"}
	}, effect: `select exists (select from billing.ledger_transfer where tenant_id = $1 and kind = 'reversal')`},
	{task: "ai_features.resolve_review", before: func(e *everything) {
		e.order("wrong")
		e.play(e.references["wrong"], "wrong_amount")
		stack.Eventually(e.t, "the payment is in review", func() bool { return e.ama.status(e.references["wrong"]) == "review" })
	}, args: func(e *everything) map[string]any {
		var id string
		require.NoError(e.t, e.look.QueryRow(e.t.Context(), `select id::text from billing.payment_review where reference = $1`, e.references["wrong"]).Scan(&id))
		return map[string]any{"review_id": id, "decision": "approve", "business_id": e.ama.ID, "credits": "20.00", "actor": "kofi", "reason": "they rang"}
	}, effect: `select exists (select from billing.payment_review where resolved_at is not null)`},
	{task: "ai_features.refund_purchase", args: func(e *everything) map[string]any {
		return map[string]any{"payment_reference": e.references["webhook"], "actor": "kofi", "reason": "asked for"}
	}, effect: `select exists (select from audit.entry where tenant_id = $1 and action = 'purchase.refund_requested')`},
	{task: "ai_features.verify_ledger", args: none, effect: `select faults = 0 from billing.ledger_check order by checked_at desc limit 1`},

	// Subscriptions.
	{task: "subscriptions.process_payment", act: func(e *everything) { e.press(e.month("month"), "pay") },
		effect: `select status = 'ACTIVE' from billing.subscription where tenant_id = $1`, mail: "your subscription"},
	{task: "subscriptions.process_webhook_event", args: storedEvent, effect: `select count(*) = 1 from billing.ledger_transfer where tenant_id = $1 and kind = 'subscription'`},
	{task: "subscriptions.verify_payment", act: func(e *everything) {
		e.month("verify month")
		e.play(e.references["verify month"], "lose")
		e.post("subscription/payments/"+e.references["verify month"]+"/verify", nil)
	}, check: func(e *everything) { e.paidFor("verify month") }},
	{task: "subscriptions.reconcile_payments", before: func(e *everything) {
		e.month("late month")
		e.play(e.references["late month"], "lose")
		e.exec(`update billing.subscription_payment set created_at = now() - interval '11 minutes' where reference = $1`, e.references["late month"])
	}, args: none, check: func(e *everything) { e.paidFor("late month") }},
	{task: "subscriptions.refund_payment", args: func(e *everything) map[string]any {
		return map[string]any{"payment_reference": e.references["month"], "actor": "kofi", "reason": "asked for"}
	}, effect: `select exists (select from audit.entry where tenant_id = $1 and action like '%refund_requested')`},
	{task: "subscriptions.check_payment_gateway_health", before: func(e *everything) {
		e.exec(`insert into billing.gateway_health (provider, state, consecutive_failures, opened_at, last_error) values ('paystack', 'OPEN', 5, now() - interval '6 minutes', 'HTTP 502')
			on conflict (provider) do update set state = 'OPEN', consecutive_failures = 5, opened_at = now() - interval '6 minutes'`)
	}, args: none, effect: `select state = 'CLOSED' from billing.gateway_health where provider = 'paystack'`},
	{task: "subscriptions.set_pricing_tier", args: func(*everything) map[string]any {
		return map[string]any{"tier_id": uuid.NewString(), "min_storefronts": 3, "max_storefronts": 3, "base_price": "190.00", "price_per_additional": "0", "actor": "kofi", "reason": "costs"}
	}, effect: `select exists (select from billing.pricing_tier where min_storefronts = 3 and base_minor = 19000)`},
	{task: "subscriptions.set_tax", args: func(*everything) map[string]any {
		return map[string]any{"code": "VAT", "name": "Value Added Tax", "rate_bp": 1600, "calculation_order": 3, "effective_from": time.Now().AddDate(0, 2, 0).Format(time.DateOnly), "actor": "kofi", "reason": "the law"}
	}, effect: `select exists (select from billing.tax_rate where code = 'VAT' and rate_bp = 1600)`},
	{task: "subscriptions.set_service_charge", args: func(*everything) map[string]any {
		return map[string]any{"code": "CARD", "name": "Card fee", "kind": "FIXED", "amount": "1.50", "effective_from": time.Now().AddDate(0, 2, 0).Format(time.DateOnly), "actor": "kofi", "reason": "fees"}
	}, effect: `select exists (select from billing.service_charge where code = 'CARD' and amount_minor = 150)`},
	{task: "accounts.check_subscription_renewals", before: standing(`status = 'ACTIVE', auto_renew = true, period_start = now() - interval '25 days', period_end = now() + interval '5 days'`),
		args: none, effect: sentTo("subscription_reminder"), mail: "renew"},
	{task: "subscriptions.send_subscription_expiry_reminders", before: standing(`auto_renew = false, period_end = now() + interval '2 days'`), args: none, effect: noticed("SUBSCRIPTION_EXPIRING"), mail: "end"},
	{task: "subscriptions.process_auto_renewals", before: standing(`auto_renew = true, period_end = now() + interval '1 hour'`), args: none,
		effect: `select exists (select from billing.invoice where tenant_id = $1)`},
	{task: "subscriptions.send_payment_reminders", before: func(e *everything) {
		standing(`period_start = now() - interval '2 months', period_end = now() - interval '4 days'`)(e)
		e.exec(`update billing.invoice set due_on = current_date - 4 where tenant_id = $1 and status not in ('PAID', 'CANCELLED')`, e.ama.ID)
	}, args: none, effect: `select exists (select from billing.invoice where tenant_id = $1 and status = 'OVERDUE')`},
	{task: "subscriptions.generate_monthly_invoices", before: standing(`period_start = now() - interval '1 month', period_end = now() - interval '1 hour'`), args: none,
		effect: `select count(*) >= 2 from billing.invoice where tenant_id = $1`},
	{task: "subscriptions.check_usage_limits", before: func(e *everything) {
		standing(`status = 'ACTIVE', storefronts = 1, period_end = now() + interval '20 days'`)(e)
		e.exec(`insert into inventory.location (id, tenant_id, kind, name, code) values (gen_random_uuid(), $1, 'STOREFRONT', 'Second', 'SECOND')`, e.ama.ID)
	}, args: none, effect: noticed("USAGE_LIMIT_REACHED")},
	{task: "subscriptions.send_cancellation_notice", act: func(e *everything) { e.post("subscription/cancel", map[string]any{"reason": "too dear"}) }, effect: noticed("SUBSCRIPTION_CANCELLED")},
	{task: "subscriptions.check_trial_expirations", before: func(e *everything) { e.trial(`period_end = now() + interval '2 days'`) }, args: none,
		check: func(e *everything) { e.letter(e.kofi.Email, "trial") }},
	{task: "subscriptions.process_trial_expirations", before: func(e *everything) {
		e.trial(`period_start = now() - interval '15 days', period_end = now() - interval '1 hour'`)
	}, args: none,
		check: func(e *everything) {
			require.Equal(e.t, 1, e.count(`select count(*) from billing.subscription where tenant_id = $1 and status in ('INACTIVE', 'EXPIRED')`, e.kofi.ID))
		}},
	{task: "subscriptions.cleanup_old_webhook_events", before: func(e *everything) {
		old := time.Now().AddDate(0, 0, -120)
		id := uuid.Must(uuid.NewV7()) // begins with when it was made
		binary.BigEndian.PutUint64(id[:8], uint64(old.UnixMilli())<<16|uint64(binary.BigEndian.Uint16(id[6:8])))
		e.exec(`insert into billing.webhook_event (id, provider, dedupe_key, event_type, body, headers, received_at, state, finished_at)
			values ($1, 'paystack', 'old', 'charge.success', 'old'::bytea, '{}', $2, 'processed', $2)`, id, old)
	}, args: none, effect: `select exists (select from task.task where name = 'subscriptions.cleanup_old_webhook_events' and (result ->> 'emptied')::int > 0)`},
	{task: "subscriptions.suspend_subscription", args: func(e *everything) map[string]any {
		return map[string]any{"business_id": e.ama.ID, "actor": "kofi", "reason": "fraud"}
	}, effect: `select status = 'SUSPENDED' from billing.subscription where tenant_id = $1`},
	{task: "subscriptions.activate_subscription", args: func(e *everything) map[string]any {
		return map[string]any{"business_id": e.ama.ID, "actor": "kofi", "reason": "no fraud"}
	}, effect: `select status = 'ACTIVE' from billing.subscription where tenant_id = $1`},

	// Stock.
	{task: "inventory.self_test", args: func(*everything) map[string]any { return map[string]any{"note": "hello"} },
		effect: `select result ->> 'note' = 'hello' from task.task where name = 'inventory.self_test'`},
	{task: "inventory.check_stock_levels", before: func(e *everything) { e.exec(`delete from inventory.stock_alert where tenant_id = $1`, e.ama.ID) }, args: business,
		effect: `select exists (select from inventory.stock_alert where tenant_id = $1 and type = 'LOW_STOCK' and resolved_at is null)`},
	{task: "inventory.send_low_stock_alert", args: business, effect: `select exists (select from inventory.stock_alert where tenant_id = $1 and notified_at is not null)`, mail: "to reorder"},
	{task: "inventory.check_expiring_products", args: business, effect: `select exists (select from inventory.stock_alert where tenant_id = $1 and type = 'EXPIRY_WARNING')`, mail: "soon"},
	{task: "inventory.send_stock_movement_report", before: func(e *everything) { e.yesterday() }, args: business, effect: sentTo("stock_movement"), mail: "week in stock"},
	{task: "inventory.verify_stock", args: business, effect: `select faults = 0 from inventory.stock_check where tenant_id = $1`},
	{task: "inventory.import_products", act: func(e *everything) { e.upload("products", "name,sku\nGari,GARI\n") },
		effect: `select exists (select from inventory.product where tenant_id = $1 and sku = 'GARI')`},
	{task: "inventory.import_opening_stock", act: func(e *everything) {
		e.upload("opening_stock&location_id="+e.shopfront, "sku,quantity,unit_cost,retail_price\nGARI,12,1.00,2.00\n")
	}, effect: `select on_hand = 12 from inventory.stock_level l join inventory.product p on p.id = l.product_id where l.tenant_id = $1 and p.sku = 'GARI'`},
	{task: "sales.import_customers", act: func(e *everything) { e.upload("customers", "name,phone\nKofi Annor,+233200000001\n") },
		effect: `select exists (select from sales.customer where tenant_id = $1 and name = 'Kofi Annor')`},
	{task: "inventory.delete_import_files", before: func(e *everything) {
		require.NotEmpty(e.t, e.kept("imports"))
		for _, file := range e.kept("imports") {
			require.NoError(e.t, os.Chtimes(file, time.Time{}, time.Now().AddDate(-1, 0, 0)))
		}
	}, args: none, check: func(e *everything) { require.Empty(e.t, e.kept("imports")) }},

	// Carts and debts.
	{task: "sales.release_expired_reservations", before: func(e *everything) {
		id, _ := e.ama.cart(e.shopfront, "", line{e.milk, 1})
		e.exec(`update sales.reservation set expires_at = now() - interval '1 minute' where sale_id = $1`, id)
	}, args: none, effect: `select exists (select from sales.reservation where tenant_id = $1 and status = 'RELEASED')`},
	{task: "sales.cleanup_expired_stock_reservations", before: func(e *everything) {
		e.exec(`update sales.reservation set ended_at = now() - interval '8 days' where tenant_id = $1 and status = 'RELEASED'`, e.ama.ID)
	}, args: none, effect: `select not exists (select from sales.reservation where tenant_id = $1 and status = 'RELEASED')`},
	{task: "sales.verify_receivables", args: business, effect: `select faults = 0 from sales.receivable_check where tenant_id = $1`},

	// Reports, by the names and arguments that the Django application has for them.
	{task: "reports.self_test", args: func(*everything) map[string]any { return map[string]any{"note": "hello"} }, effect: `select result is not null from task.task where name = 'reports.self_test'`},
	{task: "reports.generate_sales_report", args: period, effect: filed("sales", "pdf")},
	{task: "reports.generate_inventory_report", args: business, effect: filed("inventory", "excel")},
	{task: "reports.export_customers_to_csv", args: business, effect: filed("customers", "csv")},
	{task: "reports.export_transactions_to_excel", args: period, effect: filed("transactions", "excel")},
	{task: "reports.export_audit_logs", args: period, effect: filed("audit_logs", "excel")},
	{task: "reports.execute_single_export", before: func(e *everything) {
		e.schedule = text(e.post("export-schedules", map[string]any{
			"name": "Who buys", "kind": "customers", "format": "csv", "frequency": "WEEKLY", "day_of_week": 0, "hour": 3, "recipients": []string{"accountant@example.com"}, "subject": "Our customers",
		}).at("id"))
	}, act: func(e *everything) { e.post("export-schedules/"+e.schedule+"/trigger", nil) },
		check: func(e *everything) {
			require.Len(e.t, e.house.files(e.letter("accountant@example.com", "Our customers")), 1)
		}},
	{task: "reports.check_and_run_scheduled_exports", before: func(e *everything) {
		e.exec(`update reporting.export_schedule set next_run_at = now() - interval '1 hour' where id = $1`, e.schedule)
	}, args: none, effect: `select exists (select from reporting.report where tenant_id = $1 and trigger = 'SCHEDULED')`},
	{task: "reports.retry_failed_exports", args: none, effect: `select exists (select from task.task where name = 'reports.retry_failed_exports' and result is not null)`},
	{task: "reports.send_export_summary_report", before: func(e *everything) {
		a := e.ama.do(http.MethodPut, "/api/v1/export-settings", map[string]any{"notify_on_success": true, "notify_on_failure": true, "default_recipients": []string{"boss@example.com"}, "from_name": "", "reply_to": ""})
		require.Equal(e.t, http.StatusOK, a.Status, a.Text)
		e.exec(`update reporting.report set created_at = created_at - interval '7 days', finished_at = finished_at - interval '7 days' where tenant_id = $1`, e.ama.ID)
	}, args: business, effect: sentTo("export_summary")},
	{task: "webhooks.deliver_event", act: func(e *everything) {
		e.hook = make(chan string, 10)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.hook <- r.Header.Get("Webhook-Id") }))
		e.t.Cleanup(server.Close)
		endpoint := text(e.post("webhook-endpoints", map[string]any{"url": server.URL, "kinds": []string{"sale.completed"}}).at("endpoint", "id"))
		e.post("webhook-endpoints/"+endpoint+"/test", nil)
	}, check: func(e *everything) { require.NotEmpty(e.t, <-e.hook) }},
	{task: "reports.cleanup_old_exports", before: func(e *everything) {
		e.exec(`update reporting.report set expires_at = now() - interval '1 hour' where tenant_id = $1 and kind = 'customers'`, e.ama.ID)
	}, args: none, effect: `select state = 'EXPIRED' from reporting.report where tenant_id = $1 and kind = 'customers'`},

	// What stops the shop comes last.
	{task: "subscriptions.cleanup_expired_subscriptions", before: func(e *everything) {
		standing(`status = 'ACTIVE', period_start = now() - interval '150 days', period_end = now() - interval '30 days'`)(e)
	}, args: none, effect: `select status = 'EXPIRED' from billing.subscription where tenant_id = $1`},
}

// purchased is true when every purchase that was paid is completed.
const purchased = `select exists (select from billing.credit_purchase where tenant_id = $1 and status = 'completed')`

// sentTo is true when the shop was sent a mail of that template.
func sentTo(template string) string {
	return fmt.Sprintf(`select exists (select from notifications.email where tenant_id = $1 and template = '%s')`, template)
}

// noticed is true when the shop was told so in the application.
func noticed(kind string) string {
	return fmt.Sprintf(`select exists (select from notifications.notice where tenant_id = $1 and kind = '%s')`, kind)
}

// standing gives the shop's subscription these values, as time would.
func standing(set string) func(e *everything) {
	return func(e *everything) {
		e.t.Helper()
		e.exec(`update billing.subscription set is_trial = false, cancel_at_period_end = false, `+set+` where tenant_id = $1`, e.ama.ID)
	}
}

// filed is true when there is a report with its file.
func filed(kind, format string) string {
	return fmt.Sprintf(`select exists (select from reporting.report where tenant_id = $1 and kind = '%s' and format = '%s' and state = 'COMPLETED' and file_size > 0)`, kind, format)
}

// period are the arguments of a report on the last week.
func period(e *everything) map[string]any {
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	return map[string]any{"business_id": e.ama.ID, "start_date": day(-7), "end_date": day(-1)}
}

// TestEveryTaskDoesItsWork takes every task of the catalogue, sends it through RabbitMQ to the service that has it, and looks at what it did.
func TestEveryTaskDoesItsWork(t *testing.T) { //nolint:tparallel // one after another: a proof leaves what the next one needs

	t.Parallel()
	e := openEverything(t)
	known := map[string]*contract.Descriptor{}
	for _, d := range catalogue() {
		known[d.Name] = d
	}
	proven := map[string]bool{}
	for _, p := range proofs {
		t.Run(strings.ReplaceAll(p.task, ".", "_"), func(t *testing.T) {
			e := e.in(t)
			d := known[p.task]
			require.NotNil(t, d, "%s is no task", p.task)
			if p.before != nil {
				p.before(e)
			}
			// Which task it is: the one that is enqueued, one more than there were, or any.
			const ended = `select count(*) from task.task where name = $1 and ($2::uuid is null or id = $2) and state = 'succeeded' and published_at is not null`
			var id *contract.ID
			had, mails := 0, 0
			if p.args != nil || p.act != nil {
				mails = len(e.letters(e.ama.Email, p.mail))
			}
			switch {
			case p.args != nil:
				made := e.enqueue(d, p.args(e))
				id = &made
			case p.act != nil:
				had = e.count(ended, p.task, id)
				p.act(e)
			}
			stack.Eventually(t, p.task+" succeeds", func() bool {
				if failed := e.failed(p.task); failed != "" {
					t.Fatalf("%s failed: %s", p.task, failed)
				}
				return e.count(ended, p.task, id) > had
			})
			if p.effect != "" {
				require.True(t, e.holds(p.effect), p.effect)
			}
			if p.check != nil {
				p.check(e)
			}
			require.True(t, p.effect != "" || p.check != nil, "nothing is looked at")
			if p.mail != "" {
				stack.Eventually(t, fmt.Sprintf("a mail with %q arrives", p.mail), func() bool { return len(e.letters(e.ama.Email, p.mail)) > mails })
			}
		})
		proven[p.task] = true
	}
	for name := range known {
		if !proven[name] {
			t.Errorf("nothing proves that %s does its work; give it a line in proofs", name)
		}
	}
}

// storedEvent is the last event that a provider sent.
func storedEvent(e *everything) map[string]any {
	var id string
	require.NoError(e.t, e.look.QueryRow(e.t.Context(), `select id::text from billing.webhook_event order by received_at desc limit 1`).Scan(&id))
	return map[string]any{"event_id": id}
}
