package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnOwnerReadsTheWeeksOfTheirPeople(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	insert := `insert into accounts.activity_report (id, tenant_id, week_start, logins, logouts, people, actions, by_action)
		select ('018f0000-0000-7000-8000-00000000000' || i)::uuid, $1, date '2026-03-16' + 7 * i, i, 0, 1, 10 * i, jsonb_build_object('LOGIN', i) from generate_series($2::int, $3::int) i`
	g.exec(insert, ama.business, 1, 3)
	g.exec(insert, kofi.business, 4, 4)

	page := g.do("GET", "/api/v1/activity-reports?limit=2", ama.access, nil).is(t, 200, "")
	items := page.body["items"].([]any)
	require.Len(t, items, 2)
	newest := items[0].(map[string]any)
	require.Equal(t, "2026-04-06", newest["week_start"])
	require.Equal(t, map[string]any{"LOGIN": 3.0}, newest["by_action"])
	require.InDelta(t, 30, newest["actions"], 0)
	page = g.do("GET", "/api/v1/activity-reports?limit=2&cursor="+page.text("next_cursor"), ama.access, nil).is(t, 200, "")
	require.Len(t, page.body["items"], 1)
	require.Nil(t, page.body["next_cursor"])
	require.Len(t, g.do("GET", "/api/v1/activity-reports", kofi.access, nil).is(t, 200, "").body["items"], 1, "each their own")
	require.NotEmpty(t, g.do("GET", "/api/v1/activity-reports?cursor=x", ama.access, nil).is(t, 422, "").raw)

	before := g.do("GET", "/api/v1/settings", ama.access, nil).is(t, 200, "").body["notifications"].(map[string]any)
	require.Equal(t, false, before["activityReports"], "nobody is mailed who has not asked")
	g.do("PATCH", "/api/v1/settings", ama.access, map[string]any{"notifications": map[string]any{"activityReports": true}}).is(t, 200, "")
	require.Equal(t, 1, g.count(`select count(*) from accounts.business_settings where activity_reports`))
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where entity = 'settings' and changes = '{"notifications.activityReports": [false, true]}'`))
	g.do("POST", "/api/v1/settings/reset", ama.access, nil).is(t, 200, "")
	require.Zero(t, g.count(`select count(*) from accounts.business_settings where activity_reports`))
}
