package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// streamed calls see for each event of a task's stream, until it says that it has seen enough or the stream ends.
func (s *shop) streamed(t *testing.T, task string, see func(e answer) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.h.Gateway+"/api/v1/tasks/"+task+"/events", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var e answer
		require.NoError(t, json.Unmarshal([]byte(data), &e.Body), data)
		if see(e) {
			return
		}
	}
	require.NoError(t, lines.Err())
}

// manySales gives a shop 600 sales of one line each, yesterday: enough for its report to say how far it is.
func (s *shop) manySales() {
	s.h.t.Helper()
	s.h.exec(`
		with place as (insert into inventory.location (id, tenant_id, kind, name, code) values (gen_random_uuid(), $1, 'STOREFRONT', 'Busy', 'BSY') returning id),
		buyer as (insert into sales.customer (id, tenant_id, name, phone, address, type, currency, credit_limit_minor, is_walk_in) values (gen_random_uuid(), $1, 'Many', '0244999999', '', 'RETAIL', 'GHS', 0, false) returning id),
		goods as (insert into inventory.product (id, tenant_id, name, sku, unit) values (gen_random_uuid(), $1, 'Rice', 'RICE-MANY', 'bag') returning id),
		sale as (insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, receipt_number, type, status, currency, subtotal_minor, total_minor, paid_minor, payment_type, completed_at)
		  select gen_random_uuid(), $1, place.id, (select user_id from accounts.membership where tenant_id = $1 limit 1), buyer.id, 'BSY-' || i, 'RETAIL', 'COMPLETED', 'GHS', 100, 100, 100, 'CASH', now() - interval '1 day'
		    from place, buyer, generate_series(1, 600) i returning id)
		insert into sales.sale_item (id, tenant_id, sale_id, line, product_id, quantity, unit_price_minor, total_minor, cost_minor, product_name, product_sku)
		select gen_random_uuid(), $1, sale.id, 1, goods.id, 1, 100, 100, 50, 'Rice', 'RICE-MANY' from sale, goods`, s.ID)
}

// seesTimeLeft follows a report through worker, broker and gateway. It is held up in the middle, where its line items ask for their categories, until the stream has said how long it still takes.
func (s *shop) seesTimeLeft(t *testing.T) {
	t.Helper()
	s.manySales()
	hold, err := s.h.look.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = hold.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = hold.Exec(t.Context(), `lock table inventory.category in access exclusive mode`)
	require.NoError(t, err)

	day := func(back int) string { return time.Now().UTC().AddDate(0, 0, -back).Format(time.DateOnly) }
	a := s.do(http.MethodPost, "/api/v1/reports/sales", map[string]any{"start_date": day(2), "end_date": day(0), "format": "csv"})
	require.Equal(t, http.StatusAccepted, a.Status, a.Text)
	var told, last answer
	s.streamed(t, text(a.at("task_id")), func(e answer) bool {
		if last = e; told.Body == nil && e.at("progress_detail", "seconds_left") != nil {
			told = e
			require.NoError(t, hold.Rollback(t.Context()))
		}
		status := e.at("status")
		return status == "completed" || status == "failed"
	})
	require.Equal(t, []any{"processing", 512.0, 1200.0}, []any{told.at("status"), told.at("progress_detail", "done"), told.at("progress_detail", "total")}, "%v", last.Body)
	require.Positive(t, told.at("progress_detail", "seconds_left"))
	require.Equal(t, []any{"completed", 100.0}, []any{last.at("status"), last.at("progress")})
}
