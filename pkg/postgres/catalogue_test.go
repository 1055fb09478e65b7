package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"makola/pkg/postgres/postgrestest"
)

// platformTables belong to no tenant. A new table is either here, with its reason, or behind the wall.
var platformTables = map[string]string{
	"accounts.user":                     "a person exists before, and may outlive, a business",
	"accounts.refresh_token":            "belongs to a person",
	"accounts.permission":               "the same for all",
	"accounts.role":                     "the same for all",
	"accounts.role_permission":          "the same for all",
	"accounts.email_verification_token": "belongs to a person",
	"accounts.password_reset_token":     "belongs to a person",
	"accounts.sign_in_failure":          "counted before anybody is known",
	"accounts.platform_activity":        "counts of everybody's, the platform's own",
	"billing.tax_rate":                  "the law, the same for all",
	"billing.webhook_event":             "the tenant is known only after the reference was matched",
	"billing.webhook_duplicate":         "counts what came again, before anybody knows whose it is",
	"gateway.rate_bucket":               "counts addresses and people, by hash, before anybody knows whose they are",
	"billing.gateway_health":            "how the payment providers fare, the same for all",
	"billing.gateway_probe":             "what the payment providers answered, the same for all",
	"billing.gateway_outage":            "when the payment providers were down, the same for all",
	"billing.feature_price":             "the price list, the same for all",
	"billing.pricing_tier":              "the price list, the same for all",
	"billing.seller":                    "who issues the invoices, the same for all",
	"billing.invoice_series":            "numbers run through the invoices of all",
	"billing.ledger_check":              "the whole ledger's check",
	"assist.platform_month":             "what all businesses together cost in a month",
	"cron.run":                          "the platform's own schedule",
	"cron.job":                          "the platform's own schedule",
	"cron.request":                      "the platform's own schedule",
	"task.worker":                       "processes",
	"task.dead_letter":                  "messages nobody can attribute",
	"task.operator_action":              "what operators did",
	"public.makola_schema_version":      "migrations",
	"public.makola_schema_version_lk":   "migrations",
}

// widePolicies let a role see more than its bound tenants' rows. Each is a hole in the wall and needs its reason.
var widePolicies = map[string]string{
	"task.task/task_scope":                                    "relay, workers and sweeper serve all tenants",
	"task.task/task_platform_insert":                          "a tenant's change may cause a platform task; it cannot be read back",
	"accounts.membership/membership_sign_in":                  "signing in finds a person's business",
	"accounts.membership/membership_welcome":                  "a welcome mail is asked for by user, and names the role",
	"accounts.business/business_active":                       "sweeps list the active businesses, through accounts.v_active_business alone",
	"accounts.invitation/invitation_by_token":                 "whoever holds a token belongs to no business yet",
	"accounts.invitation/invitation_prune":                    "housekeeping deletes what came to nothing long ago, of all businesses",
	"accounts.invitation/invitation_expire":                   "the daily sweep ends the invitations of all businesses",
	"billing.credit_purchase/credit_purchase_match":           "a provider names a reference, not a tenant",
	"billing.ledger_account/ledger_account_platform":          "platform accounts have no tenant",
	"billing.payment_review/payment_review_platform":          "reviews of unknown references have no tenant",
	"billing.ledger_account/ledger_account_check":             "the ledger check reads all tenants",
	"billing.ledger_entry/ledger_entry_check":                 "the ledger check reads all tenants",
	"billing.ledger_transfer/ledger_transfer_check":           "the ledger check reads all tenants",
	"billing.credit_lot/credit_lot_check":                     "the ledger check reads all tenants",
	"billing.payment_review/payment_review_check":             "operators work the review queue",
	"notifications.email/email_platform":                      "mails of the platform have no tenant",
	"gateway.idempotent_request/idempotent_prune":             "housekeeping deletes what is a day old, of all tenants",
	"audit.entry/entry_platform":                              "operators and platform work write everybody's log",
	"billing.credit_hold/credit_hold_sweep":                   "expiry and the ledger check read all tenants",
	"billing.credit_hold_lot/credit_hold_lot_sweep":           "expiry and the ledger check read all tenants",
	"billing.usage_transaction/usage_transaction_sweep":       "retention finds old calls of all tenants",
	"billing.usage_alert/usage_alert_sweep":                   "the alert check reads all tenants",
	"notifications.notice/notice_prune":                       "housekeeping deletes what is 180 days old, of all tenants",
	"billing.subscription/subscription_sweep":                 "periods end for all businesses",
	"billing.subscription/subscription_stats":                 "sums over all businesses, through views that name none",
	"billing.subscription_payment/subscription_payment_stats": "sums over all businesses, through views that name none",
	"billing.invoice/invoice_stats":                           "sums over all businesses, through views that name none",
	"billing.invoice/invoice_sweep":                           "invoices fall due in all businesses",
	"billing.payment_review/payment_review_waiting":           "an event that waits for a person is not forgotten, through billing.v_waiting_event alone",
	"billing.subscription/subscription_remind":                "owners of all businesses are reminded before a period ends",
	"billing.subscription_payment/subscription_payment_match": "a provider names a reference, not a tenant",
	"inventory.product/product_search":                        "the search function asks for the tenant itself",
	"inventory.category/category_search":                      "the functions that look names up ask for the tenant themselves",
	"inventory.supplier/supplier_search":                      "the functions that look names up ask for the tenant themselves",
	"sales.customer/customer_search":                          "the search function asks for the tenant itself",
	"sales.reservation/reservation_sweep":                     "reservations expire in all businesses",
	"sales.sale/sale_sweep":                                   "abandoned carts end in all businesses",
	"reporting.report/report_sweep":                           "files of reports expire in all businesses",
	"reporting.export_schedule/export_schedule_sweep":         "schedules fall due in all businesses",
	"assist.request/request_sweep":                            "questions are given up, and forgotten, in all businesses",
	"imports.import/import_prune":                             "housekeeping deletes what is 180 days old, of all businesses",
	"webhooks.event/event_prune":                              "housekeeping deletes what is 30 days old, of all tenants",
	"webhooks.endpoint/endpoint_prune":                        "housekeeping deletes endpoints that were taken away, of all tenants",
}

// F26: every table, from the catalogue.
func TestEveryTenantTableIsBehindTheWall(t *testing.T) {
	t.Parallel()
	c := postgrestest.New(t).Admin()
	rows, err := c.Query(t.Context(), `select n.nspname || '.' || c.relname, c.relrowsecurity, c.relforcerowsecurity,
		exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema)' order by 1`)
	require.NoError(t, err)
	tables := 0
	for rows.Next() {
		var name string
		var on, forced, hasTenant bool
		require.NoError(t, rows.Scan(&name, &on, &forced, &hasTenant))
		tables++
		if platformTables[name] != "" {
			require.False(t, hasTenant, "%s has a tenant_id and may not be a platform table", name)
			continue
		}
		require.True(t, hasTenant || name == "accounts.business", "%s has no tenant_id and is not listed as a platform table", name)
		require.True(t, on && forced, "%s: row security must be enabled and forced", name)
	}
	require.NoError(t, rows.Err())
	require.Greater(t, tables, 15)

	rows, err = c.Query(t.Context(), `select schemaname || '.' || tablename, policyname, coalesce(qual, ''), coalesce(with_check, ''), cmd from pg_policies`)
	require.NoError(t, err)
	walled := map[string]bool{}
	for rows.Next() {
		var table, policy, using, check, cmd string
		require.NoError(t, rows.Scan(&table, &policy, &using, &check, &cmd))
		if widePolicies[table+"/"+policy] != "" {
			walled[table] = walled[table] || strings.Contains(using, "app.tenants()")
			continue
		}
		require.Contains(t, using, "app.tenants()", "%s/%s opens the table wider than its tenants and is not listed", table, policy)
		require.NotContains(t, using, " OR ", "%s/%s", table, policy)
		require.Equal(t, using, check, "%s/%s: what may be read may be written, and nothing else", table, policy)
		require.Equal(t, "ALL", cmd)
		walled[table] = true
	}
	require.NoError(t, rows.Err())
	rows, err = c.Query(t.Context(), `select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relforcerowsecurity`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, name := range names {
		require.True(t, walled[name], "%s has no tenant policy", name)
	}
}

func TestForeignKeysBetweenTenantTablesNameTheTenant(t *testing.T) {
	t.Parallel()
	c := postgrestest.New(t).Admin()
	rows, err := c.Query(t.Context(), `select conrelid::regclass::text || ' ' || conname, (select array_agg(attname::text) from pg_attribute where attrelid = conrelid and attnum = any(conkey))
		from pg_constraint k where contype = 'f'
		and exists (select from pg_attribute where attrelid = k.conrelid and attname = 'tenant_id')
		and exists (select from pg_attribute where attrelid = k.confrelid and attname = 'tenant_id')
		and confrelid <> 'billing.ledger_account'::regclass`) // an entry may name a platform account
	require.NoError(t, err)
	n := 0
	for rows.Next() {
		var name string
		var columns []string
		require.NoError(t, rows.Scan(&name, &columns))
		require.True(t, slices.Contains(columns, "tenant_id"), "%s must include tenant_id, or it could point at another tenant's row", name)
		n++
	}
	require.NoError(t, rows.Err())
	require.Positive(t, n)
}

func TestRolesCannotDoWhatTheyNeedNot(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	id := uuid.New()
	for _, c := range []struct{ role, sql string }{
		{"makola_webhook", "select count(*) from task.task"},
		{"makola_webhook", "update task.task set state = 'failed'"},
		{"makola_webhook", "select body from billing.webhook_event"},
		{"makola_webhook", "delete from billing.webhook_event"},
		{"makola_webhook", "select count(*) from billing.credit_purchase"},
		{"makola_webhook", "select count(*) from accounts.user"},
		{"makola_gateway", "update billing.ledger_entry set amount = 1"},
		{"makola_gateway", "delete from billing.ledger_entry"},
		{"makola_gateway", "delete from task.task"},
		{"makola_gateway", "update billing.credit_lot set remaining = 1"},
		{"makola_gateway", "insert into cron.run select * from cron.run"},
		{"makola_gateway", "delete from cron.run"},
		{"makola_gateway", "insert into cron.job select * from cron.job"},
		{"makola_gateway", "update cron.job set task = 'x'"},
		{"makola_gateway", "update cron.job set seen_at = now()"},
		{"makola_gateway", "delete from cron.request"},
		{"makola_gateway", "update cron.request set requested_by = 'x'"},
		{"makola_operator", "update cron.job set args = '{}'"},
		{"makola_operator", "delete from cron.job"},
		{"makola_operator", "update cron.run set skipped = 'x'"},
		{"makola_operator", "update cron.request set reason = 'x'"},
		{"makola_cron", "update cron.job set paused_at = null"},
		{"makola_cron", "insert into cron.request select * from cron.request"},
		{"makola_cron", "select count(*) from audit.entry"},
		{"makola_webhook", "select count(*) from cron.job"},
		{"makola_billing", "select count(*) from cron.job"},
		{"makola_notifier", "select count(*) from cron.request"},
		{"makola_gateway", "insert into accounts.role_permission values ('CASHIER', 'can_manage_users')"},
		{"makola_gateway", "update accounts.role set default_for = null"},
		{"makola_gateway", "insert into accounts.password_reset_token (id, user_id, token_hash, expires_at) values (gen_random_uuid(), gen_random_uuid(), '', now())"},
		{"makola_gateway", "delete from accounts.membership"},
		{"makola_gateway", "delete from accounts.invitation"},
		{"makola_notifier", "select token_hash from accounts.password_reset_token"},
		{"makola_notifier", "update accounts.password_reset_token set consumed_at = null"},
		{"makola_notifier", "update accounts.email_verification_token set user_id = id"},
		{"makola_notifier", "update accounts.invitation set role = 'ADMIN'"},
		{"makola_notifier", "insert into accounts.membership (tenant_id, user_id, role) values (gen_random_uuid(), gen_random_uuid(), 'OWNER')"},
		{"makola_billing", "select count(*) from accounts.invitation"},
		{"makola_gateway", "update billing.credit_hold set amount = 1"},
		{"makola_gateway", "update billing.credit_hold set posted_at = now()"},
		{"makola_gateway", "delete from billing.credit_hold"},
		{"makola_gateway", "delete from billing.usage_transaction"},
		{"makola_gateway", "update billing.usage_transaction set credits = 0"},
		{"makola_gateway", "update billing.feature_price set credits = 1"},
		{"makola_gateway", "select count(*) from billing.ledger_check"},
		{"makola_billing", "update billing.credit_hold set amount = 1"},
		{"makola_billing", "update billing.credit_hold_lot set amount = 1"},
		{"makola_billing", "update billing.usage_transaction set credits = 0"},
		{"makola_billing", "insert into billing.credit_hold select * from billing.credit_hold"},
		{"makola_billing", "delete from billing.credit_lot"},
		{"makola_billing", "update billing.feature_price set credits = 1"},
		{"makola_operator", "update billing.credit_lot set remaining = 0"},
		{"makola_operator", "insert into billing.ledger_entry select * from billing.ledger_entry"},
		{"makola_operator", "select count(*) from billing.usage_transaction"},
		{"makola_cron", "select count(*) from billing.credit_hold"},
		{"makola_webhook", "select count(*) from billing.webhook_duplicate"},
		{"makola_billing", "delete from billing.webhook_duplicate"},
		{"makola_billing", "delete from billing.payment_review"},
		{"makola_operator", "update billing.payment_review set resolution = 'approved'"},
		{"makola_operator", "update billing.webhook_event set state = 'received'"},
		{"makola_billing", "update billing.ledger_entry set amount = 1"},
		{"makola_billing", "update billing.ledger_transfer set kind = 'trial'"},
		{"makola_billing", "delete from billing.ledger_transfer"},
		{"makola_billing", "delete from billing.credit_purchase"},
		{"makola_billing", "select password_hash from accounts.user"},
		{"makola_billing", "select token_hash from accounts.refresh_token"},
		{"makola_billing", "delete from task.task"},
		{"makola_gateway", "update billing.pricing_tier set base_minor = 1"},
		{"makola_gateway", "update billing.subscription set period_end = 'infinity'"},
		{"makola_gateway", "update billing.subscription set lifted_at = now()"},
		{"makola_gateway", "delete from billing.subscription"},
		{"makola_gateway", "update billing.subscription_payment set completed_at = now()"},
		{"makola_gateway", "update billing.subscription_payment set amount_expected = 1"},
		{"makola_gateway", "delete from billing.subscription_payment"},
		{"makola_billing", "update billing.subscription_payment set amount_expected = 1"},
		{"makola_billing", "delete from billing.subscription_payment"},
		{"makola_billing", "delete from billing.subscription"},
		{"makola_billing", "update billing.pricing_tier set base_minor = 1"},
		{"makola_billing", "update billing.subscription set auto_renew = true"},
		{"makola_billing", "delete from billing.invoice"},
		{"makola_billing", "update billing.invoice set total_minor = 1"},
		{"makola_billing", "update billing.invoice set number = 'INV-202601-000001'"},
		{"makola_billing", "update billing.seller set name = 'x'"},
		{"makola_billing", "delete from billing.invoice_series"},
		{"makola_billing", "select count(*) from inventory.product"},
		{"makola_billing", "update billing.pricing_tier set max_members = 1"},
		{"makola_billing", "update billing.tax_rate set rate_bp = 0"},
		{"makola_billing", "delete from billing.pricing_tier"},
		{"makola_billing", "delete from billing.tax_rate"},
		{"makola_gateway", "insert into billing.tax_rate values ('X', 'X', 1, 'SUBTOTAL', 1, now(), null)"},
		{"makola_gateway", "update billing.pricing_tier set is_active = false"},
		{"makola_billing", "select count(*) from billing.v_platform_revenue"},
		{"makola_notifier", "select count(*) from billing.v_platform_subscriptions"},
		{"makola_gateway", "insert into billing.invoice select * from billing.invoice"},
		{"makola_gateway", "update billing.invoice set payment_id = null"},
		{"makola_gateway", "select count(*) from billing.invoice_series"},
		{"makola_gateway", "select count(*) from billing.seller"},
		{"makola_operator", "select count(*) from billing.invoice"},
		{"makola_billing", "update billing.webhook_event set body_sha256 = ''"},
		{"makola_operator", "delete from billing.webhook_event"},
		{"makola_gateway", "delete from billing.webhook_event"},
		{"makola_notifier", "update billing.subscription set status = 'ACTIVE'"},
		{"makola_notifier", "select cancel_reason from billing.subscription"},
		{"makola_notifier", "select count(*) from billing.subscription_payment"},
		{"makola_operator", "update billing.subscription set status = 'ACTIVE'"},
		{"makola_operator", "update billing.subscription_payment set status = 'SUCCESSFUL'"},
		{"makola_operator", "select name from accounts.business"},
		{"makola_billing", "update billing.payment_return set amount_minor = 1"},
		{"makola_cron", "select token_hash from accounts.refresh_token"},
		{"makola_cron", "update accounts.refresh_token set revoked_at = null"},
		{"makola_cron", "select user_id from accounts.password_reset_token"},
		{"makola_cron", "insert into accounts.email_verification_token select * from accounts.email_verification_token"},
		{"makola_cron", "select email from accounts.invitation"},
		{"makola_cron", "select token_hash from accounts.invitation"},
		{"makola_cron", "update accounts.invitation set status = 'PENDING'"},
		{"makola_cron", "select count(*) from accounts.membership"},
		{"makola_billing", "delete from billing.payment_return"},
		{"makola_billing", "delete from billing.refund_request"},
		{"makola_gateway", "update billing.credit_purchase set amount_returned = 1"},
		{"makola_gateway", "update billing.subscription_payment set amount_returned = 1"},
		{"makola_gateway", "select count(*) from billing.payment_return"},
		{"makola_webhook", "insert into billing.payment_return select * from billing.payment_return"},
		{"makola_operator", "insert into billing.refund_request select * from billing.refund_request"},
		{"makola_webhook", "select count(*) from billing.subscription_payment"},
		{"makola_cron", "select count(*) from billing.subscription"},
		{"makola_webhook", "select count(*) from billing.gateway_health"},
		{"makola_gateway", "delete from billing.gateway_health"},
		{"makola_operator", "update billing.gateway_health set state = 'CLOSED'"},
		{"makola_cron", "select count(*) from billing.gateway_health"},
		{"makola_billing", "insert into billing.gateway_outage (provider, opened_at) values ('x', now())"},
		{"makola_billing", "update billing.gateway_outage set closed_at = now()"},
		{"makola_billing", "update billing.gateway_probe set result = 'ok'"},
		{"makola_gateway", "insert into billing.gateway_probe select * from billing.gateway_probe"},
		{"makola_gateway", "update billing.gateway_outage set told_down_at = now()"},
		{"makola_operator", "delete from billing.gateway_outage"},
		{"makola_webhook", "select count(*) from billing.gateway_probe"},
		{"makola_notifier", "select count(*) from billing.gateway_outage"},
		{"makola_notifier", "select count(*) from billing.ledger_entry"},
		{"makola_notifier", "update accounts.user set name = ''"},
		{"makola_notifier", "update accounts.user set anonymized_at = now()"},
		{"makola_notifier", "delete from accounts.refresh_token"},
		{"makola_notifier", "select token_hash from accounts.refresh_token"},
		{"makola_notifier", "delete from accounts.storefront_assignment"},
		{"makola_notifier", "update accounts.membership set is_active = false"},
		{"makola_notifier", "update accounts.business set owner_id = id"},
		{"makola_notifier", "update accounts.activity_report set actions = 0"},
		{"makola_notifier", "delete from accounts.platform_activity"},
		{"makola_notifier", "select changes from audit.entry"},
		{"makola_notifier", "select ip from audit.entry"},
		{"makola_gateway", "select accounts.anonymize_untouched('{}')"},
		{"makola_gateway", "insert into accounts.activity_report select * from accounts.activity_report"},
		{"makola_gateway", "select count(*) from accounts.platform_activity"},
		{"makola_gateway", "select count(*) from accounts.v_live_owner"},
		{"makola_operator", "select count(*) from accounts.activity_report"},
		{"makola_cron", "select accounts.anonymize_untouched('{}')"},
		{"makola_notifier", "delete from notifications.email"},
		{"makola_gateway", "select count(*) from notifications.email"},
		{"makola_gateway", "insert into notifications.notice select * from notifications.notice"},
		{"makola_gateway", "update notifications.notice set title = 'x'"},
		{"makola_gateway", "delete from notifications.notice_state"},
		{"makola_billing", "select body from notifications.notice"},
		{"makola_billing", "update notifications.notice set title = 'x'"},
		{"makola_billing", "select count(*) from notifications.notice_state"},
		{"makola_inventory", "select title from notifications.notice"},
		{"makola_inventory", "select data from notifications.email"},
		{"makola_notifier", "delete from notifications.notice"},
		{"makola_cron", "select title from notifications.notice"},
		{"makola_webhook", "select count(*) from notifications.notice"},
		{"makola_gateway", "delete from accounts.business_settings"},
		{"makola_billing", "update accounts.business_settings set sales_tax_bp = 0"},
		{"makola_inventory", "update accounts.business_settings set reorder_level = 0"},
		{"makola_inventory", "select name from accounts.business"},
		{"makola_inventory", "select user_id from accounts.membership"},
		{"makola_reports", "select role from accounts.membership"},
		{"makola_cron", "select count(*) from accounts.business_settings"},
		{"makola_inventory", "select count(*) from billing.credit_purchase"},
		{"makola_inventory", "select count(*) from accounts.user"},
		{"makola_inventory", "select email from accounts.business"},
		{"makola_inventory", "update accounts.v_active_business set timezone = 'UTC'"},
		{"makola_inventory", "update accounts.v_business set is_active = false"},
		{"makola_reports", "select name from accounts.business"},
		{"makola_billing", "delete from accounts.v_active_business"},
		{"makola_notifier", "update accounts.v_business set is_active = false"},
		{"makola_cron", "select count(*) from accounts.v_active_business"},
		{"makola_gateway", "select count(*) from accounts.v_active_business"},
		{"makola_operator", "select count(*) from accounts.v_active_business"},
		{"makola_reports", "insert into billing.tax_rate values ('X', 'X', 1, 'SUBTOTAL', 1, now(), null)"},
		{"makola_gateway", "select inventory.products_by_sku(array['x'])"},
		{"makola_reports", "select inventory.suppliers_by_name(array['x'])"},
		{"makola_inventory", "select inventory.products_after(gen_random_uuid(), 1)"},
		{"makola_cron", "select inventory.categories_by_name(array['x'])"},
		{"makola_cron", "select count(*) from billing.ledger_account"},
		{"makola_cron", "select count(*) from accounts.user"},
		{"makola_cron", "select body from gateway.idempotent_request"},
		{"makola_cron", "update gateway.idempotent_request set status = 200"},
		{"makola_cron", "insert into gateway.rate_bucket (policy, key, tokens) values ('x', 'x', 1)"},
		{"makola_gateway", "delete from gateway.idempotent_request"},
		{"makola_gateway", "delete from gateway.rate_bucket"},
		{"makola_webhook", "select count(*) from gateway.rate_bucket"},
		{"makola_webhook", "select count(*) from gateway.idempotent_request"},
		{"makola_billing", "select count(*) from gateway.idempotent_request"},
		{"makola_operator", "select count(*) from gateway.idempotent_request"},
		{"makola_gateway", "update inventory.stock_level set on_hand = 1"},
		{"makola_gateway", "update inventory.stock_item set on_hand = 1"},
		{"makola_gateway", "update inventory.movement set delta = 1"},
		{"makola_gateway", "delete from inventory.movement"},
		{"makola_gateway", "delete from inventory.product"},
		{"makola_gateway", "delete from inventory.stock_item"},
		{"makola_gateway", "update inventory.stock_item set unit_cost_minor = 0"},
		{"makola_gateway", "update inventory.stock_item set expiry_date = null"},
		{"makola_gateway", "update inventory.stock_adjustment set created_by = decided_by"},
		{"makola_gateway", "delete from inventory.stock_adjustment"},
		{"makola_gateway", "update inventory.transfer set source_id = destination_id"},
		{"makola_gateway", "update inventory.transfer_item set quantity = 1"},
		{"makola_gateway", "alter table inventory.movement disable trigger movement_apply"},
		{"makola_inventory", "update inventory.stock_adjustment set status = 'COMPLETED'"},
		{"makola_inventory", "insert into inventory.transfer select * from inventory.transfer"},
		{"makola_reports", "insert into inventory.movement select * from inventory.movement"},
		{"makola_webhook", "select count(*) from inventory.product"},
		{"makola_gateway", "update sales.customer set outstanding_minor = 0"},
		{"makola_gateway", "update sales.credit_transaction set amount_minor = 1"},
		{"makola_gateway", "update sales.payment set amount_minor = 1"},
		{"makola_gateway", "delete from sales.sale"},
		{"makola_gateway", "update sales.sale set exchange_of = null"},
		{"makola_gateway", "update sales.refund set amount_minor = 0"},
		{"makola_gateway", "update sales.refund_item set amount_minor = 0"},
		{"makola_gateway", "update sales.receivable set original_minor = 1"},
		{"makola_gateway", "delete from sales.receivable_payment"},
		{"makola_gateway", "delete from sales.reservation"},
		{"makola_gateway", "update sales.sale_item set product_id = id"},
		{"makola_inventory", "update inventory.stock_level set on_hand = 1"},
		{"makola_inventory", "delete from inventory.movement"},
		{"makola_inventory", "update sales.sale set paid_minor = 0"},
		{"makola_inventory", "insert into sales.payment select * from sales.payment"},
		{"makola_inventory", "update sales.customer set outstanding_minor = 0"},
		{"makola_billing", "select count(*) from sales.sale"},
		{"makola_billing", "select count(*) from sales.sale_item"},
		{"makola_billing", "select count(*) from sales.receivable"},
		{"makola_billing", "select name from sales.customer"},
		{"makola_billing", "select name from inventory.product"},
		{"makola_billing", "insert into assist.request select * from assist.request"},
		{"makola_billing", "update assist.request set storefronts = null"},
		{"makola_billing", "update assist.request set figures = '{}'"},
		{"makola_billing", "update assist.request set input = '{}'"},
		{"makola_gateway", "update assist.request set answer = '{}'"},
		{"makola_gateway", "delete from assist.request"},
		{"makola_gateway", "update assist.platform_month set spent = 0"},
		{"makola_gateway", "select count(*) from sales.v_takings"},
		{"makola_webhook", "select count(*) from assist.request"},
		{"makola_reports", "select count(*) from assist.request"},
		{"makola_operator", "select count(*) from assist.request"},
		{"makola_cron", "select count(*) from assist.request"},
		{"makola_cron", "select count(*) from inventory.stock_level"},
		{"makola_notifier", "select count(*) from sales.customer"},
		{"makola_reports", "update sales.sale set status = 'CANCELLED'"},
		{"makola_gateway", "update imports.import set status = 'COMPLETED'"},
		{"makola_gateway", "delete from imports.import"},
		{"makola_gateway", "insert into imports.fault select * from imports.fault"},
		{"makola_inventory", "insert into imports.import select * from imports.import"},
		{"makola_inventory", "update imports.import set file_key = 'x'"},
		{"makola_inventory", "select count(*) from imports.fault"},
		{"makola_inventory", "delete from imports.fault"},
		{"makola_reports", "select count(*) from imports.import"},
		{"makola_reports", "update inventory.product set name = 'x'"},
		{"makola_reports", "select email from accounts.user"},
		{"makola_reports", "delete from reporting.report"},
		{"makola_reports", "update reporting.report set storefronts = null"},
		{"makola_reports", "select data from notifications.email"},
		{"makola_reader", "begin read write; update sales.sale set status = 'CANCELLED'"},
		{"makola_reader", "begin read write; insert into inventory.movement select * from inventory.movement"},
		{"makola_reader", "begin read write; delete from sales.customer"},
		{"makola_reader", "select name from accounts.business"},
		{"makola_reader", "select email from accounts.user"},
		{"makola_reader", "select user_id from accounts.membership"},
		{"makola_reader", "select count(*) from reporting.report"},
		{"makola_reader", "select count(*) from task.task"},
		{"makola_reader", "select count(*) from billing.ledger_account"},
		{"makola_reader", "select count(*) from notifications.email"},
		{"makola_reader", "select count(*) from imports.import"},
		{"makola_reader", "begin read write; create table public.x (id int)"},
		{"makola_gateway", "delete from reporting.report"},
		{"makola_gateway", "update reporting.report set storefronts = null"},
		{"makola_gateway", "update reporting.report set created_by = null"},
		{"makola_gateway", "select count(*) from accounts.v_letterhead"},
		{"makola_inventory", "select count(*) from reporting.report"},
		{"makola_notifier", "select count(*) from reporting.report"},
		{"makola_cron", "select count(*) from reporting.report"},
		{"makola_gateway", "delete from reporting.export_schedule"},
		{"makola_gateway", "update reporting.report set schedule_id = null"},
		{"makola_gateway", "update reporting.report set mail_ids = null"},
		{"makola_gateway", "delete from reporting.export_settings"},
		{"makola_gateway", "select recipient from notifications.email"},
		{"makola_gateway", "select body_text from notifications.email"},
		{"makola_gateway", "insert into notifications.email select * from notifications.email"},
		{"makola_reports", "delete from reporting.export_schedule"},
		{"makola_reports", "update reporting.export_schedule set recipients = '{}'"},
		{"makola_reports", "update reporting.export_schedule set is_active = true"},
		{"makola_reports", "insert into reporting.export_schedule select * from reporting.export_schedule"},
		{"makola_reports", "update reporting.export_settings set reply_to = ''"},
		{"makola_reports", "select recipient from notifications.email"},
		{"makola_reports", "select attachment from notifications.email"},
		{"makola_reports", "select count(*) from audit.entry"},
		{"makola_reports", "select count(*) from billing.subscription"},
		{"makola_notifier", "select count(*) from reporting.export_schedule"},
		{"makola_inventory", "select count(*) from reporting.export_schedule"},
		{"makola_billing", "select count(*) from reporting.export_settings"},
		{"makola_cron", "select count(*) from reporting.export_schedule"},
		{"makola_gateway", "delete from webhooks.endpoint"},
		{"makola_gateway", "delete from webhooks.event"},
		{"makola_gateway", "update webhooks.event set body = ''"},
		{"makola_gateway", "update webhooks.delivery set log = '[]'"},
		{"makola_billing", "select secret from webhooks.endpoint"},
		{"makola_billing", "select url from webhooks.endpoint"},
		{"makola_billing", "select body from webhooks.event"},
		{"makola_inventory", "select secret from webhooks.endpoint"},
		{"makola_inventory", "update webhooks.delivery set state = 'FAILED'"},
		{"makola_reports", "select secret from webhooks.endpoint"},
		{"makola_reports", "update webhooks.endpoint set state = 'ACTIVE'"},
		{"makola_notifier", "insert into webhooks.event (tenant_id, id, kind, body) values (gen_random_uuid(), gen_random_uuid(), 'sale.completed', '{}')"},
		{"makola_notifier", "update webhooks.endpoint set url = 'https://example.com'"},
		{"makola_notifier", "update webhooks.endpoint set secret = ''"},
		{"makola_notifier", "delete from webhooks.delivery"},
		{"makola_webhook", "select count(*) from webhooks.endpoint"},
		{"makola_operator", "select secret from webhooks.endpoint"},
		{"makola_cron", "select url from webhooks.endpoint"},
		{"makola_cron", "select body from webhooks.event"},
		{"makola_operator", "update billing.ledger_account set balance = 1"},
		{"makola_operator", "delete from audit.entry"},
		{"makola_gateway", "update audit.entry set actor = 'x'"},
		{"makola_billing", "select count(*) from audit.entry"},
		{"makola_operator", "select count(*) from accounts.user"},
		{"makola_gateway", "create table public.x (id int)"},
		{"makola_billing", "create schema x"},
		{"makola_billing", "set role makola_owner"},
		{"makola_billing", "alter table task.task disable row level security"},
		{"makola_cron", "insert into public.makola_schema_version (version_id, is_applied) values (99, true)"},
	} {
		t.Run(c.role+" "+strings.Fields(c.sql)[0]+" "+id.String()[:4], func(t *testing.T) {
			t.Parallel()
			conn, err := pgx.Connect(t.Context(), pg.URL(c.role))
			require.NoError(t, err)
			defer conn.Close(t.Context())
			_, err = conn.Exec(t.Context(), c.sql)
			require.ErrorContains(t, err, "42501", "%s must not be able to: %s", c.role, c.sql) // insufficient_privilege
		})
	}
}

// Whatever it may be granted one day: what it begins is read only, and it holds nobody up for ever.
func TestTheReaderReadsAndGivesUp(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), postgrestest.New(t).URL("makola_reader"))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "delete from sales.sale")
	require.ErrorContains(t, err, "25006") // read_only_sql_transaction
	for name, want := range map[string]string{"statement_timeout": "20min", "lock_timeout": "30s", "idle_in_transaction_session_timeout": "5min"} {
		var got string
		require.NoError(t, conn.QueryRow(t.Context(), "show "+name).Scan(&got))
		require.Equal(t, want, got, name)
	}
}

func TestASearchByPartOfAWordUsesItsIndexAndStaysBehindTheWall(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	admin := d.Admin()
	_, err := admin.Exec(t.Context(), `
		insert into accounts.user (id, email, name, password_hash) select md5('u' || i)::uuid, 'u' || i || '@example.com', 'U', '' from generate_series(1, 2) i;
		insert into accounts.business (id, owner_id, name, email) select md5('b' || i)::uuid, md5('u' || i)::uuid, 'B' || i, 'b@example.com' from generate_series(1, 2) i;
		insert into inventory.product (id, tenant_id, name, sku) select gen_random_uuid(), md5('b' || (1 + i % 2))::uuid, 'Product ' || md5(i::text), 'SKU-' || i from generate_series(1, 20000) i;
		analyze inventory.product`)
	require.NoError(t, err)
	gateway, err := pgx.Connect(t.Context(), d.URL("makola_gateway"))
	require.NoError(t, err)
	defer gateway.Close(t.Context())
	tx, err := gateway.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `select set_config('app.tenants', array[md5('b1')::uuid]::text, true)`)
	require.NoError(t, err)
	var found int
	require.NoError(t, tx.QueryRow(t.Context(), `select count(*) from inventory.matching_products('%sku-1234%')`).Scan(&found))
	var mine int
	require.NoError(t, admin.QueryRow(t.Context(), `select count(*) from inventory.product where tenant_id = md5('b1')::uuid and search like '%sku-1234%'`).Scan(&mine))
	require.Equal(t, mine, found)
	require.NoError(t, tx.QueryRow(t.Context(), `select count(*) from inventory.products_after((select id from inventory.product order by lower(name), id limit 1), 20000)`).Scan(&found))
	require.Equal(t, 9_999, found, "its own, but for the first")
	require.NoError(t, tx.Rollback(t.Context()))
	worker, err := pgx.Connect(t.Context(), d.URL("makola_inventory"))
	require.NoError(t, err)
	defer worker.Close(t.Context())
	_, err = worker.Exec(t.Context(), `select set_config('app.tenants', array[md5('b1')::uuid]::text, false)`)
	require.NoError(t, err)
	require.NoError(t, worker.QueryRow(t.Context(), `select count(id) from inventory.products_by_sku(array['sku-2', 'SKU-3', 'Sku-4', 'sku-x'])`).Scan(&found))
	require.Equal(t, 2, found, "SKU-3 is the other business's")

	_, err = admin.Exec(t.Context(), `set role makola_search; set enable_seqscan = off`)
	require.NoError(t, err)
	rows, err := admin.Query(t.Context(), `explain select p.id from inventory.product p where p.search like '%sku-1234%'`)
	require.NoError(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, strings.Join(plan, "\n"), "product_search")
}

func TestAMovementIsTheOneWayToChangeWhatIsOnHand(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	admin := d.Admin()
	_, err := admin.Exec(t.Context(), `
		insert into accounts.user (id, email, name, password_hash) values (md5('u')::uuid, 'u@example.com', 'U', '');
		insert into accounts.business (id, owner_id, name, email) values (md5('b')::uuid, md5('u')::uuid, 'B', 'b@example.com');
		insert into inventory.location (id, tenant_id, kind, name, code) values (md5('l')::uuid, md5('b')::uuid, 'STOREFRONT', 'Main', 'MAIN');
		insert into inventory.product (id, tenant_id, name, sku) values (md5('p')::uuid, md5('b')::uuid, 'Rice', 'R1');
		insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) values (md5('s')::uuid, md5('b')::uuid, '2026-01-01', md5('u')::uuid);
		insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, quantity_received, currency, unit_cost_minor, retail_price_minor)
		values (md5('i')::uuid, md5('b')::uuid, md5('s')::uuid, md5('l')::uuid, md5('p')::uuid, 5, 'GHS', 100, 150)`)
	require.NoError(t, err)
	gateway, err := pgx.Connect(t.Context(), d.URL("makola_gateway"))
	require.NoError(t, err)
	defer gateway.Close(t.Context())
	_, err = gateway.Exec(t.Context(), `select set_config('app.tenants', array[md5('b')::uuid]::text, false)`)
	require.NoError(t, err)
	move := `insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id)
		select gen_random_uuid(), md5('b')::uuid, md5('p')::uuid, md5('l')::uuid, md5('i')::uuid, d, k, 'test', gen_random_uuid() from unnest($1::bigint[], $2::text[]) x(d, k)`
	_, err = gateway.Exec(t.Context(), move, []int64{5, -1, -1}, []string{"INTAKE", "SALE", "SALE"})
	require.NoError(t, err)
	stock := func() (item, level int64) {
		require.NoError(t, gateway.QueryRow(t.Context(), `select i.on_hand, l.on_hand from inventory.stock_item i join inventory.stock_level l using (tenant_id, location_id, product_id)`).Scan(&item, &level))
		return item, level
	}
	item, level := stock()
	require.Equal(t, []int64{3, 3}, []int64{item, level})
	_, err = gateway.Exec(t.Context(), move, []int64{-4}, []string{"SALE"})
	require.ErrorContains(t, err, "on_hand_check")
	_, err = gateway.Exec(t.Context(), `update inventory.stock_item set quantity_received = 9`)
	require.ErrorContains(t, err, "frozen")
	item, level = stock()
	require.Equal(t, []int64{3, 3}, []int64{item, level})
}
