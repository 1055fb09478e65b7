package api_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const schedules = "/api/v1/export-schedules"

// daily is a schedule on yesterday's sales.
func daily(name string) map[string]any {
	return map[string]any{"name": name, "kind": "sales", "format": "csv", "period": "last_day", "frequency": "DAILY", "hour": 3, "recipients": []string{"Accountant@Example.com", "accountant@example.com"}}
}

func TestAScheduleFromItsMakingToItsEnd(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	g.exec(`update accounts.business set timezone = 'Africa/Lagos' where id = $1`, ama.business)

	preview := g.do("POST", schedules+"/preview", ama.access, map[string]any{"frequency": "DAILY", "hour": 3}).is(t, 200, "")
	require.Equal(t, "Africa/Lagos", preview.text("timezone"))
	runs := preview.body["runs"].([]any)
	require.Len(t, runs, 5)
	require.Regexp(t, `^\d{4}-\d\d-\d\dT03:00:00\+01:00$`, runs[0])
	require.Zero(t, g.count(`select count(*) from reporting.export_schedule`))

	made := g.do("POST", schedules, ama.access, daily("Sales of the day")).is(t, 201, "")
	id := made.text("id")
	require.Equal(t, []any{"accountant@example.com"}, made.body["recipients"], "in lower case, each once")
	require.Equal(t, []any{true, "last_day", "DAILY", 3.0, nil}, []any{made.body["is_active"], made.body["period"], made.body["frequency"], made.body["hour"], made.body["last_run_at"]})
	require.Len(t, made.body["next_runs"], 5)
	next, err := time.Parse(time.RFC3339, made.text("next_run_at"))
	require.NoError(t, err)
	require.Equal(t, 2, next.UTC().Hour(), "three o'clock in Lagos")
	g.do("POST", schedules, ama.access, daily("sales of the DAY")).is(t, 409, "export_schedule_name_taken")

	// The clock of the business is changed.
	g.do("PATCH", "/api/v1/settings", ama.access, map[string]any{"regional": map[string]any{"timezone": "Africa/Accra"}}).is(t, 200, "")
	now := g.do("GET", schedules+"/"+id, ama.access, nil).is(t, 200, "")
	require.Regexp(t, `T03:00:00Z$`, now.text("next_run_at"))

	now = g.do("PATCH", schedules+"/"+id, ama.access, map[string]any{"kind": "inventory", "include_zero_stock": true, "frequency": "MONTHLY", "day_of_month": 28}).is(t, 200, "")
	require.Equal(t, []any{"inventory", "csv", nil, "MONTHLY", 28.0, nil, 3.0}, []any{now.body["kind"], now.body["format"], now.body["period"], now.body["frequency"], now.body["day_of_month"], now.body["day_of_week"], now.body["hour"]})
	require.Regexp(t, `-28T03:00:00Z$`, now.text("next_run_at"))

	now = g.do("POST", schedules+"/"+id+"/deactivate", ama.access, nil).is(t, 200, "")
	require.Equal(t, []any{false, nil}, []any{now.body["is_active"], now.body["next_run_at"]})
	require.Empty(t, g.do("GET", schedules+"/upcoming", ama.access, nil).is(t, 200, "").body["items"])
	require.Empty(t, g.do("GET", schedules+"?active=true", ama.access, nil).is(t, 200, "").body["items"])
	g.do("POST", schedules+"/"+id+"/deactivate", ama.access, nil).is(t, 200, "")
	now = g.do("POST", schedules+"/"+id+"/activate", ama.access, nil).is(t, 200, "")
	require.Regexp(t, `-28T03:00:00Z$`, now.text("next_run_at"))
	other := g.do("POST", schedules, ama.access, map[string]any{"name": "Customers", "kind": "customers", "frequency": "WEEKLY", "day_of_week": 6, "include_creator": true}).is(t, 201, "")
	require.Equal(t, []any{"csv", 2.0}, []any{other.body["format"], other.body["hour"]})
	upcoming := g.do("GET", schedules+"/upcoming?limit=3", ama.access, nil).is(t, 200, "").body["items"].([]any)
	require.Len(t, upcoming, 3)
	for i := range upcoming[1:] {
		require.LessOrEqual(t, upcoming[i].(map[string]any)["run_at"], upcoming[i+1].(map[string]any)["run_at"])
	}
	page := g.do("GET", schedules+"?limit=1", ama.access, nil).is(t, 200, "")
	require.Equal(t, other.text("id"), page.body["items"].([]any)[0].(map[string]any)["id"])
	page = g.do("GET", schedules+"?limit=1&cursor="+page.text("next_cursor"), ama.access, nil).is(t, 200, "")
	require.Equal(t, id, page.body["items"].([]any)[0].(map[string]any)["id"])

	// Now, and only once while it runs.
	run := g.do("POST", schedules+"/"+id+"/trigger", ama.access, nil, "Idempotency-Key", "now").is(t, 202, "")
	require.Equal(t, run.Header.Get("Location"), run.text("status_url"))
	require.Equal(t, run.body, g.do("POST", schedules+"/"+id+"/trigger", ama.access, nil, "Idempotency-Key", "now").is(t, 202, "").body)
	require.Equal(t, run.body, g.do("POST", schedules+"/"+id+"/trigger", ama.access, nil).is(t, 202, "").body)
	require.Equal(t, map[int]int{202: 5}, g.together(5, "POST", schedules+"/"+id+"/trigger", ama.access, nil))
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'reports.execute_single_export' and tenant_id = $1`, ama.business))
	history := g.do("GET", reports+"?schedule_id="+id, ama.access, nil).is(t, 200, "").body["items"].([]any)
	require.Len(t, history, 1)
	one := history[0].(map[string]any)
	require.Equal(t, []any{run.text("report_id"), "MANUAL", "inventory", true, id, 0.0, nil}, []any{one["id"], one["trigger"], one["kind"], one["include_zero_stock"], one["schedule_id"], one["retries"], one["email_state"]})
	g.make(ama, run.text("report_id"))
	require.NotEqual(t, run.text("report_id"), g.do("POST", schedules+"/"+id+"/trigger", ama.access, nil).is(t, 202, "").text("report_id"))
	g.do("POST", reports+"/inventory", ama.access, map[string]any{"format": "csv", "include_zero_stock": true}).is(t, 202, "")
	require.Equal(t, 1, g.count(`select count(*) from reporting.report where schedule_id is null`), "who asks for a report gets one of their own")

	g.do("DELETE", schedules+"/"+id, ama.access, nil).is(t, 204, "")
	g.do("GET", schedules+"/"+id, ama.access, nil).is(t, 404, "export_schedule_not_found")
	g.do("POST", schedules+"/"+id+"/trigger", ama.access, nil).is(t, 404, "export_schedule_not_found")
	require.Len(t, g.do("GET", reports+"?schedule_id="+id, ama.access, nil).is(t, 200, "").body["items"], 2, "what it made stays")
	g.do("POST", schedules, ama.access, daily("Sales of the day")).is(t, 201, "")
	for action, n := range map[string]int{"CREATE": 3, "UPDATE": 1, "DELETE": 1, "export_schedule.paused": 1, "export_schedule.resumed": 1, "export_schedule.run": 2} {
		require.Equal(t, n, g.count(`select count(*) from audit.entry where entity = 'export_schedule' and action = $1`, action), action)
	}
}

func TestSchedulesThatCannotBeAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	with := func(changes map[string]any) map[string]any {
		body := daily("Sales")
		for k, v := range changes {
			if body[k] = v; v == nil {
				delete(body, k)
			}
		}
		return body
	}
	for name, tt := range map[string]struct {
		body map[string]any
		want string
	}{
		"no period":                          {with(map[string]any{"period": nil}), "/period required"},
		"a period of what has none":          {with(map[string]any{"kind": "customers"}), "/period not_allowed"},
		"an unknown period":                  {with(map[string]any{"period": "last_year"}), ""},
		"an unknown kind":                    {with(map[string]any{"kind": "transactions"}), ""},
		"an unknown format":                  {with(map[string]any{"format": "docx"}), ""},
		"the 29th":                           {with(map[string]any{"frequency": "MONTHLY", "day_of_month": 29}), ""},
		"a month without a day":              {with(map[string]any{"frequency": "MONTHLY"}), "/day_of_month required"},
		"a week without a day":               {with(map[string]any{"frequency": "WEEKLY"}), "/day_of_week required"},
		"a day of the week, daily":           {with(map[string]any{"day_of_week": 1}), "/day_of_week not_allowed"},
		"an hour that is none":               {with(map[string]any{"hour": 24}), ""},
		"a recipient that is none":           {with(map[string]any{"recipients": []string{"ama at example"}}), "/recipients invalid"},
		"a recipient with a name":            {with(map[string]any{"recipients": []string{"Ama <ama@example.com>"}}), "/recipients invalid"},
		"a recipient with a header in it":    {with(map[string]any{"recipients": []string{"ama@example.com\r\nBcc: all@example.com"}}), "/recipients invalid"},
		"too many recipients":                {with(map[string]any{"recipients": strings.Split(strings.Repeat("a@example.com,", 21), ",")[:21]}), ""},
		"a subject of two lines":             {with(map[string]any{"subject": "a\r\nBcc: all@example.com"}), "/subject invalid"},
		"a message that is an advertisement": {with(map[string]any{"message": "Cheap phones at\nhttps://shop.example/offer"}), "/message link"},
		"a mail address in a message":        {with(map[string]any{"message": "Write to pay@bank.example"}), "/message link"},
		"an address in a name":               {with(map[string]any{"name": "Win at casino.com"}), "/name link"},
		"an address in a subject":            {with(map[string]any{"subject": "www.casino"}), "/subject link"},
		"a subject that reads backwards":     {with(map[string]any{"subject": "Sales \u202eof the day"}), "/subject invalid"},
		"a name of two lines":                {with(map[string]any{"name": "Sales\nof the day"}), "/name invalid"},
		"a message with a bell in it":        {with(map[string]any{"message": "ding\a"}), "/message invalid"},
		"a blank name":                       {with(map[string]any{"name": "  "}), "/name required"},
		"a storefront that is none":          {with(map[string]any{"storefront_id": uuid.NewString()}), "/storefront_id unknown"},
		"zero stock of sales":                {with(map[string]any{"include_zero_stock": true}), "/include_zero_stock not_allowed"},
		"an unknown member":                  {with(map[string]any{"next_run_at": "2026-01-01T00:00:00Z"}), ""},
		"fixed dates, which would go stale":  {with(map[string]any{"start_date": "2026-01-01"}), ""},
	} {
		a := g.do("POST", schedules, ama.access, tt.body).is(t, 422, "")
		if tt.want != "" { // else the description refuses it
			require.Equal(t, []string{tt.want}, a.faults(), name)
		}
	}
	g.do("POST", schedules+"/preview", ama.access, map[string]any{"frequency": "WEEKLY"}).is(t, 422, "")
	require.Zero(t, g.count(`select count(*) from reporting.export_schedule`))
	require.Zero(t, g.count(`select count(*) from audit.entry where entity = 'export_schedule'`))

	id := g.do("POST", schedules, ama.access, daily("Sales")).is(t, 201, "").text("id")
	before := g.do("GET", schedules+"/"+id, ama.access, nil).is(t, 200, "").body
	g.do("PATCH", schedules+"/"+id, ama.access, map[string]any{"name": "Other", "day_of_month": 3}).is(t, 422, "")
	g.do("PATCH", schedules+"/"+id, ama.access, map[string]any{"name": "Other", "recipients": []string{"x"}}).is(t, 422, "")
	after := g.do("GET", schedules+"/"+id, ama.access, nil).is(t, 200, "").body
	for _, name := range []string{"name", "recipients", "day_of_month", "updated_at"} {
		require.Equal(t, before[name], after[name], name)
	}
}

func TestABusinessMayHaveFiftySchedules(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	g.exec(`insert into reporting.export_schedule (id, tenant_id, name, kind, format, frequency, hour, is_active, created_by)
		select gen_random_uuid(), $1, 'Schedule ' || n, 'customers', 'csv', 'DAILY', 2, false, $2 from generate_series(1, 48) n`, ama.business, ama.user)
	body := map[string]any{"kind": "customers", "frequency": "DAILY"}
	statuses := map[int]int{}
	for _, name := range []string{"a", "b", "c"} {
		body["name"] = name
		statuses[g.do("POST", schedules, ama.access, body).StatusCode]++
	}
	require.Equal(t, map[int]int{http.StatusCreated: 2, http.StatusConflict: 1}, statuses)
	g.do("POST", schedules, ama.access, body).is(t, 409, "too_many_export_schedules")
	g.do("POST", schedules, kofi.access, body).is(t, 201, "")
}

func TestManagersScheduleWhatTheySee(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	f := g.floor(ama)
	manager, user := g.token(ama, "MANAGER", time.Now()), g.member(ama, "MANAGER", "")
	g.exec(`insert into accounts.storefront_assignment (tenant_id, user_id, storefront_id) values ($1, $2, $3)`, ama.business, user, f.other)
	g.do("POST", schedules, manager, map[string]any{"name": "Log", "kind": "audit_logs", "period": "last_day", "frequency": "DAILY"}).is(t, 403, "export_schedule_not_yours")
	log := g.do("POST", schedules, ama.access, map[string]any{"name": "Log", "kind": "audit_logs", "period": "last_day", "frequency": "DAILY"}).is(t, 201, "").text("id")
	g.do("GET", schedules+"/"+log, manager, nil).is(t, 404, "export_schedule_not_found")
	g.do("POST", schedules+"/"+log+"/trigger", manager, nil).is(t, 404, "export_schedule_not_found")

	body := daily("Mine")
	body["storefront_id"] = f.storefront
	require.Equal(t, []string{"/storefront_id unknown"}, g.do("POST", schedules, manager, body).is(t, 422, "").faults())
	delete(body, "storefront_id")
	mine := g.do("POST", schedules, manager, body).is(t, 201, "").text("id")
	g.do("PATCH", schedules+"/"+mine, manager, map[string]any{"kind": "audit_logs"}).is(t, 403, "export_schedule_not_yours")
	require.Len(t, g.do("GET", schedules, manager, nil).is(t, 200, "").body["items"], 1)
	require.Len(t, g.do("GET", schedules, ama.access, nil).is(t, 200, "").body["items"], 2)

	shown := func(id, token string) any {
		t.Helper()
		report := g.do("POST", schedules+"/"+id+"/trigger", token, nil).is(t, 202, "").text("report_id")
		return g.do("GET", reports+"/"+report, ama.access, nil).is(t, 200, "").body["storefront_ids"]
	}
	require.Equal(t, []any{f.other}, shown(mine, ama.access), "whoever runs it, it is of what its maker sees")
	theirs := g.do("POST", schedules, ama.access, daily("All")).is(t, 201, "").text("id")
	require.Nil(t, shown(theirs, ama.access))
	g.do("PATCH", schedules+"/"+theirs, ama.access, map[string]any{"storefront_id": f.storefront}).is(t, 200, "")
	require.Equal(t, f.storefront, g.do("GET", schedules+"/"+theirs, ama.access, nil).is(t, 200, "").body["storefront_id"])
	g.do("PATCH", schedules+"/"+theirs, ama.access, map[string]any{"storefront_id": nil}).is(t, 200, "")
	require.Nil(t, g.do("GET", schedules+"/"+theirs, ama.access, nil).is(t, 200, "").body["storefront_id"])

	// The manager leaves, and an admin takes over.
	g.exec(`update accounts.membership set is_active = false where user_id = $1`, user)
	require.Equal(t, ama.user, g.do("PATCH", schedules+"/"+mine, ama.access, map[string]any{"hour": 4}).is(t, 200, "").body["created_by"])
	cashier := g.token(ama, "STAFF", time.Now())
	g.do("GET", schedules, cashier, nil).is(t, 403, "permission_missing")
}

func TestExportSettings(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	want := map[string]any{"notify_on_success": true, "notify_on_failure": true, "default_recipients": []any{}, "from_name": "", "reply_to": ""}
	require.Equal(t, want, g.do("GET", "/api/v1/export-settings", ama.access, nil).is(t, 200, "").body)
	put := map[string]any{"notify_on_success": false, "notify_on_failure": true, "default_recipients": []string{"Ama@Example.com"}, "from_name": " Ama's Shop ", "reply_to": "Office@example.com"}
	want = map[string]any{"notify_on_success": false, "notify_on_failure": true, "default_recipients": []any{"ama@example.com"}, "from_name": "Ama's Shop", "reply_to": "office@example.com"}
	require.Equal(t, want, g.do("PUT", "/api/v1/export-settings", ama.access, put).is(t, 200, "").body)
	body := maps.Clone(put)
	body["from_name"] = "casino.com"
	require.Equal(t, []string{"/from_name link"}, g.do("PUT", "/api/v1/export-settings", ama.access, body).is(t, 422, "").faults())
	for field, bad := range map[string]any{"from_name": "Bank <pay@bank.example>", "reply_to": "nobody", "default_recipients": []string{"nobody"}} {
		body := map[string]any{}
		for k, v := range put {
			body[k] = v
		}
		body[field] = bad
		require.Equal(t, []string{"/" + field + " invalid"}, g.do("PUT", "/api/v1/export-settings", ama.access, body).is(t, 422, "").faults())
	}
	require.Equal(t, want, g.do("GET", "/api/v1/export-settings", ama.access, nil).is(t, 200, "").body)
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where entity = 'export_settings'`))
	g.do("GET", "/api/v1/export-settings", g.token(ama, "MANAGER", time.Now()), nil).is(t, 403, "permission_missing")
}

func TestStatisticsAndTheLogAsAReport(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	first := g.do("POST", reports+"/audit-logs", ama.access, map[string]any{"start_date": today(), "end_date": today(), "format": "csv"}, "Idempotency-Key", "log").is(t, 202, "").text("report_id")
	file := string(g.make(ama, first))
	require.Contains(t, file, `"Report requested"`)
	require.Contains(t, file, `"report.requested"`)
	require.Contains(t, file, `"ama@example.com"`)
	require.Equal(t, g.count(`select count(*) from audit.entry where tenant_id = $1`, ama.business), int(g.do("GET", reports+"/"+first, ama.access, nil).is(t, 200, "").body["record_count"].(float64)))
	require.Equal(t, []string{"/end_date before_start"}, g.do("POST", reports+"/audit-logs", ama.access, map[string]any{"start_date": today(), "end_date": "2026-01-01"}).is(t, 422, "").faults())
	g.do("POST", reports+"/audit-logs", g.token(ama, "MANAGER", time.Now()), map[string]any{"start_date": today(), "end_date": today()}).is(t, 403, "permission_missing")

	failed := g.do("POST", reports+"/customers", ama.access, map[string]any{}).is(t, 202, "").text("task_id")
	g.exec(`update task.task set state = 'failed', error_kind = 'crash_loop', error = 'x', finished_at = now() where id = $1`, failed)
	a := g.do("GET", reports+"?status=FAILED", ama.access, nil).is(t, 200, "").body["items"].([]any)
	require.Equal(t, []any{"INTERRUPTED", "Each of the programs that made it stopped before it was done, three in a row, so it was given up."}, []any{a[0].(map[string]any)["error_code"], a[0].(map[string]any)["error"]})
	s := g.do("GET", reports+"/statistics?days=1", ama.access, nil).is(t, 200, "")
	require.Equal(t, []any{2.0, 0.0, 1.0, 1.0, float64(len(file)), 4.0}, []any{s.body["total"], s.body["running"], s.body["completed"], s.body["failed"], s.body["bytes"], s.body["average_seconds"]})
	require.Len(t, s.body["by_kind"], 2)
	require.Equal(t, 0.0, g.do("GET", reports+"/statistics", g.token(ama, "MANAGER", time.Now()), nil).is(t, 200, "").body["total"], "managers count their own")
}
