package tasks_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/mail/mailtest"
	"makola/pkg/money"
	"makola/pkg/notifications"
	"makola/pkg/task"
	notificationspb "makola/proto/makola/notifications/v1"
)

// queueReceipt queues a receipt for the shop and returns the mail's id and its task's.
func (w *world) queueReceipt() (mailID, taskID uuid.UUID) {
	w.t.Helper()
	w.inShop(func(ctx context.Context, tx *gorm.DB) (err error) {
		mailID, _, err = notifications.Queue(ctx, tx, w.notify, notifications.Email{
			Key: "purchase-mail:1", To: "ama@example.com",
			Content: notifications.CreditsPurchased{Name: "Ama", Business: "Ama's Provisions", Reference: "AI-1", TotalCredits: 10000, Currency: money.GHS, PaidMinor: 9600},
		})
		return err
	})
	sends := w.Tasks(w.t.Context(), notificationspb.SendEmailTask.Name)
	require.Len(w.t, sends, 1)
	return mailID, sends[0].ID
}

func TestAMailArrivesAsTextAndHTML(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mailID, taskID := w.queueReceipt()

	w.Drain(t.Context())

	mails := w.server.Mails()
	require.Len(t, mails, 1)
	m := mails[0]
	require.Equal(t, "Receipt: 100 AI credits (AI-1)", m.Subject)
	require.Contains(t, m.From, "no-reply@makola.example")
	require.Equal(t, mailID.String()+"@makola.example", m.MessageID)
	require.Contains(t, m.Text, "GHS 96.00")
	require.Contains(t, m.HTML, "GHS 96.00")
	require.JSONEq(t, `{"status": "sent", "message_id": "<`+mailID.String()+`@makola.example>"}`, string(w.View(t.Context(), taskID).Result))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'sent' and sent_at is not null and message_id = $2`,
		mailID, "<"+m.MessageID+">"))
}

func TestASentMailIsNotSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mailID, _ := w.queueReceipt()
	w.Drain(t.Context())
	var again uuid.UUID
	w.inShop(func(ctx context.Context, tx *gorm.DB) (err error) {
		again, err = w.notify.SendEmail(ctx, tx, &notificationspb.SendEmailArgs{EmailId: mailID.String()})
		return err
	})
	w.Drain(t.Context())
	require.Len(t, w.server.Mails(), 1)
	require.JSONEq(t, `{"status": "already_sent", "message_id": "<`+mailID.String()+`@makola.example>"}`, string(w.View(t.Context(), again).Result))
}

func TestAServerThatAsksForPatienceGetsTheSameMailLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.RejectRecipient("ama@example.com", 450, "greylisted, ama@example.com may come back", 1)
	w.server.DropAfterContent(1)
	mailID, taskID := w.queueReceipt()

	w.Drain(t.Context())
	v := w.View(t.Context(), taskID)
	require.Equal(t, "queued", v.Status())
	require.Contains(t, v.Error, "450 greylisted, (recipient) may come back", "the error names no address")
	w.exec(`update notifications.email set data = '{}'`) // the text was stored; what it was made of matters no longer
	w.Advance(t.Context(), time.Hour)
	w.Drain(t.Context())
	require.Equal(t, "queued", w.View(t.Context(), taskID).Status(), "nobody knows whether the server kept it")
	w.Advance(t.Context(), time.Hour)
	w.Drain(t.Context())

	v = w.View(t.Context(), taskID)
	require.Equal(t, "completed", v.Status())
	require.Equal(t, 3, v.Attempts)
	mails := w.server.Mails()
	require.Len(t, mails, 1)
	require.Equal(t, mailID.String()+"@makola.example", mails[0].MessageID)
	require.Contains(t, mails[0].Text, "GHS 96.00")
}

func TestARefusedMailFailsForGoodAndMayBeReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.RejectRecipient("ama@example.com", 550, "no such user ama@example.com", 1)
	mailID, taskID := w.queueReceipt()
	w.Drain(t.Context())

	v := w.View(t.Context(), taskID)
	require.Equal(t, "failed", v.Status())
	require.Equal(t, task.KindPermanent, v.ErrorKind)
	require.Contains(t, v.Error, "550 no such user (recipient)")
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'refused' and error like '%550 no such user%'`, mailID))

	w.inShop(func(ctx context.Context, tx *gorm.DB) error {
		_, err := w.notify.SendEmail(ctx, tx, &notificationspb.SendEmailArgs{EmailId: mailID.String()})
		return err
	})
	w.Drain(t.Context())
	require.Len(t, w.server.Mails(), 1)
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'sent' and error is null`, mailID))
}

func TestAMailServerThatIsAwaySpendsAttempts(t *testing.T) {
	t.Parallel()
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	w := newWorldAt(t, mailtest.New(t), "smtp://"+closed.Addr().String())
	_, taskID := w.queueReceipt()

	w.Drain(t.Context())

	v := w.View(t.Context(), taskID)
	require.Equal(t, "queued", v.Status())
	require.Equal(t, 2, v.Attempts, "the first attempt is spent and the second waits")
	require.Contains(t, v.Error, "connection refused")
	require.NotNil(t, v.NextAttemptAt)
}

func TestMailsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(template, data string) string {
		id := uuid.New()
		w.exec(`insert into notifications.email (id, tenant_id, key, recipient, template, data) values ($1, $2, $3, 'a@example.com', $4, $5)`, id, w.shop, id.String(), template, data)
		return id.String()
	}
	foreign := uuid.New()
	w.exec(`insert into notifications.email (id, tenant_id, key, recipient, template) values ($1, $2, 'k', 'a@example.com', 'welcome')`, foreign, uuid.New())
	tests := map[string]struct{ emailID, status, err string }{
		"unknown":                     {uuid.NewString(), "failed", "mail not found"},
		"another business's":          {foreign.String(), "failed", "mail not found"},
		"no id":                       {"x", "failed", "email_id is not a UUID"},
		"content that does not fit":   {put("welcome", `{"name": 5}`), "failed", "content of template welcome"},
		"a template of a later build": {put("tomorrow", `{}`), "queued", "unknown mail template"},
	}
	ids := map[string]uuid.UUID{}
	w.inShop(func(ctx context.Context, tx *gorm.DB) error {
		for name, tt := range tests {
			id, err := w.notify.SendEmail(ctx, tx, &notificationspb.SendEmailArgs{EmailId: tt.emailID})
			if err != nil {
				return err
			}
			ids[name] = id
		}
		return nil
	})
	w.Drain(t.Context())
	for name, tt := range tests {
		v := w.View(t.Context(), ids[name])
		require.Equal(t, tt.status, v.Status(), name)
		require.Contains(t, v.Error, tt.err, name)
	}
	require.Empty(t, w.server.Mails())
}
