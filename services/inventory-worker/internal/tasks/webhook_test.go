package tasks_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/imports"
	"makola/pkg/webhooks"
)

// low are the SKUs of each event stock.low of a shop, the first one first.
func (w *worker) low(s *shop) (events [][]string) {
	w.t.Helper()
	for _, raw := range w.text(`select v.body from webhooks.event v join webhooks.delivery d on d.tenant_id = v.tenant_id and d.event_id = v.id
		join task.task t on t.tenant_id = d.tenant_id and t.args ->> 'delivery_id' = d.id::text where v.tenant_id = $1 and v.kind = 'stock.low' order by v.id`, s.id) {
		var body struct {
			Data webhooks.StockLow `json:"data"`
		}
		require.NoError(w.t, json.Unmarshal([]byte(raw), &body))
		var skus []string
		for _, i := range body.Data.Items {
			require.NotEmpty(w.t, i.Name+i.Location)
			skus = append(skus, i.SKU+" "+i.Type)
		}
		events = append(events, skus)
	}
	return events
}

func (w *worker) listen(s *shop) {
	w.t.Helper()
	w.exec(`insert into webhooks.endpoint (tenant_id, id, url, kinds, secret, created_by) values ($1, gen_random_uuid(), 'https://hooks.example.com/', '{stock.low}', '', $2)`, s.id, s.owner)
}

func TestWhatTheSweepFindsLowIsToldOnceAndAHundredAtATime(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s, silent := openShop(t, w.look, "shop"), openShop(t, w.look, "silent")
	w.listen(s)
	silent.stock(silent.product("milk", 10), silent.place, 5, 999)
	for i := range 2*webhooks.MostLow + 1 {
		s.stock(s.product(fmt.Sprintf("p%03d", i), 10), s.place, 5, 999)
	}
	w.check(silent)
	require.EqualValues(t, 2*webhooks.MostLow+1, w.check(s).GetOpened())
	require.Zero(t, w.check(s).GetOpened())
	var sizes []int
	seen := map[string]bool{}
	for _, e := range w.low(s) {
		sizes = append(sizes, len(e))
		for _, sku := range e {
			seen[sku] = true
		}
	}
	require.Equal(t, []int{100, 100, 1}, sizes)
	require.Len(t, seen, 2*webhooks.MostLow+1)
	require.Empty(t, w.low(silent))
	require.Equal(t, 3, w.count(`select count(*) from webhooks.event`))
}

func TestStockThatRisesFromNothingToLittleIsNoNews(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	w.listen(s)
	item := s.stock(s.product("milk", 10), s.place, 11, 999)
	for _, step := range []struct {
		delta int64
		kind  string
	}{{-11, "SALE"}, {5, "REFUND"}, {20, "REFUND"}, {-20, "SALE"}} {
		s.move(item, step.delta, step.kind, 0)
		w.check(s)
	}
	require.Len(t, w.low(s), 2)
	require.True(t, strings.HasSuffix(w.low(s)[0][0], " OUT_OF_STOCK"))
	require.True(t, strings.HasSuffix(w.low(s)[1][0], " LOW_STOCK"), "the second crossing, not the first recovery")
}

func TestWhatAFileBringsTooLittleOfIsTold(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	w.listen(s)
	s.product("milk", 10)
	r, faults := w.bring(s, imports.Import{Kind: imports.OpeningStock, Location: s.place}, "sku,quantity,unit_cost,retail_price\nsku-milk,5,1,2\n")
	require.Empty(t, faults)
	require.Equal(t, "completed", r.GetStatus())
	require.Equal(t, [][]string{{"SKU-milk LOW_STOCK"}}, w.low(s))
}
