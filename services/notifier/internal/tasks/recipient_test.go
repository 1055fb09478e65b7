package tasks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/notifications"
)

func TestARecipientThatBouncesGetsNoMoreExports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.RejectRecipient("accountant@example.com", 550, "5.7.1 message refused by policy", 1)
	w.keep("reports/a", "a,b\r\n")
	w.queueExport("reports/a", 5)
	w.Drain(t.Context())
	require.Zero(t, w.count(`select count(*) from notifications.blocked_recipient`), "that was about us")

	w.server.RejectRecipient("accountant@example.com", 550, "5.1.1 no such user accountant@example.com", 1)
	w.keep("reports/b", "a,b\r\n")
	first, _ := w.queueExport("reports/b", 5)
	w.Drain(t.Context())
	w.keep("reports/c", "a,b\r\n")
	second, secondTask := w.queueExport("reports/c", 5)
	w.Drain(t.Context())
	require.Empty(t, w.server.Mails())
	const said = "550 5.1.1 no such user accountant@example.com"
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'refused' and error = $2`, first, said))
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'suppressed' and error = 'Not sent: the recipient''s mail server refused an earlier mail. It said: ' || $2`, second, said))
	require.JSONEq(t, `{"status": "suppressed", "message_id": ""}`, string(w.View(t.Context(), secondTask).Result))

	mail, _ := w.queue("report:1", notifications.ReportReady{Name: "Ama", Title: "Sales Report", Timezone: "UTC"})
	w.exec(`update notifications.email set recipient = 'accountant@example.com' where id = $1`, mail)
	w.Drain(t.Context())
	require.Len(t, w.server.To("accountant@example.com"), 1, "what somebody has asked for is tried still")
}

func TestWhoeverAnExportGoesToCanStopIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys, err := notifications.ParseUnsubscribeKeys(linkKey)
	require.NoError(t, err)
	w.keep("reports/a", "a,b\r\n")
	w.queueExport("reports/a", 5)
	w.Drain(t.Context())
	mails := w.server.To("accountant@example.com")
	require.Len(t, mails, 1)
	link := "https://api.example.com/unsubscribe/" + keys.RecipientToken(w.shop, "accountant@example.com")
	require.Equal(t, "<"+link+">", mails[0].Header.Get("List-Unsubscribe"))
	require.Contains(t, mails[0].Text, "Stop these mails to me:\n"+link)
	require.Contains(t, mails[0].HTML, "Stop these mails to me")

	w.exec(`insert into notifications.blocked_recipient (tenant_id, address, reason) values ($1, 'accountant@example.com', 'STOPPED')`, w.shop)
	w.keep("reports/b", "a,b\r\n")
	second, _ := w.queueExport("reports/b", 5)
	w.Drain(t.Context())
	require.Len(t, w.server.Mails(), 1)
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'suppressed' and error = 'The recipient wants no more of these mails.'`, second))
}
