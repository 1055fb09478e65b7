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
