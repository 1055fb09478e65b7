package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/api"
)

const reports = "/api/v1/reports"

// make makes a report as reports-worker would, and returns its file.
func (g *gateway) make(s shop, id string) []byte {
	g.t.Helper()
	ctx := tenant.With(g.t.Context(), uuid.MustParse(s.business))
	worker := g.pg.Open("makola_reports")
	var r *reporting.Report
	require.NoError(g.t, worker.InTenant(ctx, func(tx *gorm.DB) (err error) {
		r, err = reporting.Get(tx, reporting.Reader{All: true}, uuid.MustParse(id))
		return err
	}))
	var file bytes.Buffer
	made, err := reporting.Write(ctx, worker, &file, r.Order, nil)
	require.NoError(g.t, err)
	key := storage.Key("reports", uuid.MustParse(s.business), uuid.New(), time.Now())
	w, err := g.server.Files.Put(ctx, key, bytes.NewReader(file.Bytes()), 1<<30)
	require.NoError(g.t, err)
	require.NoError(g.t, worker.InTenant(ctx, func(tx *gorm.DB) error { return reporting.Complete(tx, r.ID, made, key, w, 3200*time.Millisecond) }))
	g.exec(`update task.task set state = 'succeeded', finished_at = now(), result = jsonb_build_object('status', 'completed', 'file_url', $2::text) where id = $1`, r.Task, reports+"/"+id+"/download")
	return file.Bytes()
}

func (g *gateway) kept() (n int) {
	g.t.Helper()
	require.NoError(g.t, filepath.WalkDir(g.files, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// sold sells something in a storefront, now.
func (g *gateway) sold(s shop, storefront, product string) {
	g.t.Helper()
	sale := g.cart(s, storefront, "", line{product, 1})
	g.do("POST", "/api/v1/sales/"+sale.id+"/complete", s.access, map[string]any{"payment_type": "CASH"}).is(g.t, 200, "")
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

func lastWeek() map[string]any {
	return map[string]any{"start_date": time.Now().UTC().AddDate(0, 0, -6).Format(time.DateOnly), "end_date": today(), "format": "csv"}
}

func TestAReportFromTheRequestToItsFile(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	f := g.floor(ama)
	g.sold(ama, f.storefront, f.rice)

	a := g.do("POST", reports+"/sales", ama.access, lastWeek(), "Idempotency-Key", "monday").is(t, 202, "")
	id, task := a.text("report_id"), a.text("task_id")
	require.Equal(t, "processing", a.text("status"))
	require.Equal(t, "/api/v1/tasks/"+task+"/status", a.text("status_url"))
	require.Equal(t, a.text("status_url"), a.Header.Get("Location"))
	require.Equal(t, "2", a.Header.Get("Retry-After"))
	require.Equal(t, a.body, g.do("POST", reports+"/sales", ama.access, lastWeek(), "Idempotency-Key", "monday").is(t, 202, "").body)
	require.Equal(t, a.body, g.do("POST", reports+"/sales", ama.access, lastWeek()).is(t, 202, "").body, "the same is being made")
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'reports.generate_sales_report'`))
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = 'report.requested' and entity_id = $1`, id))

	require.Equal(t, "PENDING", g.do("GET", reports+"/"+id, ama.access, nil).is(t, 200, "").text("status"))
	g.do("GET", reports+"/"+id+"/download", ama.access, nil).is(t, 409, "report_not_ready")
	g.exec(`update task.task set state = 'running', progress = '{"done": 30, "total": 120}' where id = $1`, task)
	a = g.do("GET", reports+"/"+id, ama.access, nil).is(t, 200, "")
	require.Equal(t, []any{"PROCESSING", 25.0}, []any{a.body["status"], a.body["progress"]})

	want := g.make(ama, id)
	require.Equal(t, reports+"/"+id+"/download", g.do("GET", "/api/v1/tasks/"+task+"/status", ama.access, nil).is(t, 200, "").text("file_url"))
	a = g.do("GET", reports+"/"+id, ama.access, nil).is(t, 200, "")
	sum := sha256.Sum256(want)
	require.Equal(t, []any{"COMPLETED", 100.0, 1.0, float64(len(want)), hex.EncodeToString(sum[:])}, []any{a.body["status"], a.body["progress"], a.body["record_count"], a.body["file_size"], a.body["sha256"]})
	require.Equal(t, reports+"/"+id+"/download", a.text("download_url"))
	name := a.text("file_name")
	require.Regexp(t, `^sales_\d{4}-\d\d-\d\d_`+today()+`_\d{8}_\d{6}\.csv$`, name)

	a = g.do("GET", reports+"/"+id+"/download", ama.access, nil).is(t, 200, "")
	require.Equal(t, want, a.raw)
	require.Equal(t, "text/csv; charset=utf-8", a.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="`+name+`"`, a.Header.Get("Content-Disposition"))
	etag := a.Header.Get("ETag")
	g.do("GET", reports+"/"+id+"/download", ama.access, nil, "If-None-Match", etag).is(t, 304, "")
	for header, part := range map[string][]byte{"bytes=3-9": want[3:10], "bytes=-5": want[len(want)-5:], "bytes=10-": want[10:]} {
		a = g.do("GET", reports+"/"+id+"/download", ama.access, nil, "Range", header, "If-Range", etag).is(t, 206, "")
		require.Equal(t, part, a.raw, header)
	}
	for _, header := range []string{"bytes=999999999-", "bytes=9-3", "bytes=0-1,3-4", "lines=1-2", "bytes=-0", "bytes=-"} {
		require.Equal(t, want, g.do("GET", reports+"/"+id+"/download", ama.access, nil, "Range", header).is(t, 200, "").raw, header)
	}
	require.Equal(t, "4", g.do("POST", reports+"/sales", ama.access, lastWeek()).is(t, 202, "").Header.Get("Retry-After"), "as long as it took last time")

	g.exec(`update reporting.report set expires_at = now() - interval '1 second' where id = $1`, id)
	g.do("GET", reports+"/"+id+"/download", ama.access, nil).is(t, 410, "report_expired")
	g.exec(`update reporting.report set state = 'EXPIRED', file_key = null where id = $1`, id)
	g.do("GET", reports+"/"+id+"/download", ama.access, nil).is(t, 410, "report_expired")
	require.Nil(t, g.do("GET", reports+"/"+id, ama.access, nil).is(t, 200, "").body["download_url"])
}

func TestReportsThatCannotBeAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	tomorrow := time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly)
	for name, tt := range map[string]struct {
		path string
		body map[string]any
		want string
	}{
		"reversed":            {"/sales", map[string]any{"start_date": today(), "end_date": "2025-01-01"}, "/end_date before_start"},
		"in the future":       {"/transactions", map[string]any{"start_date": "2026-01-01", "end_date": tomorrow}, "/end_date in_future"},
		"twenty years":        {"/sales", map[string]any{"start_date": "2006-01-01", "end_date": "2026-01-01"}, "/end_date too_long"},
		"an unknown format":   {"/inventory", map[string]any{"format": "docx"}, ""},
		"no dates":            {"/sales", map[string]any{}, ""},
		"an unknown member":   {"/customers", map[string]any{"business_id": ama.business}, ""},
		"a shop that is none": {"/sales", map[string]any{"start_date": "2026-01-01", "end_date": "2026-01-02", "storefront_id": uuid.NewString()}, "/storefront_id unknown"},
	} {
		a := g.do("POST", reports+tt.path, ama.access, tt.body).is(t, 422, "")
		if tt.want != "" { // else the description refuses it
			require.Equal(t, []string{tt.want}, a.faults(), name)
		}
	}
	require.Zero(t, g.count(`select count(*) from reporting.report`))
	require.Zero(t, g.count(`select count(*) from task.task where queue = 'reports'`))
}

func TestManyReportsOfOneBusinessWaitAndNoMore(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	ask := func(i int) *answer {
		day := time.Now().UTC().AddDate(0, 0, -i).Format(time.DateOnly)
		return g.do("POST", reports+"/sales", ama.access, map[string]any{"start_date": day, "end_date": day, "format": "csv"})
	}
	for i := range reporting.MaxOpen {
		a := ask(i).is(t, 202, "")
		require.Equal(t, strconv.Itoa(2*(i/reporting.MaxRunning+1)), a.Header.Get("Retry-After"), "as long as those that are ahead take, too")
		if i == 4 {
			g.exec(`update task.task set error = 'the others are first', error_kind = 'throttled' where id = $1`, a.text("task_id"))
			require.Equal(t, "the others are first", g.do("GET", reports+"/"+a.text("report_id"), ama.access, nil).is(t, 200, "").text("waiting_for"))
		}
	}
	a := ask(reporting.MaxOpen).is(t, 429, "too_many_reports")
	require.NotEmpty(t, a.Header.Get("Retry-After"))
	require.Equal(t, map[int]int{202: 10}, g.together(10, "POST", reports+"/customers", kofi.access, map[string]any{}), "another business goes on, and ten times the same is one")
	require.Equal(t, 1, g.count(`select count(*) from reporting.report where tenant_id = $1`, kofi.business))
}

func TestReportsAreListedByPages(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	for _, format := range []string{"csv", "pdf", "excel"} {
		g.do("POST", reports+"/inventory", ama.access, map[string]any{"format": format}).is(t, 202, "")
	}
	list := g.do("GET", reports+"?limit=2", ama.access, nil).is(t, 200, "")
	require.Len(t, list.body["items"], 2)
	rest := g.do("GET", reports+"?limit=2&cursor="+list.text("next_cursor"), ama.access, nil).is(t, 200, "")
	require.Len(t, rest.body["items"], 1)
	require.Len(t, g.do("GET", reports+"?kind=sales", ama.access, nil).is(t, 200, "").body["items"], 0)
	require.Len(t, g.do("GET", reports+"?status=PENDING", ama.access, nil).is(t, 200, "").body["items"], 3)
}

func TestAReportIsGivenUpOrDeletedByWhoeverAskedOrAnAdmin(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	g.verify(ama)
	ask := func(token string) string {
		t.Helper()
		return g.do("POST", reports+"/customers", token, map[string]any{}).is(t, 202, "").text("report_id")
	}
	id := ask(ama.access)
	task := g.do("GET", reports+"/"+id, ama.access, nil).is(t, 200, "").text("task_id")
	g.do("DELETE", reports+"/"+id, ama.access, nil).is(t, 204, "")
	require.Equal(t, "cancelled", g.do("GET", "/api/v1/tasks/"+task, ama.access, nil).is(t, 200, "").text("status"))
	g.do("GET", reports+"/"+id, ama.access, nil).is(t, 404, "report_not_found")
	g.do("DELETE", reports+"/"+id, ama.access, nil).is(t, 404, "report_not_found")

	id = ask(ama.access)
	g.make(ama, id)
	require.Equal(t, 1, g.kept())
	g.do("DELETE", reports+"/"+id, ama.access, nil).is(t, 204, "")
	require.Zero(t, g.kept())
	g.do("GET", reports+"/"+id+"/download", ama.access, nil).is(t, 404, "report_not_found")

	manager := g.token(ama, "MANAGER", time.Now())
	theirs := ask(manager)
	mine := ask(ama.access)
	require.NotEqual(t, mine, theirs, "who does not see everything shares with nobody")
	g.do("GET", reports+"/"+mine, manager, nil).is(t, 404, "report_not_found")
	g.do("DELETE", reports+"/"+mine, manager, nil).is(t, 404, "report_not_found")
	require.Len(t, g.do("GET", reports, manager, nil).is(t, 200, "").body["items"], 1)
	require.Len(t, g.do("GET", reports, ama.access, nil).is(t, 200, "").body["items"], 2)
	g.do("DELETE", reports+"/"+theirs, ama.access, nil).is(t, 204, "")
}

func TestAManagersReportIsOfTheirStorefronts(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	f := g.floor(ama)
	g.stock(ama, f.other, f.rice, 10, 600, 1000, 900)
	g.sold(ama, f.storefront, f.rice)
	g.sold(ama, f.other, f.rice)
	manager := g.token(ama, "MANAGER", time.Now())
	user := g.member(ama, "MANAGER", "")
	count := func(token string, body map[string]any) any {
		t.Helper()
		id := g.do("POST", reports+"/sales", token, body).is(t, 202, "").text("report_id")
		g.make(ama, id)
		return g.do("GET", reports+"/"+id, token, nil).is(t, 200, "").body["record_count"]
	}
	require.Equal(t, 2.0, count(ama.access, lastWeek()))
	require.Equal(t, 0.0, count(manager, lastWeek()), "no assignment, no sales")
	g.exec(`insert into accounts.storefront_assignment (tenant_id, user_id, storefront_id) values ($1, $2, $3)`, ama.business, user, f.other)
	require.Equal(t, 1.0, count(manager, lastWeek()))
	body := lastWeek()
	body["storefront_id"] = f.storefront
	require.Equal(t, 1.0, count(ama.access, body))
	require.Equal(t, []string{"/storefront_id unknown"}, g.do("POST", reports+"/sales", manager, body).is(t, 422, "").faults())
	cashier := g.token(ama, "STAFF", time.Now())
	g.do("POST", reports+"/sales", cashier, lastWeek()).is(t, 403, "permission_missing")
	g.do("GET", reports, cashier, nil).is(t, 403, "permission_missing")
}

func TestALinkWorksForAWhileForWhoeverHasIt(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	f := g.floor(ama)
	g.sold(ama, f.storefront, f.rice)
	id := g.do("POST", reports+"/sales", ama.access, lastWeek()).is(t, 202, "").text("report_id")
	ask := reports + "/" + id + "/link"
	g.do("GET", ask, ama.access, nil).is(t, 409, "report_not_ready")
	want := g.make(ama, id)
	for _, life := range []string{"59", "604801", "x"} {
		g.do("GET", ask+"?expires_in="+life, ama.access, nil).is(t, 422, "")
	}
	g.do("GET", ask, g.token(ama, "STAFF", time.Now()), nil).is(t, 403, "permission_missing")
	g.do("GET", ask, kofi.access, nil).is(t, 404, "report_not_found")
	require.Zero(t, g.count(`select count(*) from audit.entry where action = 'report.link_made'`))

	before := time.Now().Truncate(time.Second)
	a := g.do("GET", ask+"?expires_in=120", ama.access, nil).is(t, 200, "")
	until, err := time.Parse(time.RFC3339, a.text("expires_at"))
	require.NoError(t, err)
	require.False(t, until.Before(before.Add(2*time.Minute)) || until.After(time.Now().Add(2*time.Minute)), "%s", until)
	require.Equal(t, g.do("GET", reports+"/"+id, ama.access, nil).text("file_name"), a.text("file_name"))
	require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = 'report.link_made' and entity_id = $1 and actor = 'ama@example.com' and (changes ->> 'until')::timestamptz = $2`, id, until))
	path, ours := strings.CutPrefix(a.text("url"), "https://api.example.com")
	require.True(t, ours)

	file := g.do("GET", path, "", nil).is(t, 200, "")
	require.Equal(t, want, file.raw)
	require.Equal(t, `attachment; filename="`+a.text("file_name")+`"`, file.Header.Get("Content-Disposition"))
	require.Equal(t, want[3:10], g.do("GET", path, "", nil, "Range", "bytes=3-9", "If-Range", file.Header.Get("ETag")).is(t, 206, "").raw)
	g.do("GET", path, "", nil, "If-None-Match", file.Header.Get("ETag")).is(t, 304, "")
	require.Equal(t, want, g.do("GET", path, kofi.access, nil).is(t, 200, "").raw, "whoever has it")

	token := func(l reporting.Link) string { return "/api/v1/report-files/" + g.server.Links.Token(l) }
	mine := reporting.Link{Business: uuid.MustParse(ama.business), Report: uuid.MustParse(id), Until: until}
	require.Equal(t, path, token(mine))
	theirs, past := mine, mine
	theirs.Business, past.Until = uuid.MustParse(kofi.business), time.Now().Add(-time.Second)
	g.do("GET", token(theirs), "", nil).is(t, 404, "link_not_found")
	g.do("GET", token(past), "", nil).is(t, 410, "link_expired")
	g.do("GET", path[:len(path)-1], "", nil).is(t, 404, "link_not_found")
	g.do("GET", path[:len(path)-4]+"AAAA", "", nil).is(t, 404, "link_not_found")
	g.do("GET", path+"?until=9999999999", "", nil).is(t, 422, "")
	g.do("GET", "/api/v1/report-files/"+strings.Repeat("x", 201), "", nil).is(t, 422, "")

	other := "fedcba9876543210fedcba9876543210"
	with := func(keys string, change ...func(*api.Options, *api.Server)) *gateway {
		return g.replica(append(change, func(_ *api.Options, s *api.Server) {
			var err error
			s.Links, err = reporting.ParseLinkKeys(keys)
			require.NoError(t, err)
		})...)
	}
	rotated := with(other+","+linkKey, func(o *api.Options, _ *api.Server) { o.SignInPerMinute = 1 })
	for range 3 { // a download in parts is no attempt to sign in
		rotated.do("GET", path, "", nil).is(t, 200, "")
	}
	with(other).do("GET", path, "", nil).is(t, 404, "link_not_found")
	none := with("")
	none.do("GET", path, "", nil).is(t, 404, "link_not_found")
	none.do("GET", ask, ama.access, nil).is(t, 503, "no_download_links")

	require.Equal(t, 7*24*time.Hour, lifeOf(t, g.do("GET", ask+"?expires_in=604800", ama.access, nil).is(t, 200, "").text("expires_at")))
	g.exec(`update reporting.report set expires_at = now() + interval '90 minutes' where id = $1`, id)
	require.Equal(t, 90*time.Minute, lifeOf(t, g.do("GET", ask+"?expires_in=7200", ama.access, nil).is(t, 200, "").text("expires_at")), "no longer than the file")
	require.Equal(t, time.Hour, lifeOf(t, g.do("GET", ask, ama.access, nil).is(t, 200, "").text("expires_at")))
	g.exec(`update reporting.report set expires_at = now() - interval '1 second' where id = $1`, id)
	g.do("GET", path, "", nil).is(t, 410, "report_expired")
	g.do("GET", ask, ama.access, nil).is(t, 410, "report_expired")
	g.do("DELETE", reports+"/"+id, ama.access, nil).is(t, 204, "")
	g.do("GET", path, "", nil).is(t, 404, "link_not_found")
}

// lifeOf is how long it is until then, to ten minutes: the machine may be slow.
func lifeOf(t *testing.T, until string) time.Duration {
	t.Helper()
	at, err := time.Parse(time.RFC3339, until)
	require.NoError(t, err)
	return (time.Until(at) + 9*time.Minute).Truncate(10 * time.Minute)
}

func TestWithoutAPlaceForFilesThereAreNoReports(t *testing.T) {
	t.Parallel()
	g := open(t, func(_ *api.Options, s *api.Server) { s.Files = nil })
	ama := g.register("ama")
	g.do("POST", reports+"/transactions", ama.access, map[string]any{"start_date": "2026-01-01", "end_date": "2026-01-31"}).is(t, 503, "no_file_storage")
	g.do("GET", reports+"/"+uuid.NewString()+"/download", ama.access, nil).is(t, 503, "no_file_storage")
	require.Zero(t, g.count(`select count(*) from reporting.report`))
}
