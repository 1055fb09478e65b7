package tasks_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/notifications"
	notificationspb "makola/proto/makola/notifications/v1"
)

// queue queues a mail for the shop and returns the mail's id and its task's.
func (w *world) queue(key string, content notifications.Content) (mailID, taskID uuid.UUID) {
	w.t.Helper()
	before := map[uuid.UUID]bool{}
	for _, v := range w.Tasks(w.t.Context(), notificationspb.SendEmailTask.Name) {
		before[v.ID] = true
	}
	w.inShop(func(ctx context.Context, tx *gorm.DB) (err error) {
		mailID, _, err = notifications.Queue(ctx, tx, w.notify, notifications.Email{Key: key, To: "ama@example.com", Content: content})
		return err
	})
	for _, v := range w.Tasks(w.t.Context(), notificationspb.SendEmailTask.Name) {
		if !before[v.ID] {
			taskID = v.ID
		}
	}
	require.NotEqual(w.t, uuid.Nil, taskID)
	return mailID, taskID
}

func TestAMailThatTheBusinessDoesNotWantIsSuppressed(t *testing.T) {
	t.Parallel()
	for column, off := range map[string]string{"email_notifications": "emailNotifications", "system_updates": "systemUpdates"} {
		t.Run(off, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.exec(`update accounts.business_settings set ` + column + ` = false`)
			alert, alertTask := w.queue("credit-alert:1", notifications.CreditAlert{Name: "Ama", Kind: "depleted"})
			w.queue("reset:1", notifications.PasswordChanged{Name: "Ama"})
			w.queue("purchase-mail:1", notifications.CreditsPurchased{Name: "Ama", Reference: "AI-1", Currency: "GHS"})
			w.Drain(t.Context())

			require.Len(t, w.server.Mails(), 2, "security and payments are told all the same")
			require.JSONEq(t, `{"status": "suppressed", "message_id": ""}`, string(w.View(t.Context(), alertTask).Result))
			require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'suppressed' and error = $2 and sent_at is null`, alert, off+" is off"))

			// It stays so, also when somebody turns the switch on again and replays the task.
			w.exec(`update accounts.business_settings set ` + column + ` = true`)
			var again uuid.UUID
			w.inShop(func(ctx context.Context, tx *gorm.DB) (err error) {
				again, err = w.notify.SendEmail(ctx, tx, &notificationspb.SendEmailArgs{EmailId: alert.String()})
				return err
			})
			w.Drain(t.Context())
			require.JSONEq(t, `{"status": "suppressed", "message_id": ""}`, string(w.View(t.Context(), again).Result))
			require.Len(t, w.server.Mails(), 2)
		})
	}
}

func TestAReportOfActivityGoesOutWhileItsSwitchIsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	summary := notifications.ActivitySummary{Name: "Ama", Business: "Ama's Provisions", From: "2026-03-23", To: "2026-03-29", Actions: 1}
	off, _ := w.queue("activity:1", summary)
	w.Drain(t.Context())
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'suppressed' and error = 'activityReports is off'`, off), "it is off until somebody wants it")
	w.exec(`update accounts.business_settings set activity_reports = true, system_updates = false, sales_updates = false`)
	w.queue("activity:2", summary)
	w.Drain(t.Context())
	require.Len(t, w.server.Mails(), 1)
}

func TestAMailOfASwitchThatIsNotItsOwnIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`update accounts.business_settings set low_stock_alerts = false, sales_updates = false`)
	w.queue("credit-alert:1", notifications.CreditAlert{Name: "Ama", Kind: "depleted"})
	w.Drain(t.Context())
	require.Len(t, w.server.Mails(), 1)
}

func TestAMailThatCanWaitIsSentAfterTheQuietHours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Quiet from three hours ago to three hours from now, wherever in the day that is.
	w.exec(`update accounts.business_settings set quiet_start = (now() at time zone 'Africa/Accra' - interval '3 hours')::time(0), quiet_end = (now() at time zone 'Africa/Accra' + interval '3 hours')::time(0)`)
	mailID, taskID := w.queue("credit-alert:1", notifications.CreditAlert{Name: "Ama", Kind: "depleted"})
	w.queue("purchase-mail:1", notifications.CreditsPurchased{Name: "Ama", Reference: "AI-1", Currency: "GHS"})
	w.Drain(t.Context())

	require.Len(t, w.server.Mails(), 1, "a receipt does not wait")
	v := w.View(t.Context(), taskID)
	require.Equal(t, "queued", v.Status())
	require.Equal(t, 1, v.Attempts, "waiting spends no attempt")
	require.NotNil(t, v.NextAttemptAt)
	require.Equal(t, 1, w.count(`select count(*) from task.task where id = $1 and available_at > now() + interval '1 hour' and available_at < now() + interval '4 hours'`, taskID))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'queued' and rendered_at is null`, mailID), "it will be worded when it is sent")

	w.exec(`update accounts.business_settings set quiet_start = null, quiet_end = null`) // they are over
	w.Advance(t.Context(), 4*time.Hour)
	w.Drain(t.Context())
	require.Len(t, w.server.Mails(), 2)
	require.Equal(t, "completed", w.View(t.Context(), taskID).Status())
}

func TestAMailThatMayBeTurnedOffSaysWhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys, err := notifications.ParseUnsubscribeKeys(linkKey)
	require.NoError(t, err)
	link := "https://api.example.com/unsubscribe/" + keys.Token(w.shop, notifications.SystemUpdates)
	w.queue("credit-alert:1", notifications.CreditAlert{Name: "Ama", Kind: "depleted"})
	w.queue("purchase-mail:1", notifications.CreditsPurchased{Name: "Ama", Reference: "AI-1", Currency: "GHS"})
	w.Drain(t.Context())
	mails := w.server.Mails()
	require.Len(t, mails, 2)
	for _, m := range mails {
		if m.Header.Get("List-Unsubscribe") == "" {
			require.NotContains(t, m.Text, "/unsubscribe/")
			require.Empty(t, m.Header.Get("List-Unsubscribe-Post"))
			require.Contains(t, m.Subject, "Receipt")
			continue
		}
		require.Equal(t, "<"+link+">", m.Header.Get("List-Unsubscribe"))
		require.Equal(t, "List-Unsubscribe=One-Click", m.Header.Get("List-Unsubscribe-Post"))
		require.Contains(t, m.Text, link)
		require.Contains(t, m.HTML, `href="`+link+`"`)
	}
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where body_text like '%/unsubscribe/%'`))
}
