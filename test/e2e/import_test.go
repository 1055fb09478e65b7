package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// TestAnImportSurvivesItsWorker uploads a file, kills the worker that imports it, and starts another: all rows are there, once.
func TestAnImportSurvivesItsWorker(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	files := "STORAGE_URL=file://" + t.TempDir()
	gateway, worker := h.Start("api-gateway", files), h.Start("inventory-worker", files)
	stack.Ready(t, gateway, worker)
	ama := h.register()

	const rows = 20_000
	var b strings.Builder
	b.WriteString("name;sku;category\n")
	for i := range rows {
		fmt.Fprintf(&b, "Product %d;SKU-%d;Category %d\n", i, i, i%10)
	}
	upload := func(query, content string) answer {
		return call(t, http.MethodPost, "http://"+h.Gateway+"/api/v1/imports"+query, []byte(content), "Authorization", "Bearer "+ama.token, "Content-Type", "text/csv")
	}
	a := upload("?kind=products&file_name=products.csv", b.String())
	require.Equal(t, http.StatusAccepted, a.Status, a.Text)
	at := text(a.at("status_url"))
	stack.Eventually(t, "the import has begun", func() bool {
		return h.count("select count(*) from task.task where id = $1 and state in ('running', 'succeeded')", text(a.at("task_id"))) == 1
	})
	worker.Kill()
	stack.Ready(t, h.Start("inventory-worker", files))
	stack.Eventually(t, "the import is done", func() bool { return ama.get(at).at("status") == "COMPLETED" })
	done := ama.get(at)
	require.EqualValues(t, rows, done.at("rows"))
	require.EqualValues(t, rows, done.at("created"))
	require.Equal(t, `csv, UTF-8, separated by ";"`, done.at("format"))
	require.Equal(t, rows, h.count("select count(*) from inventory.product where tenant_id = $1", ama.ID))
	require.Equal(t, 1, h.count("select count(*) from audit.entry where action = 'import.completed'"))
	require.Equal(t, 1, h.count("select count(*) from notifications.notice where kind = 'IMPORT_DONE'"))

	// The same file again: each row is there already, and nothing changes.
	a = upload("?kind=products", b.String())
	require.Equal(t, http.StatusAccepted, a.Status, a.Text)
	at = text(a.at("status_url"))
	stack.Eventually(t, "the import is rejected", func() bool { return ama.get(at).at("status") == "REJECTED" })
	require.EqualValues(t, rows, ama.get(at).at("faults"))
	csv := ama.get(at + "/faults.csv").Text
	require.Equal(t, 1001, strings.Count(csv, "\r\n"), "the title and the first thousand")
	require.Contains(t, csv, `"2","sku","SKU-0","another product has this SKU"`)
}
