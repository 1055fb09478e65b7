package postgres_test

import (
	"slices"
	"strings"
	"testing"

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
	"billing.service_charge":            "the price list, the same for all",
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
	"notifications.email/email_prune":                         "housekeeping deletes what is 180 days old, of all tenants",
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
