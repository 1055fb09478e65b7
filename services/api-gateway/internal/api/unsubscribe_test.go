package api_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/notifications"
	"makola/services/api-gateway/internal/api"
)

func TestALinkInAMailTurnsMailsOff(t *testing.T) {
	t.Parallel()
	keys, err := notifications.ParseUnsubscribeKeys("0123456789abcdef0123456789abcdef")
	require.NoError(t, err)
	g := open(t, func(o *api.Options, _ *api.Server) { o.Unsubscribe = keys })
	ama, kofi := g.register("ama"), g.register("kofi")
	link := "/unsubscribe/" + keys.Token(uuid.MustParse(ama.business), notifications.SystemUpdates)
	before := g.do("GET", settings, ama.access, nil).body["notifications"].(map[string]any)
	page := g.do("GET", link, "", nil).is(t, http.StatusOK, "")
	require.Contains(t, string(page.raw), `<form method="post">`)
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "form-action 'self'")
	require.Equal(t, before, g.do("GET", settings, ama.access, nil).body["notifications"], "following a link changes nothing")

	for range 2 { // a mail program's own button, pressed twice
		done := g.do("POST", link, "", "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded").is(t, http.StatusOK, "")
		require.NotContains(t, string(done.raw), "<form")
	}
	before["systemUpdates"] = false
	require.Equal(t, before, g.do("GET", settings, ama.access, nil).body["notifications"])
	before["systemUpdates"] = true
	require.Equal(t, before, g.do("GET", settings, kofi.access, nil).body["notifications"], "another business's are as they were")
	log := g.do("GET", "/api/v1/audit-logs?entity=settings", ama.access, nil).is(t, 200, "").body["items"].([]any)
	require.Len(t, log, 1)
	require.Equal(t, "link:unsubscribe", log[0].(map[string]any)["actor"])

	// Whoever a business mails its reports to stops them for one address, and may have them again; a business cannot undo that.
	mine := "/unsubscribe/" + keys.RecipientToken(uuid.MustParse(ama.business), "Accountant@example.com")
	require.Contains(t, string(g.do("GET", mine, "", nil).is(t, http.StatusOK, "").raw), "Stop them")
	require.Zero(t, g.count(`select count(*) from notifications.blocked_recipient`))
	for range 2 {
		done := g.do("POST", mine, "", "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded").is(t, http.StatusOK, "")
		require.Contains(t, string(done.raw), `name="again"`)
	}
	id := g.do("POST", schedules, ama.access, daily("Sales of the day")).is(t, 201, "").text("id")
	require.Equal(t, 1, g.count(`select count(*) from notifications.blocked_recipient where tenant_id = $1 and address = 'accountant@example.com' and reason = 'STOPPED'`, ama.business))
	require.Contains(t, string(g.do("GET", mine, "", nil).is(t, http.StatusOK, "").raw), "Send them again")
	g.do("POST", mine, "", "again=yes", "Content-Type", "application/x-www-form-urlencoded").is(t, http.StatusOK, "")
	require.Zero(t, g.count(`select count(*) from notifications.blocked_recipient`))
	require.Equal(t, 2, g.count(`select count(*) from audit.entry where tenant_id = $1 and entity = 'export_recipient' and entity_id = 'accountant@example.com' and actor = 'link:unsubscribe'`, ama.business))

	// One whose mail server refused has mails again when the business names the address anew, and not by any other change.
	g.exec(`insert into notifications.blocked_recipient (tenant_id, address, reason) values ($1, 'accountant@example.com', 'BOUNCED')`, ama.business)
	g.do("PATCH", schedules+"/"+id, ama.access, map[string]any{"hour": 4, "recipients": []string{"accountant@example.com"}}).is(t, 200, "")
	g.do("PATCH", schedules+"/"+id, ama.access, map[string]any{"recipients": []string{"ama@example.com"}}).is(t, 200, "")
	require.Equal(t, 1, g.count(`select count(*) from notifications.blocked_recipient`))
	g.do("PATCH", schedules+"/"+id, ama.access, map[string]any{"recipients": []string{"ama@example.com", "accountant@example.com"}}).is(t, 200, "")
	require.Zero(t, g.count(`select count(*) from notifications.blocked_recipient`))

	forged := []byte(link)
	forged[len(forged)-5] ^= 1
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, path := range []string{string(forged), "/unsubscribe/x"} {
			req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, nil)
			require.NoError(t, err)
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusNotFound, res.StatusCode)
			require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"), "a person reads it")
		}
	}
	require.Len(t, g.do("GET", "/api/v1/audit-logs?entity=settings", ama.access, nil).body["items"], 1)
}
