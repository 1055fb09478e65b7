package tasks_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"makola/pkg/mail/mailtest"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	"makola/pkg/task/tasktest"
	"makola/proto/contract"
	accountspb "makola/proto/makola/accounts/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
)

func TestContract(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(receiver.Close)
	shop, owner, mailID, invitation := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	token, shopText := uuid.NewString(), shop.String()
	arrange := func(tenant uuid.UUID, args proto.Message) func(*testing.T, *postgrestest.Database) tasktest.Sample {
		return func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
			t.Helper()
			admin := pg.Admin()
			for _, row := range []struct {
				sql  string
				args []any
			}{
				{`insert into accounts.user (id, email, name, password_hash) values ($1, 'ama@example.com', 'Ama', 'x')`, []any{owner}},
				{`insert into accounts.business (id, owner_id, name, email) values ($1, $2, 'Ama''s Provisions', 'shop@example.com')`, []any{shop, owner}},
				{`insert into accounts.membership (tenant_id, user_id, role) values ($1, $2, 'OWNER')`, []any{shop, owner}},
				{`insert into accounts.invitation (id, tenant_id, email, role, invited_by, expires_at, created_at) values ($1, $2, 'kofi@example.com', 'STAFF', $3, now() + interval '7 days', now())`,
					[]any{invitation, shop, owner}},
				{`insert into accounts.invitation (id, tenant_id, email, role, invited_by, expires_at) values (gen_random_uuid(), $1, 'yaa@example.com', 'STAFF', $2, now() - interval '1 minute')`,
					[]any{shop, owner}},
				{`insert into accounts.user (id, email, name, password_hash, is_active, created_at, updated_at) values (gen_random_uuid(), 'gone@example.com', 'Gone', 'x', false, now() - interval '1 year', now() - interval '91 days')`, nil},
				{`update accounts.business_settings set activity_reports = true`, nil},
				{`insert into audit.entry (id, tenant_id, at, user_id, actor, action, entity) select 'ffffffff-0000-7000-8000-000000000001', $1, date_trunc('week', now()) - interval '3 days', $2, 'ama@example.com', 'LOGIN', 'session'`, []any{shop, owner}},
				{`insert into billing.subscription (tenant_id, status, auto_renew, period_start, period_end) values ($1, 'ACTIVE', true, now() - interval '25 days', now() + interval '5 days')`, []any{shop}},
				{`insert into notifications.email (id, tenant_id, key, recipient, template) values ($1, $2, 'k', 'ama@example.com', 'welcome')`, []any{mailID, shop}},
			} {
				_, err := admin.Exec(t.Context(), row.sql, row.args...)
				require.NoError(t, err)
			}
			return tasktest.Sample{Args: args, Tenant: tenant}
		}
	}
	tasktest.Contract(t, tasktest.Trial{
		Role: "makola_notifier",
		Register: func(db *postgrestest.Database, r contract.Registrar, q *task.Queue) {
			handle(t, r, db.Open("makola_notifier"), q, server.URL())
		},
		Samples: map[string]func(*testing.T, *postgrestest.Database) tasktest.Sample{
			accountspb.SendWelcomeEmailTask.Name:           arrange(shop, &accountspb.SendWelcomeEmailArgs{UserId: owner.String()}),
			accountspb.SendVerificationEmailTask.Name:      arrange(shop, &accountspb.SendVerificationEmailArgs{UserId: owner.String(), TokenId: token}),
			accountspb.SendPasswordResetEmailTask.Name:     arrange(uuid.Nil, &accountspb.SendPasswordResetEmailArgs{Email: "Ama@example.com", TokenId: token}),
			accountspb.SendPasswordChangedEmailTask.Name:   arrange(shop, &accountspb.SendPasswordChangedEmailArgs{UserId: owner.String(), ChangeId: token, Ip: "192.0.2.1"}),
			accountspb.SendInvitationEmailTask.Name:        arrange(shop, &accountspb.SendInvitationEmailArgs{InvitationId: invitation.String(), Number: 1}),
			accountspb.ExpireInvitationsTask.Name:          arrange(uuid.Nil, &accountspb.ExpireInvitationsArgs{}),
			accountspb.CleanupInactiveUsersTask.Name:       arrange(uuid.Nil, &accountspb.CleanupInactiveUsersArgs{}),
			accountspb.CheckSubscriptionRenewalsTask.Name:  arrange(uuid.Nil, &accountspb.CheckSubscriptionRenewalsArgs{}),
			accountspb.GenerateUserActivityReportTask.Name: arrange(shop, &accountspb.GenerateUserActivityReportArgs{BusinessId: &shopText}),
			notificationspb.SendEmailTask.Name:             arrange(shop, &notificationspb.SendEmailArgs{EmailId: mailID.String()}),
			webhookspb.DeliverEventTask.Name: func(t *testing.T, pg *postgrestest.Database) tasktest.Sample {
				t.Helper()
				arrange(shop, nil)(t, pg)
				_, delivery := tell(t, pg, shop, owner, receiver.URL)
				_, err := pg.Admin().Exec(t.Context(), `delete from task.task`) // the trial enqueues it itself
				require.NoError(t, err)
				return tasktest.Sample{Args: &webhookspb.DeliverEventArgs{DeliveryId: delivery.String(), Attempt: 1}, Tenant: shop}
			},
		},
	})
}
