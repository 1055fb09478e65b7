package tasks_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task/tasktest"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

func TestOnlyACompletedPurchaseGetsAReceipt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.buy(t)
	var id contract.ID
	require.NoError(t, s.worker.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		id, err = aifeatures.NewTasks(s.h.Queue).SendCreditPurchaseNotification(t.Context(), tx, &aifeatures.SendCreditPurchaseNotificationArgs{PurchaseId: p.ID.String()})
		return err
	}))
	s.h.Drain(t.Context())
	require.Contains(t, s.result(t, id), `"skipped"`)
	require.Empty(t, s.h.Tasks(t.Context(), "notifications.send_email"))
}

func TestABatchOfReceiptsIsOneMailEach(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	s := &shop{gateway: pg.Open("makola_gateway"), webhook: pg.Open("makola_webhook"), worker: pg.Open("makola_billing"), provider: &provider{}, admin: pg.Admin()}
	s.h = tasktest.New(t, s.worker)
	register(s.h, s.worker, s.h.Queue, s.provider)

	const shops, purchasesEach = 5, 20
	var bought []*billing.Purchase
	for range shops {
		s.tenant, s.owner = openShop(t, pg)
		for range purchasesEach {
			bought = append(bought, s.buy(t))
		}
	}
	s.tenant, s.owner = openShop(t, pg)
	unmailable := s.buy(t)
	s.exec(t, "update accounts.user set email = 'Ama, the owner' where id = $1", s.owner)
	s.exec(t, "update billing.credit_purchase set status = 'completed', completed_at = now()")

	// Every second task names no business, as those of an old publisher.
	all := func() (ids []contract.ID) {
		for i, p := range bought {
			of := p.Tenant
			if i%2 == 0 {
				of = uuid.Nil
			}
			ids = append(ids, s.notify(t, of, p.ID.String()))
		}
		return ids
	}
	first := all()
	bad := map[string]contract.ID{
		"no id":                      s.notify(t, uuid.Nil, "1"),
		"an unknown purchase":        s.notify(t, uuid.Nil, uuid.NewString()),
		"another's purchase":         s.notify(t, bought[0].Tenant, bought[len(bought)-1].ID.String()),
		"a recipient without a mail": s.notify(t, unmailable.Tenant, unmailable.ID.String()),
	}
	require.Equal(t, len(first)+len(bad), s.h.Drain(t.Context()))
	for _, id := range first {
		require.Contains(t, s.result(t, id), `"queued"`)
	}
	for name, id := range bad {
		require.Equal(t, "failed", s.h.View(t.Context(), id).Status(), name)
	}
	again := all()
	s.h.Drain(t.Context())
	for i, id := range again {
		require.JSONEq(t, s.result(t, id), `{"status":"already_queued","email_id":"`+s.mailOf(t, bought[i])+`"}`)
	}
	var mails, sends, batches int
	require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*), count(t.id), count(distinct e.created_at)
		  from notifications.email e
		  join billing.credit_purchase p on p.tenant_id = e.tenant_id and e.key = 'purchase-mail:' || p.id and e.data ->> 'reference' = p.reference
		  join accounts.user u on u.id = p.user_id and u.email = e.recipient
		  join accounts.business b on b.id = p.tenant_id and b.name = e.data ->> 'business'
		  left join task.task t on t.name = 'notifications.send_email' and t.args ->> 'email_id' = e.id::text and t.tenant_id = e.tenant_id`).Scan(&mails, &sends, &batches))
	require.Equal(t, len(bought), mails)
	require.Equal(t, len(bought), sends, "each mail has one task, of its own business")
	require.Equal(t, 1, batches, "one transaction stored them all")
	var notices int
	require.NoError(t, s.admin.QueryRow(t.Context(), `select count(*) from notifications.notice n join billing.credit_purchase p on p.tenant_id = n.tenant_id and n.dedupe_key = 'purchase:' || p.id
		and n.data ->> 'reference' = p.reference where n.kind = 'CREDITS_PURCHASED'`).Scan(&notices))
	require.Equal(t, len(bought)+1, notices, "one each, also for who has no usable address")
}

// notify asks for the receipt of a purchase on behalf of a business, or of nobody.
func (s *shop) notify(t *testing.T, of uuid.UUID, purchase string) (id contract.ID) {
	t.Helper()
	enqueue := func(tx *gorm.DB) (err error) {
		ctx := tx.Statement.Context
		id, err = aifeatures.NewTasks(s.h.Queue).SendCreditPurchaseNotification(ctx, tx, &aifeatures.SendCreditPurchaseNotificationArgs{PurchaseId: purchase})
		return err
	}
	if of == uuid.Nil {
		require.NoError(t, s.worker.InSystem(t.Context(), enqueue))
	} else {
		require.NoError(t, s.worker.InTenant(tenant.With(t.Context(), of), enqueue))
	}
	return id
}

// mailOf finds the receipt of a purchase.
func (s *shop) mailOf(t *testing.T, p *billing.Purchase) (id string) {
	t.Helper()
	require.NoError(t, s.admin.QueryRow(t.Context(), "select id::text from notifications.email where key = 'purchase-mail:' || $1::text", p.ID.String()).Scan(&id))
	return id
}

func (s *shop) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := s.admin.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
}

// notices lists what the shop's people are told, oldest first.
func (s *shop) notices(t *testing.T) (list []string) {
	t.Helper()
	rows, err := s.admin.Query(t.Context(), "select concat_ws(' ', kind, priority, permission, title) from notifications.notice where tenant_id = $1 order by id", s.tenant)
	require.NoError(t, err)
	list, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}
