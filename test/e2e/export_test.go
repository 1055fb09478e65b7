package e2e

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/mail/mailbox"
	"makola/test/stack"
)

// files are the attachments of a mail as the mail viewer received it.
func (h *house) files(l letter) []mailbox.Attachment {
	h.t.Helper()
	var whole struct{ Raw string }
	require.NoError(h.t, json.Unmarshal([]byte(call(h.t, http.MethodGet, "http://"+h.Mail+"/api/messages/"+l.ID, nil).Text), &whole))
	m, err := mailbox.Parse([]byte(whole.Raw))
	require.NoError(h.t, err)
	return m.Attachments
}

// TestAScheduleMailsItsReport makes a schedule, runs it now and reads the file from the mail; then it falls due, and cron has it run by itself.
func TestAScheduleMailsItsReport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	files := "STORAGE_URL=file://" + t.TempDir()
	stack.Ready(t, h.Start("mail-viewer"), h.Start("api-gateway", files), h.Start("reports-worker", files), h.Start("notifier", files))
	ama := h.register()
	a := ama.do(http.MethodPost, "/api/v1/customers", map[string]any{"name": "=Esi \"Quote\", Ltd", "phone": "0244 000 111"})
	require.Equal(t, http.StatusCreated, a.Status, a.Text)
	a = ama.do(http.MethodPost, "/api/v1/export-schedules", map[string]any{
		"name": "Who buys from us", "kind": "customers", "format": "csv", "frequency": "WEEKLY", "day_of_week": 0, "hour": 3, "recipients": []string{"accountant@example.com"}, "subject": "Our customers",
	})
	require.Equal(t, http.StatusCreated, a.Status, a.Text)
	schedule := text(a.at("id"))

	a = ama.do(http.MethodPost, "/api/v1/export-schedules/"+schedule+"/trigger", nil)
	require.Equal(t, http.StatusAccepted, a.Status, a.Text)
	report := "/api/v1/reports/" + text(a.at("report_id"))
	l := h.letter("accountant@example.com", "Our customers")
	require.Contains(t, l.Text, "The report is attached.")
	attached := h.files(l)
	require.Len(t, attached, 1)
	require.Equal(t, "text/csv", attached[0].Type)
	require.Contains(t, string(attached[0].Content), `"'=Esi ""Quote"", Ltd"`)
	stack.Eventually(t, "the report is mailed", func() bool { return ama.get(report).at("status") == "EMAILED" })
	done := ama.get(report)
	require.Equal(t, attached[0].Name, done.at("file_name"))
	require.Equal(t, string(attached[0].Content), ama.get(report+"/download").Text)

	_, err := h.look.Exec(t.Context(), `update reporting.export_schedule set next_run_at = now() - interval '1 hour' where id = $1`, schedule)
	require.NoError(t, err)
	stack.Ready(t, h.Start("cron"))
	stack.Eventually(t, "the schedule has run by itself", func() bool {
		return h.count(`select count(*) from reporting.report where schedule_id = $1 and trigger = 'SCHEDULED' and state = 'COMPLETED'`, schedule) == 1
	})
	stack.Eventually(t, "and is mailed", func() bool { return len(h.letters("accountant@example.com", "Our customers")) == 2 })
	require.Equal(t, 1, h.count(`select count(*) from reporting.export_schedule where id = $1 and next_run_at > now()`, schedule))

	// The same programs tell whoever watches a report how long it still takes.
	ama.seesTimeLeft(t)
}
