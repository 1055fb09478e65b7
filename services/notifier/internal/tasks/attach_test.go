package tasks_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/reporting"
	notificationspb "makola/proto/makola/notifications/v1"
)

// queueExport queues a mail with a file, as reports-worker does, and returns the mail's id and its task's.
func (w *world) queueExport(key string, size int64) (mailID, taskID uuid.UUID) {
	w.t.Helper()
	w.inShop(func(ctx context.Context, tx *gorm.DB) (err error) {
		mailID, _, err = notifications.Queue(ctx, tx, w.notify, notifications.Email{
			Key: "export:" + key, To: "accountant@example.com", FromName: "Ama's Provisions", ReplyTo: "ama@example.com",
			Attachment: &notifications.Attachment{Key: key, Name: "sales.csv", Type: "text/csv; charset=utf-8", Size: size},
			Content: notifications.ExportReady{
				Business: "Ama's Provisions", Schedule: "Daily", Title: "Sales Report", FileName: "sales.csv", SizeBytes: size, Rows: 1, Attached: true, Path: "/api/v1/reports/1/download",
				ExpiresAt: time.Now(), Timezone: "Africa/Accra",
			},
		})
		return err
	})
	for _, v := range w.Tasks(w.t.Context(), notificationspb.SendEmailTask.Name) {
		if taskID == uuid.Nil || v.CreatedAt.After(w.View(w.t.Context(), taskID).CreatedAt) {
			taskID = v.ID
		}
	}
	return mailID, taskID
}

// keep puts a file where attachments lie.
func (w *world) keep(key, content string) {
	w.t.Helper()
	_, err := w.files.Put(w.t.Context(), key, strings.NewReader(content), 100)
	require.NoError(w.t, err)
}

func TestAFileGoesWithItsMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keep("reports/a", "a,b\r\n")
	mailID, _ := w.queueExport("reports/a", 5)
	require.Zero(t, w.count(`select count(*) from notifications.email where attachment::text like '%a,b%'`), "the row names the file and does not hold it")
	w.Drain(t.Context())
	mails := w.server.To("accountant@example.com")
	require.Len(t, mails, 1)
	m := mails[0]
	require.Equal(t, `"Ama's Provisions via Makola" <no-reply@makola.example>`, m.From)
	require.Contains(t, m.Header.Get("Reply-To"), "ama@example.com")
	require.Contains(t, m.Text, "The report is attached.")
	require.Len(t, m.Attachments, 1)
	require.Equal(t, []string{"sales.csv", "text/csv", "a,b\r\n"}, []string{m.Attachments[0].Name, m.Attachments[0].Type, string(m.Attachments[0].Content)})
	require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'sent'`, mailID))
}

func TestAMailWhoseFileIsGoneIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for key, why := range map[string]string{"reports/gone": "its attachment is gone", "reports/other": "its attachment has another size than it had"} {
		w.keep("reports/other", "something else")
		mailID, taskID := w.queueExport(key, 5)
		w.Drain(t.Context())
		require.Equal(t, "failed", w.View(t.Context(), taskID).Status(), key)
		require.Contains(t, w.View(t.Context(), taskID).Error, why)
		require.Equal(t, 1, w.count(`select count(*) from notifications.email where id = $1 and state = 'refused' and error = $2`, mailID, why))
	}
	require.Empty(t, w.server.Mails())
}

func TestWithoutAPlaceForFilesAMailHasALink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.noFiles()
	w.queueExport("reports/a", 5)
	w.Drain(t.Context())
	mails := w.server.Mails()
	require.Len(t, mails, 1)
	require.Empty(t, mails[0].Attachments)
	require.Contains(t, mails[0].Text, "https://api.example.com/api/v1/reports/1/download")
}

// Who keeps a shop's books has no account there: the link in the mail is proof enough, for a week at most and no longer than the file is kept. It is made when the mail is worded, so
// that nobody finds one in what waits to be sent.
func TestALargeFileIsLinkedToForWhoeverHasTheMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.noFiles()
	keys, err := reporting.ParseLinkKeys("test-only-download-test-only-download-test")
	require.NoError(t, err)
	w.sends.Downloads = keys
	report, kept := uuid.New(), time.Now().Add(3*24*time.Hour)
	w.inShop(func(ctx context.Context, tx *gorm.DB) error {
		_, _, err := notifications.Queue(ctx, tx, w.notify, notifications.Email{
			Key: "export:large", To: "accountant@example.com",
			Content: notifications.ExportReady{
				Business: "Ama's Provisions", Schedule: "Daily", Title: "Sales Report", FileName: "sales.csv", SizeBytes: 20 << 20, Rows: 1, Path: "/api/v1/reports/1/download", Report: report,
				ExpiresAt: kept, Timezone: "Africa/Accra",
			},
		})
		return err
	})
	require.Zero(t, w.count(`select count(*) from notifications.email where data::text like '%report-files%'`))
	w.Drain(t.Context())
	mails := w.server.To("accountant@example.com")
	require.Len(t, mails, 1)
	require.Contains(t, mails[0].Text, "Whoever has the link below")
	token := regexp.MustCompile(`https://api\.example\.com/api/v1/report-files/([\w-]+)`).FindStringSubmatch(mails[0].Text)
	require.Len(t, token, 2, mails[0].Text)
	link, err := keys.Read(token[1], time.Now())
	require.NoError(t, err)
	require.Equal(t, report, link.Report)
	require.Equal(t, kept.UTC().Truncate(time.Second), link.Until, "no longer than the file is kept")
	_, err = keys.Read(token[1], kept)
	require.ErrorIs(t, err, reporting.ErrLinkExpired)
}
