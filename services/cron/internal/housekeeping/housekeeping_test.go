package housekeeping

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/service"
)

func TestTurnDeletesWhatIsOldAndKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	look := pg.Admin()
	for _, q := range []string{
		// Tasks: 2,500 old ended ones in three batches; young, failed and unfinished ones stay.
		`insert into task.task (id, name, queue, state, finished_at) select gen_random_uuid(), 'old', 'sales', (array['succeeded','cancelled'])[1 + i % 2], now() - interval '31 days' from generate_series(1, 2500) i`,
		`insert into task.task (id, name, queue, state, finished_at) select gen_random_uuid(), 'kept', 'sales', s, now() - a from (values ('succeeded', interval '29 days'), ('failed', '400 days')) v(s, a)`,
		`insert into task.task (id, name, queue, state, created_at) select gen_random_uuid(), 'kept', 'sales', s, now() - interval '400 days' from unnest(array['pending','published','running']) s`,
		// Workers: stopped long ago, crashed long ago; alive, and stopped lately.
		`insert into task.worker (id, service, host, pid, heartbeat_at, stopped_at) values (gen_random_uuid(), 'old', 'h', 1, now() - interval '8 days', now() - interval '8 days'), (gen_random_uuid(), 'old', 'h', 1, now() - interval '8 days', null)`,
		`insert into task.worker (id, service, host, pid, heartbeat_at, stopped_at) values (gen_random_uuid(), 'kept', 'h', 1, now() - interval '8 days', now() - interval '1 day'), (gen_random_uuid(), 'kept', 'h', 1, now(), null)`,
		// Runs: of one job all old ones but the newest slot and the newest run; of another only young ones.
		`insert into cron.run (job, slot, task_id) select 'daily', now() - i * interval '1 day', gen_random_uuid() from generate_series(101, 120) i`,
		`insert into cron.run (job, slot, skipped) select 'daily', now() - i * interval '1 day', 'overlap' from generate_series(98, 100) i`,
		`insert into cron.run (job, slot, task_id) select 'young', now() - i * interval '1 day', gen_random_uuid() from generate_series(1, 5) i`,
		// Runs that people asked for: of one job all old ones but the newest.
		`insert into cron.request (task_id, job, key, requested_by, reason, requested_at) select gen_random_uuid(), 'daily', i::text, 'x', 'x', now() - i * interval '1 day' from generate_series(91, 95) i`,
		// What the gateway remembers: 1,500 keys of yesterday's morning in two batches and one of today, a quiet bucket and a busy one.
		`insert into gateway.idempotent_request (tenant_id, user_id, operation, key, request_hash, holder, held_until, created_at)
			select gen_random_uuid(), gen_random_uuid(), 'X', 'k', 'x', gen_random_uuid(), now(), now() - a from (select interval '26 hours' from generate_series(1, 1500) union all select interval '24 hours') v(a)`,
		`insert into gateway.rate_bucket (policy, key, tokens, at) values ('sign-in', 'quiet', 1, now() - interval '11 minutes'), ('sign-in', 'busy', 1, now())`,
		// Notices: 2,100 of more than half a year ago in three batches, one of them read, and two younger ones.
		`insert into notifications.notice (tenant_id, id, kind, priority, title, dedupe_key, created_at)
			select '00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'STOCK_LOW', 'LOW', 't', i::text, now() - case when i <= 2100 then interval '181 days' else interval '179 days' end from generate_series(1, 2102) i`,
		`insert into notifications.notice_state select tenant_id, id, gen_random_uuid(), now(), null from notifications.notice where dedupe_key in ('1', '2101')`,
		// Mails: 1,100 that went out more than half a year ago in two batches; an older one that still waits, and a younger one.
		`insert into notifications.email (id, tenant_id, key, recipient, template, state)
			select (lpad(to_hex((extract(epoch from now() - a) * 1000)::bigint), 12, '0') || '7000' || '8000' || lpad(to_hex(i), 12, '0'))::uuid, '00000000-0000-7000-8000-000000000001', i::text, 'ama@example.com', 'welcome', s
			  from (select i, interval '181 days', case i % 2 when 0 then 'sent' else 'refused' end from generate_series(1, 1100) i
			        union all values (1101, interval '200 days', 'queued'), (1102, interval '179 days', 'sent')) v(i, a, s)`,
		// Tokens: 1,200 mailed ones that ended long ago in two batches, and two that ended lately; a session whose last token is good keeps its old ones, one that is over does not.
		`insert into accounts.user (id, email, name, password_hash) values ('0190a000-0000-7000-8000-000000000001', 'ama@example.com', 'Ama', 'x')`,
		`insert into accounts.password_reset_token (id, user_id, token_hash, expires_at)
			select gen_random_uuid(), '0190a000-0000-7000-8000-000000000001', convert_to('p' || i, 'utf8'), now() - interval '8 days' from generate_series(1, 1200) i`,
		`insert into accounts.password_reset_token (id, user_id, token_hash, expires_at) values (gen_random_uuid(), '0190a000-0000-7000-8000-000000000001', 'late', now() - interval '6 days')`,
		`insert into accounts.email_verification_token (id, user_id, token_hash, expires_at) values (gen_random_uuid(), '0190a000-0000-7000-8000-000000000001', 'old', now() - interval '8 days'),
			(gen_random_uuid(), '0190a000-0000-7000-8000-000000000001', 'late', now() - interval '6 days')`,
		`insert into accounts.refresh_token (id, family_id, user_id, token_hash, expires_at, rotated_at, revoked_at)
			select gen_random_uuid(), f::uuid, '0190a000-0000-7000-8000-000000000001', convert_to(h, 'utf8'), now() + e, r, v
			  from (values ('00000000-0000-0000-0000-00000000000a', 'used', interval '-40 days', now(), null::timestamptz), ('00000000-0000-0000-0000-00000000000a', 'good', interval '1 day', null, null),
			               ('00000000-0000-0000-0000-00000000000b', 'over', interval '-8 days', now(), null), ('00000000-0000-0000-0000-00000000000b', 'last', interval '-8 days', null, null),
			               ('00000000-0000-0000-0000-00000000000c', 'ended', interval '-40 days', now(), now()), ('00000000-0000-0000-0000-00000000000c', 'revoked', interval '1 day', null, now())) v(f, h, e, r, v)`,
		// Invitations: 1,100 that came to nothing more than 90 days ago in two batches, expired and revoked ones; what came to nothing lately, was accepted, or waits, stays.
		`insert into accounts.business (id, owner_id, name, email) values ('00000000-0000-7000-8000-000000000001', '0190a000-0000-7000-8000-000000000001', 'Shop', 'shop@example.com')`,
		`insert into accounts.invitation (id, tenant_id, email, role, status, invited_by, expires_at, ended_at)
			select gen_random_uuid(), '00000000-0000-7000-8000-000000000001', 'old' || i || '@example.com', 'STAFF', (array['EXPIRED','REVOKED'])[1 + i % 2], '0190a000-0000-7000-8000-000000000001',
			       now() - interval '97 days', now() - interval '91 days' from generate_series(1, 1100) i`,
		`insert into accounts.invitation (id, tenant_id, email, role, status, invited_by, expires_at, ended_at)
			select gen_random_uuid(), '00000000-0000-7000-8000-000000000001', s || '@example.com', 'STAFF', s, '0190a000-0000-7000-8000-000000000001', now() - interval '400 days', now() - a
			  from (values ('EXPIRED', interval '89 days'), ('REVOKED', '89 days'), ('ACCEPTED', '400 days'), ('PENDING', null)) v(s, a)`,
		// Events of webhooks: 1,200 of more than 34 days ago in two batches, with their deliveries, and a younger one; an endpoint that was taken away long ago.
		`insert into webhooks.endpoint (tenant_id, id, url, kinds, secret, created_by, state, disabled_at)
			select '00000000-0000-7000-8000-000000000001', gen_random_uuid(), s, '{sale.completed}', '', gen_random_uuid(), s, a from (values ('ACTIVE', null), ('DELETED', now() - interval '39 days'), ('DELETED', now())) v(s, a)`,
		`insert into webhooks.event (tenant_id, id, kind, body, created_at)
			select '00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'sale.completed', '{}', now() - case when i <= 1200 then interval '35 days' else interval '33 days' end from generate_series(1, 1201) i`,
		`insert into webhooks.delivery (tenant_id, id, event_id, endpoint_id, kind)
			select v.tenant_id, gen_random_uuid(), v.id, e.id, v.kind from webhooks.event v join webhooks.endpoint e on e.tenant_id = v.tenant_id and e.state = 'ACTIVE'`,
	} {
		_, err := look.Exec(t.Context(), q)
		require.NoError(t, err)
	}
	cfg := Config{Tasks: 720 * time.Hour, Workers: 168 * time.Hour, Runs: 2160 * time.Hour, Every: time.Minute}
	h := New(pg.Open("makola_cron"), cfg)
	deleted, err := h.Turn(t.Context())
	require.NoError(t, err)
	require.Equal(t, Deleted{Tasks: 2500, Workers: 2, Runs: 21 + 4, Requests: 1500, Buckets: 1, Notices: 2100, Emails: 1100, Tokens: 1200 + 1 + 3, Invitations: 1100, Webhooks: 1200}, deleted)
	count := func(q string) (n int) {
		require.NoError(t, look.QueryRow(t.Context(), q).Scan(&n))
		return n
	}
	require.Equal(t, 5, count(`select count(*) from task.task where name = 'kept'`))
	require.Equal(t, 2, count(`select count(*) from task.worker where service = 'kept'`))
	require.Equal(t, 2, count(`select count(*) from cron.run where job = 'daily'`))
	require.Equal(t, 5, count(`select count(*) from cron.run where job = 'young'`))
	require.Equal(t, 1, count(`select count(*) from cron.request where key = '91'`))
	require.Equal(t, 1, count(`select count(*) from gateway.idempotent_request`))
	require.Equal(t, 1, count(`select count(*) from gateway.rate_bucket where key = 'busy'`))
	require.Equal(t, 2, count(`select count(*) from notifications.notice`))
	require.Equal(t, 1, count(`select count(*) from notifications.notice_state`))
	require.Equal(t, 2, count(`select count(*) from notifications.email where key in ('1101', '1102')`))
	require.Equal(t, 1, count(`select count(*) from accounts.password_reset_token`))
	require.Equal(t, 1, count(`select count(*) from accounts.email_verification_token`))
	require.Equal(t, 3, count(`select count(*) from accounts.refresh_token where token_hash in ('used', 'good', 'revoked')`))
	require.Equal(t, 3, count(`select count(*) from accounts.refresh_token`))
	require.Equal(t, 4, count(`select count(*) from accounts.invitation where email not like 'old%'`))
	require.Equal(t, 4, count(`select count(*) from accounts.invitation`))
	require.Equal(t, 1, count(`select count(*) from webhooks.event`))
	require.Equal(t, 1, count(`select count(*) from webhooks.delivery`))
	require.Equal(t, 2, count(`select count(*) from webhooks.endpoint`))
	again, err := h.Turn(t.Context())
	require.NoError(t, err)
	require.Equal(t, Deleted{}, again)
}

// What is looked for every ten minutes and is hardly ever there must not cost a reading of the whole table.
func TestOldRowsAreFoundByIndex(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	look := pg.Admin()
	for _, q := range []string{
		`insert into accounts.user (id, email, name, password_hash) values ('0190a000-0000-7000-8000-000000000001', 'ama@example.com', 'Ama', 'x')`,
		`insert into accounts.business (id, owner_id, name, email) values ('00000000-0000-7000-8000-000000000001', '0190a000-0000-7000-8000-000000000001', 'Shop', 'shop@example.com')`,
		`insert into accounts.invitation (id, tenant_id, email, role, status, invited_by, expires_at, ended_at)
			select gen_random_uuid(), '00000000-0000-7000-8000-000000000001', i || '@example.com', 'STAFF', 'EXPIRED', '0190a000-0000-7000-8000-000000000001', now(), now() - i * interval '1 second' from generate_series(1, 20000) i`,
		`insert into gateway.idempotent_request (tenant_id, user_id, operation, key, request_hash, holder, held_until, created_at)
			select gen_random_uuid(), gen_random_uuid(), 'X', 'k', 'x', gen_random_uuid(), now(), now() - i * interval '1 second' from generate_series(1, 20000) i`,
		`insert into gateway.rate_bucket (policy, key, tokens, at) select 'address', convert_to(i::text, 'utf8'), 1, now() - i * interval '1 millisecond' from generate_series(1, 20000) i`,
		`analyze accounts.invitation, gateway.idempotent_request, gateway.rate_bucket`,
	} {
		_, err := look.Exec(t.Context(), q)
		require.NoError(t, err)
	}
	db := pg.Open("makola_cron")
	for index, statement := range map[string]string{"invitation_ended": invitationsSQL, "idempotent_request_created": requestsSQL, "rate_bucket_at": bucketsSQL} {
		var plan []string
		require.NoError(t, db.InSystem(t.Context(), func(tx *gorm.DB) error {
			return postgres.Query(tx, func(rows pgx.Rows) (err error) {
				plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
				return err
			}, "explain "+strings.Replace(statement, "limit $2", "limit 1000", 1), time.Now().Add(-keepInvitations))
		}))
		whole := strings.Join(plan, "\n")
		t.Log("\n" + whole)
		require.Contains(t, whole, index)
		require.NotContains(t, whole, "Seq Scan")
	}
}

func TestHousekeeperStartsAndStops(t *testing.T) {
	t.Parallel()
	h := New(postgrestest.New(t).Open("makola_cron"), Config{Tasks: time.Hour, Workers: time.Hour, Runs: time.Hour, Every: time.Second})
	require.NoError(t, h.Start(t.Context()))
	require.NoError(t, h.Stop(t.Context()))
}

func TestConfigListsItsFaults(t *testing.T) {
	t.Parallel()
	var cfg Config
	require.NoError(t, service.Load(&cfg, nil))
	require.Equal(t, 720*time.Hour, cfg.Tasks)
	err := service.Load(&cfg, []string{"KEEP_TASKS=1m", "KEEP_RUNS=0s", "HOUSEKEEPING_EVERY=1ms"})
	for _, v := range []string{"KEEP_TASKS", "KEEP_RUNS", "HOUSEKEEPING_EVERY"} {
		require.ErrorContains(t, err, v)
	}
}
