package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

const settings = "/api/v1/settings"

func TestSettingsAreReadChangedAndReset(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	first := g.do("GET", settings, ama.access, nil).is(t, 200, "")
	require.Equal(t, "GHS", first.text("regional", "currency"))
	require.NotEmpty(t, first.Header.Get("ETag"))

	a := g.do("PATCH", settings, ama.access, map[string]any{
		"receipt": map[string]any{"header": "Ama's shop", "paper": "a4"}, "inventory": map[string]any{"separate_approver": true, "default_reorder_level": 0},
		"notifications": map[string]any{"emailNotifications": false, "quiet_hours": map[string]any{"start": "21:30", "end": "06:00"}},
	}, "If-Match", first.Header.Get("ETag")).is(t, 200, "")
	require.Equal(t, "Ama's shop", a.text("receipt", "header"))
	require.Equal(t, "21:30", a.text("notifications", "quiet_hours", "start"))
	require.Equal(t, true, a.body["inventory"].(map[string]any)["separate_approver"])
	require.Equal(t, true, a.body["inventory"].(map[string]any)["separate_approver_effective"])
	require.EqualValues(t, 0, a.body["inventory"].(map[string]any)["default_reorder_level"])
	require.Equal(t, a.body, g.do("GET", settings, ama.access, nil).is(t, 200, "").body)
	g.do("PATCH", settings, ama.access, map[string]any{"receipt": map[string]any{"header": "late"}}, "If-Match", first.Header.Get("ETag")).is(t, 412, "precondition_failed")

	a = g.do("PATCH", settings, ama.access, map[string]any{"inventory": map[string]any{"separate_approver": nil}, "notifications": map[string]any{"quiet_hours": nil}}).is(t, 200, "")
	require.Nil(t, a.body["inventory"].(map[string]any)["separate_approver"])
	require.Nil(t, a.body["notifications"].(map[string]any)["quiet_hours"])
	require.Equal(t, "Ama's shop", a.text("receipt", "header"), "what is left out stays")

	g.do("PATCH", "/api/v1/businesses/me", ama.access, map[string]any{"timezone": "Africa/Lagos"}).is(t, 200, "")
	require.Equal(t, "Africa/Lagos", g.do("GET", settings, ama.access, nil).text("regional", "timezone"), "there is one time zone")
	reset := g.do("POST", settings+"/reset", ama.access, nil).is(t, 200, "")
	require.Equal(t, first.body, reset.body)
	require.Equal(t, first.Header.Get("ETag"), reset.Header.Get("ETag"))
	require.Equal(t, first.body, g.do("GET", settings, kofi.access, nil).is(t, 200, "").body, "another business has its own")
	log := g.do("GET", "/api/v1/audit-logs?entity=settings", ama.access, nil).is(t, 200, "")
	require.Len(t, log.body["items"], 3)
	require.Empty(t, g.do("GET", "/api/v1/audit-logs?entity=settings", kofi.access, nil).is(t, 200, "").body["items"])
}

func TestSettingsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	before := g.do("GET", settings, ama.access, nil).body
	section := func(name string, members map[string]any) map[string]any { return map[string]any{name: members} }
	for name, c := range map[string]struct {
		body any
		want string
	}{
		"a section that does not exist":  {section("colours", map[string]any{}), "/colours unknown"},
		"a member that does not exist":   {section("receipt", map[string]any{"headline": "x"}), "/receipt/headline unknown"},
		"a zone that does not exist":     {section("regional", map[string]any{"timezone": "Mars/Olympus"}), "/regional/timezone unknown"},
		"a currency that does not exist": {section("regional", map[string]any{"currency": "ABC"}), "/regional/currency unknown"},
		"a rate beyond the whole":        {section("sales", map[string]any{"default_tax_rate_bp": 10001}), "/sales/default_tax_rate_bp too_large"},
		"a level below nothing":          {section("inventory", map[string]any{"default_reorder_level": -1}), "/inventory/default_reorder_level too_small"},
		"an approver in words":           {section("inventory", map[string]any{"separate_approver": "yes"}), "/inventory/separate_approver wrong_type"},
		"quiet hours without an end":     {section("notifications", map[string]any{"quiet_hours": map[string]any{"start": "21:00"}}), "/notifications/quiet_hours/end required"},
		"quiet hours of no length":       {section("notifications", map[string]any{"quiet_hours": map[string]any{"start": "21:00", "end": "21:00"}}), "/notifications/quiet_hours invalid"},
		"a switch that is null":          {section("notifications", map[string]any{"emailNotifications": nil}), "/notifications/emailNotifications wrong_type"},
	} {
		a := g.do("PATCH", settings, ama.access, c.body).is(t, 422, "invalid")
		require.Equal(t, []string{c.want}, a.faults(), name)
	}
	require.Equal(t, before, g.do("GET", settings, ama.access, nil).body)
}

func TestSettingsByRole(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	for role, may := range map[accounts.Role]bool{accounts.Owner: true, accounts.Admin: true, accounts.Manager: false, accounts.Staff: false} {
		token := g.token(ama, role, time.Now())
		g.do("GET", settings, token, nil).is(t, 200, "")
		status, code := 200, ""
		if !may {
			status, code = 403, "permission_missing"
		}
		g.do("PATCH", settings, token, map[string]any{"sales": map[string]any{"default_tax_rate_bp": 100}}).is(t, status, code)
		g.do("POST", settings+"/reset", token, nil).is(t, status, code)
	}
	g.do("GET", settings, "", nil).is(t, 401, "unauthenticated")
}
