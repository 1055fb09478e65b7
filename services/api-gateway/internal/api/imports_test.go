package api_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
	"makola/pkg/storage"
	"makola/services/api-gateway/internal/api"
)

const importsAt = "/api/v1/imports"

// upload sends a file.
func (g *gateway) upload(s shop, query, content string, header ...string) *answer {
	g.t.Helper()
	return g.do("POST", importsAt+query, s.access, content, append([]string{"Content-Type", "text/csv"}, header...)...)
}

// stored lists what lies in the storage, half files too.
func (g *gateway) stored() (all []string) {
	g.t.Helper()
	require.NoError(g.t, filepath.WalkDir(g.files, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	}))
	return all
}

func TestAFileIsStoredAsItIsAndItsImportCanBeFollowed(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	const content = "\ufeffname;sku\r\nRice;R1\r\n"
	a := g.upload(ama, "?kind=products&on_error=skip&file_name="+url.QueryEscape("März \"1\".csv"), content).is(t, 202, "")
	id := a.text("import_id")
	require.Equal(t, importsAt+"/"+id, a.text("status_url"))
	require.Equal(t, a.text("status_url"), a.Header.Get("Location"))
	require.Len(t, g.stored(), 1)
	kept, err := os.ReadFile(g.stored()[0])
	require.NoError(t, err)
	require.Equal(t, content, string(kept))
	require.Equal(t, 1, g.count(`select count(*) from task.task where name = 'inventory.import_products' and args->>'import_id' = $1 and tenant_id = $2`, id, ama.business))

	// The same once more is the same import, and leaves no second file; for another purpose it is another.
	require.Equal(t, id, g.upload(ama, "?kind=products&on_error=skip", content).is(t, 202, "").text("import_id"))
	require.NotEqual(t, id, g.upload(ama, "?kind=products", content).is(t, 202, "").text("import_id"))
	require.NotEqual(t, id, g.upload(kofi, "?kind=products&on_error=skip", content).is(t, 202, "").text("import_id"))
	require.Len(t, g.stored(), 3)

	g.do("GET", importsAt+"/"+id, ama.access, nil).is(t, 200, "").has(t, "status", "QUEUED", "kind", "products", "file_name", "März \"1\".csv", "progress", 0.0)
	g.exec(`update task.task set state = 'running', progress = '{"done": 3, "total": 4, "note": "writing"}' where id = $1`, a.text("task_id"))
	g.do("GET", importsAt+"/"+id, ama.access, nil).is(t, 200, "").has(t, "status", "PROCESSING", "progress", 75.0, "note", "writing, 3 rows")
	g.exec(`update task.task set state = 'failed', error = 'the imported file is gone', finished_at = now() where id = $1`, a.text("task_id"))
	g.do("GET", importsAt+"/"+id, ama.access, nil).is(t, 200, "").has(t, "status", "FAILED", "error", "the imported file is gone")
	g.exec(`update imports.import set status = 'REJECTED', rows = 9, faults = 30, ignored = '{Colour}', finished_at = now() where id = $1`, id)
	g.exec(`insert into imports.fault (tenant_id, import_id, n, line, "column", value, reason) select $1, $2, n, n + 1, 'name', '=1+1', 'is "bad", twice' from generate_series(1, 30) n`, ama.business, id)
	a = g.do("GET", importsAt+"/"+id, ama.access, nil).is(t, 200, "").has(t, "status", "REJECTED", "faults", 30.0, "error", nil)
	require.Len(t, a.body["first_faults"], 20)

	a = g.do("GET", importsAt+"/"+id+"/faults.csv", ama.access, nil).is(t, 200, "")
	require.Equal(t, `attachment; filename="faults_`+id+`.csv"`, a.Header.Get("Content-Disposition"))
	lines := strings.Split(strings.TrimSpace(string(a.raw)), "\r\n")
	require.Len(t, lines, 31)
	require.Equal(t, "\ufeff"+`"Line","Column","Value","Reason"`, lines[0])
	require.Equal(t, `"2","name","'=1+1","is ""bad"", twice"`, lines[1])

	list := g.do("GET", importsAt+"?limit=1", ama.access, nil).is(t, 200, "")
	require.Len(t, list.list("items"), 1)
	list = g.do("GET", importsAt+"?cursor="+list.text("next_cursor"), ama.access, nil).is(t, 200, "")
	require.Equal(t, id, list.list("items")[0]["id"])
}

func TestAnUploadThatCannotBeUsedLeavesNothing(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	floor, other := g.floor(ama), g.floor(kofi)
	closed := g.storefront(ama, "SHUT")
	g.exec(`update inventory.location set is_active = false where id = $1`, closed)
	for name, tt := range map[string]struct {
		query, content string
		header         []string
		status         int
		code           string
	}{
		"no kind":                       {"", "a", nil, 422, "invalid"},
		"an unknown kind":               {"?kind=sales", "a", nil, 422, "invalid"},
		"an unknown parameter":          {"?kind=products&skip=true", "a", nil, 422, "invalid"},
		"nothing":                       {"?kind=products", "", nil, 400, "body_missing"},
		"too large":                     {"?kind=products", strings.Repeat("a", 1<<20+1), nil, 413, "too_large"},
		"another type":                  {"?kind=products", "{}", []string{"Content-Type", "application/json"}, 415, "unsupported_media_type"},
		"compressed":                    {"?kind=products", "a", []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type"},
		"stock without a place":         {"?kind=opening_stock", "a", nil, 422, "invalid"},
		"products with a place":         {"?kind=products&location_id=" + floor.storefront, "a", nil, 422, "invalid"},
		"stock at another's place":      {"?kind=opening_stock&location_id=" + other.storefront, "a", nil, 422, "invalid"},
		"stock at a place switched off": {"?kind=opening_stock&location_id=" + closed, "a", nil, 422, "invalid"},
		"stock at no place":             {"?kind=opening_stock&location_id=x", "a", nil, 422, "invalid"},
	} {
		g.upload(ama, tt.query, tt.content, tt.header...).is(t, tt.status, tt.code)
		require.Empty(t, g.stored(), name)
	}
	// A body that does not say how long it is.
	req, err := http.NewRequestWithContext(t.Context(), "POST", g.url+importsAt+"?kind=products", io.MultiReader(strings.NewReader(strings.Repeat("a", 1<<20)), strings.NewReader("a")))
	require.NoError(t, err)
	req.Header = http.Header{"Content-Type": {"text/csv"}, "Authorization": {"Bearer " + ama.access}}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 413, res.StatusCode)
	require.Empty(t, g.stored())

	// A client that goes away half way.
	address, err := url.Parse(g.url)
	require.NoError(t, err)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address.Host)
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST "+importsAt+"?kind=products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+ama.access+"\r\nContent-Type: text/csv\r\nContent-Length: 100\r\n\r\nname,sku\n")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	reply, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(reply), "400 Bad Request")
	require.Empty(t, g.stored())

	for _, role := range []accounts.Role{accounts.Manager, accounts.Staff} {
		g.do("POST", importsAt+"?kind=products", g.token(ama, role, time.Now()), "a", "Content-Type", "text/csv").is(t, 403, "permission_missing")
	}
	require.Zero(t, g.count(`select count(*) from imports.import`)+g.count(`select count(*) from task.task where name like '%import%'`))
}

func TestABusinessHasThreeImportsUnderWay(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	for _, c := range []string{"a", "b", "c"} {
		g.upload(ama, "?kind=customers", c).is(t, 202, "")
	}
	g.upload(ama, "?kind=customers", "d").is(t, 409, "imports_under_way")
	require.Len(t, g.stored(), 3)
	g.exec(`update task.task set state = 'cancelled', finished_at = now() where id = (select min(id::text)::uuid from task.task where name = 'sales.import_customers')`)
	g.upload(ama, "?kind=customers", "d").is(t, 202, "")
	require.Len(t, g.do("GET", importsAt, ama.access, nil).is(t, 200, "").list("items"), 4)
}

func TestTheSameFileSentManyTimesAtOnceIsOneImport(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i] = g.upload(ama, "?kind=products", "name,sku\nRice,R1\n").text("import_id") })
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.NotEmpty(t, ids[0])
	require.Len(t, g.stored(), 1)
}

func TestWithoutAPlaceForFilesNothingIsUploaded(t *testing.T) {
	t.Parallel()
	g := open(t, func(_ *api.Options, s *api.Server) { s.Files = (*storage.Files)(nil) })
	ama := g.register("ama")
	g.upload(ama, "?kind=products", "a").is(t, 503, "storage_missing")
}

func TestTemplatesNameTheColumns(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama := g.register("ama")
	for kind, first := range map[string]string{"products": "name,sku,", "customers": "name,phone,", "opening_stock": "sku,barcode,quantity,"} {
		a := g.do("GET", importsAt+"/templates/"+kind, ama.access, nil).is(t, 200, "")
		require.True(t, strings.HasPrefix(string(a.raw), "\ufeff"+first), "%s", a.raw)
		require.Equal(t, `attachment; filename="`+kind+`.csv"`, a.Header.Get("Content-Disposition"))
	}
	g.do("GET", importsAt+"/templates/sales", ama.access, nil).is(t, 422, "invalid")
}
