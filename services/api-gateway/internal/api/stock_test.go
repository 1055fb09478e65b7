package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
	"makola/services/api-gateway/internal/once"
)

// goods are the ids of one of everything that a shop's inventory has.
type goods struct {
	warehouse, storefront, category, supplier, product, batch, item, adjustment, transfer string
}

// stocked gives the shop 40 units of milk in a warehouse and 5 at a storefront, an adjustment that waits and a transfer that is planned.
func (g *gateway) stocked(s shop) (w goods) {
	g.t.Helper()
	make := func(path string, body map[string]any) *answer {
		g.t.Helper()
		return g.do("POST", "/api/v1/"+path, s.access, body).is(g.t, 201, "")
	}
	w.warehouse = make("warehouses", map[string]any{"name": "Depot"}).text("id")
	w.storefront = make("storefronts", map[string]any{"name": "Makola Road"}).text("id")
	w.category = make("categories", map[string]any{"name": "Dairy"}).text("id")
	w.supplier = make("suppliers", map[string]any{"name": "Fan Milk", "phone": "+233201234567"}).text("id")
	w.product = make("products", map[string]any{"name": "Milk 1 l", "sku": "MILK-1", "barcode": "6001234567890", "category_id": w.category}).text("id")
	a := make("stock-batches", map[string]any{"items": []any{
		w.line("quantity", 40), map[string]any{"product_id": w.product, "location_id": w.storefront, "quantity": 5, "unit_cost": "10.00", "retail_price": "15.00"},
	}})
	w.batch = a.text("id")
	for _, i := range a.body["items"].([]any) {
		if item := i.(map[string]any); item["location_id"] == w.warehouse {
			w.item = item["id"].(string)
		}
	}
	w.adjustment = make("stock-adjustments", map[string]any{"stock_item_id": w.item, "type": "DAMAGE", "quantity": 2, "reason": "fell"}).text("id")
	w.transfer = make("transfers", map[string]any{"source_id": w.warehouse, "destination_id": w.storefront, "items": []any{map[string]any{"product_id": w.product, "quantity": 10}}}).text("id")
	return w
}

// line is one item of a delivery to the warehouse, with one member changed.
func (w goods) line(member string, v any) map[string]any {
	l := map[string]any{
		"product_id": w.product, "location_id": w.warehouse, "supplier_id": w.supplier, "quantity": 40, "unit_cost": "10.00", "unit_tax": "0.50", "unit_additional_cost": "0.25",
		"retail_price": "15.00", "wholesale_price": "13.00",
	}
	l[member] = v
	return l
}

func TestADeliveryIsAdjustedMovedAndAccountedFor(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	w := g.stocked(s)
	get := func(path string) map[string]any {
		return g.do("GET", "/api/v1/"+path, s.access, nil).is(t, 200, "").body
	}
	first := func(path string) map[string]any { return get(path)["items"].([]any)[0].(map[string]any) }

	item := first("stock-items?location_id=" + w.warehouse)
	require.Equal(t, []any{"10.75", "15.00", "13.00", 40.0}, []any{item["landed_unit_cost"], item["retail_price"], item["wholesale_price"], item["on_hand"]})
	require.Len(t, get("stock-batches/" + w.batch)["items"], 2)
	require.EqualValues(t, 2, first("stock-batches")["item_count"])

	// Alone in the business, the owner approves what she entered.
	approve := "/api/v1/stock-adjustments/" + w.adjustment + "/approve"
	a := g.do("POST", approve, s.access, nil, once.Header, "k").is(t, 200, "")
	require.Equal(t, []any{"COMPLETED", -2.0, 40.0, "21.50"}, []any{a.body["status"], a.body["quantity"], a.body["quantity_before"], a.body["total_cost"]})
	require.Equal(t, "true", g.do("POST", approve, s.access, nil, once.Header, "k").is(t, 200, "").Header.Get(once.Replayed))
	g.do("POST", approve, s.access, nil).is(t, 409, "stock_adjustment_not_pending")
	g.do("PATCH", "/api/v1/stock-adjustments/"+w.adjustment, s.access, map[string]any{"quantity": 1}).is(t, 409, "stock_adjustment_not_pending")

	transfer := "/api/v1/transfers/" + w.transfer
	g.do("POST", transfer+"/complete", s.access, nil).is(t, 409, "transfer_not_dispatched")
	for range 2 { // the second time changes nothing
		require.Equal(t, "in_transit", g.do("POST", transfer+"/dispatch", s.access, nil).is(t, 200, "").text("status"))
	}
	require.EqualValues(t, 28+5, get("products/" + w.product)["product"].(map[string]any)["on_hand"], "what is on the road is nowhere")
	for range 2 {
		require.Equal(t, "completed", g.do("POST", transfer+"/complete", s.access, nil).is(t, 200, "").text("status"))
	}
	g.do("POST", transfer+"/cancel", s.access, nil).is(t, 409, "transfer_ended")
	moved := first("stock-items?in_stock=true&location_id=" + w.storefront)
	require.Equal(t, []any{w.item, w.batch, 10.0, "10.75"}, []any{moved["source_item_id"], moved["batch_id"], moved["on_hand"], moved["landed_unit_cost"]})

	available := get("stock/availability?product_id=" + w.product + "&storefront_id=" + w.storefront)
	require.Equal(t, []any{15.0, 0.0, 15.0, "15.00"}, []any{available["on_hand"], available["reserved"], available["available"], available["retail_price"]})
	lines := get("stock-movements?limit=100")["items"].([]any)
	var got []string
	for _, l := range lines {
		m := l.(map[string]any)
		got = append(got, fmt.Sprintf("%v %v: %v %v %v", m["kind"], m["location_name"], m["before"], m["change"], m["after"]))
	}
	require.Equal(t, []string{"TRANSFER_IN Makola Road: 5 10 15", "TRANSFER_OUT Depot: 38 -10 28", "ADJUSTMENT Depot: 40 -2 38"}, got[:3])
	require.ElementsMatch(t, []string{"INTAKE Depot: 0 40 40", "INTAKE Makola Road: 0 5 5"}, got[3:])
	require.Len(t, get("stock-movements?kind=ADJUSTMENT&product_id=" + w.product + "&location_id=" + w.warehouse + "&from=2026-01-01T00:00:00Z&to=2126-01-01T00:00:00Z")["items"], 1)
	require.Equal(t, "completed", first("transfers?status=completed")["status"])
	require.Equal(t, "completed", get("transfers/" + w.transfer)["status"])
	require.Equal(t, "COMPLETED", get("stock-adjustments/" + w.adjustment)["status"])
	require.Len(t, get("stock-adjustments?status=COMPLETED&stock_item_id=" + w.item)["items"], 1)
	for _, action := range []string{"adjustment.created", "adjustment.completed", "transfer.created", "transfer.dispatched", "TRANSFER"} {
		require.Equal(t, 1, g.count(`select count(*) from audit.entry where action = $1 and tenant_id = $2 and actor = 'ama@example.com'`, action, s.business), action)
	}
}

func TestADeliveryIsTakenInWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, other := g.register("ama"), g.register("kofi")
	w, theirs := g.stocked(s), g.stocked(other)
	before := g.owned(s.business)
	const path = "/api/v1/stock-batches"
	for name, tc := range map[string]struct {
		member string
		v      any
		faults []string
	}{
		"nothing":                    {"quantity", 0, []string{"/items/1/quantity too_small"}},
		"less than nothing":          {"quantity", -3, []string{"/items/1/quantity too_small"}},
		"a part":                     {"quantity", 1.5, []string{"/items/1/quantity wrong_type"}},
		"as text":                    {"quantity", "3", []string{"/items/1/quantity wrong_type"}},
		"too many":                   {"quantity", 1_000_000_001, []string{"/items/1/quantity too_large"}},
		"a cost as a number":         {"unit_cost", 10, []string{"/items/1/unit_cost wrong_type"}},
		"a negative cost":            {"unit_cost", "-1.00", []string{"/items/1/unit_cost invalid"}},
		"a cost of three places":     {"unit_cost", "1.001", []string{"/items/1/unit_cost invalid"}},
		"a cost in another notation": {"unit_cost", "1e3", []string{"/items/1/unit_cost invalid"}},
		"a cost beyond all":          {"unit_cost", "10000000.01", []string{"/items/1/unit_cost out_of_range"}},
		"a price beyond 64 bits":     {"retail_price", "99999999999999999999", []string{"/items/1/retail_price invalid"}},
		"a day that is none":         {"expiry_date", "2026-02-31", []string{"/items/1/expiry_date invalid"}},
		"a day long past":            {"expiry_date", "2020-01-01", []string{"/items/1/expiry_date before_arrival"}},
		"a product of nobody":        {"product_id", uuid.NewString(), []string{"/items/1/product_id unknown"}},
		"another's product":          {"product_id", theirs.product, []string{"/items/1/product_id unknown"}},
		"another's warehouse":        {"location_id", theirs.warehouse, []string{"/items/1/location_id unknown"}},
		"another's supplier":         {"supplier_id", theirs.supplier, []string{"/items/1/supplier_id unknown"}},
		"an unknown member":          {"qty", 1, []string{"/items/1/qty unknown"}},
		"the same line again":        {"wholesale_price", "12.00", []string{"/items/1 duplicate"}},
	} {
		a := g.do("POST", path, s.access, map[string]any{"items": []any{w.line("quantity", 1), w.line(tc.member, tc.v)}}).is(t, 422, "invalid")
		require.Equal(t, tc.faults, a.faults(), name)
		require.NotContains(t, string(a.raw), theirs.product)
	}
	g.do("POST", path, s.access, strings.Replace(`{"items":[{"product_id":"P","location_id":"L","quantity":1e400,"unit_cost":"1","retail_price":"1"}]}`, "P", w.product, 1)).is(t, 422, "invalid")
	require.Equal(t, []string{"/items invalid"}, g.do("POST", path, s.access, map[string]any{"items": []any{}}).is(t, 422, "invalid").faults())
	many := make([]any, 501)
	for i := range many {
		many[i] = w.line("quantity", i+1)
	}
	g.do("POST", path, s.access, map[string]any{"items": many}).is(t, 422, "invalid")
	require.Equal(t, []string{"/arrival_date in_future"},
		g.do("POST", path, s.access, map[string]any{"arrival_date": "2126-01-01", "items": []any{w.line("quantity", 1)}}).is(t, 422, "invalid").faults())
	g.do("PATCH", "/api/v1/products/"+w.product, s.access, map[string]any{"is_active": false}).is(t, 200, "")
	require.Equal(t, []string{"/items/0/product_id inactive"}, g.do("POST", path, s.access, map[string]any{"items": []any{w.line("quantity", 1)}}).is(t, 422, "invalid").faults())
	g.do("PATCH", "/api/v1/products/"+w.product, s.access, map[string]any{"is_active": true}).is(t, 200, "")
	strip := func(sum string) (kept []string) { // the product was changed and back: that is in the log, and its alert ended and began again
		for _, line := range strings.Split(sum, "\n") {
			if !strings.HasPrefix(line, "audit.entry=") && !strings.HasPrefix(line, "inventory.product=") && !strings.HasPrefix(line, "inventory.stock_alert=") && !strings.HasPrefix(line, "gateway.") {
				kept = append(kept, line)
			}
		}
		return kept
	}
	require.Equal(t, strip(before), strip(g.owned(s.business)))

	// Five hundred items at once, under one key, are there once.
	for i := range many[:500] {
		many[i] = w.line("unit_cost", fmt.Sprintf("%d.00", i+1))
	}
	body := map[string]any{"reference": "PO-7", "items": many[:500]}
	id := g.do("POST", path, s.access, body, once.Header, "d").is(t, 201, "").text("id")
	require.Equal(t, id, g.do("POST", path, s.access, body, once.Header, "d").is(t, 201, "").text("id"))
	require.Equal(t, 40+500*40, g.count(`select on_hand from inventory.stock_level where tenant_id = $1 and location_id = $2`, s.business, w.warehouse))
}

func TestWhoApprovesIsSomebodyElse(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	w := g.stocked(s)
	manager, cashier := g.token(s, accounts.Manager, time.Now()), g.token(s, accounts.Staff, time.Now())
	at := "/api/v1/stock-adjustments/" + w.adjustment
	g.do("POST", at+"/approve", s.access, nil).is(t, 403, "own_adjustment")
	g.do("POST", at+"/approve", cashier, nil).is(t, 403, "permission_missing")
	require.Equal(t, 40, g.count(`select on_hand from inventory.stock_item where id = $1`, w.item))
	a := g.do("PATCH", at, s.access, map[string]any{"type": "THEFT", "quantity": 41, "reason": "all gone", "unit_cost": "1.00", "reference": "police 7"}).is(t, 200, "")
	require.Equal(t, []any{"THEFT", -41.0, "41.00"}, []any{a.body["type"], a.body["quantity"], a.body["total_cost"]})
	short := g.do("POST", at+"/approve", manager, nil).is(t, 409, "insufficient_stock")
	require.Contains(t, string(short.raw), "available 40, requested 41")
	require.Equal(t, 40, g.count(`select on_hand from inventory.stock_item where id = $1`, w.item))
	g.do("PATCH", at, s.access, map[string]any{"quantity": -40}).is(t, 200, "")
	require.Equal(t, "COMPLETED", g.do("POST", at+"/approve", manager, nil).is(t, 200, "").text("status"))
	require.Zero(t, g.count(`select on_hand from inventory.stock_item where id = $1`, w.item))

	made := g.do("POST", "/api/v1/stock-adjustments", s.access, map[string]any{"stock_item_id": w.item, "type": "FOUND", "quantity": -3, "reason": "behind the shelf"}).is(t, 201, "")
	require.EqualValues(t, 3, made.body["quantity"], "what is found is more, whatever its sign")
	at = "/api/v1/stock-adjustments/" + made.text("id")
	g.do("POST", at+"/reject", cashier, nil).is(t, 403, "permission_missing")
	require.Equal(t, "REJECTED", g.do("POST", at+"/reject", s.access, nil).is(t, 200, "").text("status"), "turning down one's own needs nobody")
	g.do("POST", at+"/approve", manager, nil).is(t, 409, "stock_adjustment_not_pending")
	require.Zero(t, g.count(`select on_hand from inventory.stock_item where id = $1`, w.item))
	for body, want := range map[string]string{
		`{"stock_item_id":"` + w.item + `","type":"THEFT","quantity":0,"reason":"x"}`:          "/quantity out_of_range",
		`{"stock_item_id":"` + w.item + `","type":"THEFT","quantity":0.5,"reason":"x"}`:        "/quantity wrong_type",
		`{"stock_item_id":"` + w.item + `","type":"MAGIC","quantity":1,"reason":"x"}`:          "/type not_allowed",
		`{"stock_item_id":"` + w.item + `","type":"THEFT","quantity":1,"reason":" "}`:          "/reason invalid",
		`{"stock_item_id":"` + uuid.NewString() + `","type":"LOSS","quantity":1,"reason":"x"}`: "/stock_item_id unknown",
	} {
		require.Equal(t, []string{want}, g.do("POST", "/api/v1/stock-adjustments", s.access, body).is(t, 422, "invalid").faults(), body)
	}
}

func TestATransferThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	g := open(t)
	s, other := g.register("ama"), g.register("kofi")
	w, theirs := g.stocked(s), g.stocked(other)
	plan := func(source, destination, product string, quantity int64) map[string]any {
		return map[string]any{"source_id": source, "destination_id": destination, "items": []any{map[string]any{"product_id": product, "quantity": quantity}}}
	}
	for name, tc := range map[string]struct {
		body   map[string]any
		faults []string
	}{
		"to itself":                 {plan(w.warehouse, w.warehouse, w.product, 1), []string{"/destination_id same"}},
		"out of a storefront":       {plan(w.storefront, w.warehouse, w.product, 1), []string{"/source_id unknown"}},
		"out of another's":          {plan(theirs.warehouse, w.storefront, w.product, 1), []string{"/source_id unknown"}},
		"into another's":            {plan(w.warehouse, theirs.storefront, w.product, 1), []string{"/destination_id unknown"}},
		"of another's product":      {plan(w.warehouse, w.storefront, theirs.product, 1), []string{"/items/0/product_id unknown"}},
		"of a place":                {plan(w.warehouse, w.storefront, w.storefront, 1), []string{"/items/0/product_id unknown"}},
		"of nothing":                {plan(w.warehouse, w.storefront, w.product, 0), []string{"/items/0/quantity too_small"}},
		"of the same product twice": {map[string]any{"source_id": w.warehouse, "destination_id": w.storefront, "items": []any{map[string]any{"product_id": w.product, "quantity": 1}, map[string]any{"product_id": w.product, "quantity": 1}}}, []string{"/items/1/product_id duplicate"}},
		"of another type":           {map[string]any{"type": "W2W", "source_id": w.warehouse, "destination_id": w.storefront, "items": []any{map[string]any{"product_id": w.product, "quantity": 1}}}, []string{"/type mismatch"}},
	} {
		require.Equal(t, tc.faults, g.do("POST", "/api/v1/transfers", s.access, tc.body).is(t, 422, "invalid").faults(), name)
	}
	// A line that is short keeps all of it back.
	rice := g.do("POST", "/api/v1/products", s.access, map[string]any{"name": "Rice", "sku": "RICE"}).is(t, 201, "").text("id")
	body := plan(w.warehouse, w.storefront, w.product, 40)
	body["items"] = append(body["items"].([]any), map[string]any{"product_id": rice, "quantity": 1})
	id := g.do("POST", "/api/v1/transfers", s.access, body, once.Header, "t").is(t, 201, "").text("id")
	require.Equal(t, id, g.do("POST", "/api/v1/transfers", s.access, body, once.Header, "t").is(t, 201, "").text("id"))
	g.do("POST", "/api/v1/transfers/"+id+"/dispatch", s.access, nil).is(t, 409, "insufficient_stock")
	require.Equal(t, 40, g.count(`select on_hand from inventory.stock_item where id = $1`, w.item))
	require.Equal(t, "cancelled", g.do("POST", "/api/v1/transfers/"+id+"/cancel", s.access, nil).is(t, 200, "").text("status"))
	g.do("POST", "/api/v1/transfers/"+id+"/dispatch", s.access, nil).is(t, 409, "transfer_ended")
	// One that is cancelled on the road comes back.
	g.do("POST", "/api/v1/transfers/"+w.transfer+"/dispatch", s.access, nil).is(t, 200, "")
	for range 2 {
		require.Equal(t, "cancelled", g.do("POST", "/api/v1/transfers/"+w.transfer+"/cancel", s.access, nil).is(t, 200, "").text("status"))
	}
	require.Equal(t, 40, g.count(`select on_hand from inventory.stock_item where id = $1`, w.item))
	g.do("POST", "/api/v1/transfers/"+w.transfer+"/complete", s.access, nil).is(t, 409, "transfer_ended")
	cashier := g.token(s, accounts.Staff, time.Now())
	g.do("POST", "/api/v1/transfers", cashier, plan(w.warehouse, w.storefront, w.product, 1)).is(t, 201, "")
	g.do("POST", "/api/v1/transfers/"+w.transfer+"/complete", cashier, nil).is(t, 403, "permission_missing")
}

func TestPlacesCategoriesAndSuppliersAreKeptInOrder(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	w := g.stocked(s)
	do := func(method, path string, body any) *answer { return g.do(method, "/api/v1/"+path, s.access, body) }
	for path, id := range map[string]string{"warehouses": w.warehouse, "storefronts": w.storefront, "categories": w.category, "suppliers": w.supplier} {
		do("DELETE", path+"/"+id, nil).is(t, 409, "in_use")
		first := do("GET", path, nil).is(t, 200, "").body["items"].([]any)[0].(map[string]any)
		do("POST", path, map[string]any{"name": strings.ToUpper(first["name"].(string))}).is(t, 409, "name_taken")
		do("PATCH", path+"/"+id, map[string]any{"name": "Renamed"}).is(t, 200, "")
		spare := do("POST", path, map[string]any{"name": "Spare"}).is(t, 201, "").text("id")
		do("PATCH", path+"/"+spare, map[string]any{"name": "renamed"}).is(t, 409, "name_taken")
		require.Len(t, do("GET", path, nil).is(t, 200, "").body["items"], 2)
		page := do("GET", path+"?limit=1", nil).is(t, 200, "")
		next := do("GET", path+"?limit=1&cursor="+page.text("next_cursor"), nil).is(t, 200, "")
		require.Equal(t, id, next.body["items"].([]any)[0].(map[string]any)["id"])
		require.Nil(t, next.body["next_cursor"])
		do("DELETE", path+"/"+spare, nil).is(t, 204, "")
		do("DELETE", path+"/"+spare, nil).is(t, 404, "")
		do("PATCH", path+"/"+id, map[string]any{}).is(t, 422, "invalid")
	}
	do("DELETE", "warehouses/"+w.storefront, nil).is(t, 404, "location_not_found")
	do("POST", "warehouses", map[string]any{"name": "X", "code": "DEPOT"}).is(t, 409, "code_taken")
	do("PATCH", "suppliers/"+w.supplier, map[string]any{"is_active": false, "email": "a@b.cc", "contact": "Kojo"}).is(t, 200, "")

	// Categories are a tree.
	parent := w.category
	for _, name := range []string{"Cold", "Sour"} {
		parent = do("POST", "categories", map[string]any{"name": name, "parent_id": parent}).is(t, 201, "").text("id")
	}
	do("PATCH", "categories/"+w.category, map[string]any{"parent_id": parent}).is(t, 409, "category_cycle")
	do("PATCH", "categories/"+w.category, map[string]any{"parent_id": w.category}).is(t, 409, "category_cycle")
	root := do("PATCH", "categories/"+parent, map[string]any{"parent_id": uuid.Nil.String()}).is(t, 200, "")
	require.Nil(t, root.body["parent_id"])
	do("PATCH", "categories/"+w.category, map[string]any{"parent_id": parent}).is(t, 200, "")

	// A storefront is sold in by its code, has a manager who works here, and is paid for.
	front := do("PATCH", "storefronts/"+w.storefront, map[string]any{"code": "MAIN", "manager_id": s.user, "address": "Accra"}).is(t, 200, "")
	require.Equal(t, []any{"MAIN", s.user}, []any{front.body["code"], front.body["manager_id"]})
	require.Nil(t, do("PATCH", "storefronts/"+w.storefront, map[string]any{"manager_id": uuid.Nil.String()}).is(t, 200, "").body["manager_id"])
	for i := range 4 {
		do("POST", "storefronts", map[string]any{"name": fmt.Sprintf("Branch %d", i)}).is(t, 201, "")
	}
	do("POST", "storefronts", map[string]any{"name": "One too many"}).is(t, 409, "storefront_limit")
	do("PATCH", "storefronts/"+w.storefront, map[string]any{"is_active": false}).is(t, 200, "")
	do("POST", "storefronts", map[string]any{"name": "In its place"}).is(t, 201, "")
	do("PATCH", "storefronts/"+w.storefront, map[string]any{"is_active": true}).is(t, 409, "storefront_limit")
	g.exec(`update billing.subscription set status = 'ACTIVE', is_trial = false, storefronts = 6 where tenant_id = $1`, s.business)
	do("PATCH", "storefronts/"+w.storefront, map[string]any{"is_active": true}).is(t, 200, "")
	require.Equal(t, map[int]int{409: 8}, g.together(8, "POST", "/api/v1/storefronts", s.access, map[string]any{"name": "Seventh"}))
	g.exec(`update billing.subscription set storefronts = 7 where tenant_id = $1`, s.business)
	require.Equal(t, map[int]int{201: 1, 409: 7}, g.together(8, "POST", "/api/v1/storefronts", s.access, map[string]any{"name": "Seventh"}))
	g.exec(`update billing.subscription set period_start = now() - interval '1 year', period_end = now() - interval '30 days' where tenant_id = $1`, s.business)
	do("POST", "storefronts", map[string]any{"name": "Eighth"}).is(t, 402, "subscription_required")
	do("POST", "stock-batches", map[string]any{"items": []any{w.line("quantity", 1)}}).is(t, 402, "subscription_required")
}

// An invitation names storefronts that the inventory has.
func TestMembersAreAssignedToStorefrontsThatExist(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	g.verify(s)
	w := g.stocked(s)
	member := g.member(s, "STAFF", "").String()
	a := g.do("PATCH", "/api/v1/members/"+member, s.access, map[string]any{"storefront_ids": []string{w.storefront}}).is(t, 200, "")
	require.Equal(t, []any{w.storefront}, a.body["storefronts"].(map[string]any)["ids"])
	g.do("PATCH", "/api/v1/members/"+member, s.access, map[string]any{"storefront_ids": []string{w.warehouse}}).is(t, 422, "invalid")
	g.invite(s, map[string]any{"email": "yaa@example.com", "role": "STAFF", "storefront_ids": []string{w.storefront}})
}

func TestProductsAreFoundByWhatIsAsked(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	w := g.stocked(s)
	add := func(body map[string]any) string {
		return g.do("POST", "/api/v1/products", s.access, body).is(t, 201, "").text("id")
	}
	sub := g.do("POST", "/api/v1/categories", s.access, map[string]any{"name": "Yoghurt", "parent_id": w.category}).is(t, 201, "").text("id")
	add(map[string]any{"name": "100% Juice", "sku": "J_1", "unit": "bottle", "reorder_level": 3})
	add(map[string]any{"name": "Yoghurt", "sku": "YOG", "category_id": sub})
	names := func(query string) (list []string) {
		t.Helper()
		for _, p := range g.do("GET", "/api/v1/products?"+query, s.access, nil).is(t, 200, "").body["items"].([]any) {
			list = append(list, p.(map[string]any)["sku"].(string))
		}
		return list
	}
	for query, want := range map[string][]string{
		"":                          {"J_1", "MILK-1", "YOG"},
		"q=MIL":                     {"MILK-1"},
		"q=l":                       {"MILK-1"},
		"q=123456":                  {"MILK-1"},
		"q=%25":                     {"J_1"},
		"q=_":                       {"J_1"},
		"q=%5C":                     nil,
		"q=zzz":                     nil,
		"barcode=6001234567890":     {"MILK-1"},
		"barcode=600":               nil,
		"category_id=" + w.category: {"MILK-1", "YOG"},
		"category_id=" + sub:        {"YOG"},
		"status=OUT_OF_STOCK":       {"J_1", "YOG"},
		"status=IN_STOCK":           {"MILK-1"},
		"status=LOW_STOCK":          nil,
		"status=LOW_STOCK&location_id=" + w.storefront:    {"MILK-1"},
		"status=IN_STOCK&location_id=" + w.warehouse:      {"MILK-1"},
		"status=OUT_OF_STOCK&location_id=" + w.storefront: {"J_1", "YOG"},
		"active=false":                    nil,
		"location_id=" + uuid.NewString(): nil,
	} {
		require.Equal(t, want, names(query), query)
	}
	page := g.do("GET", "/api/v1/products?limit=2", s.access, nil).is(t, 200, "")
	require.Equal(t, []string{"YOG"}, names("cursor="+page.text("next_cursor")))

	// A place has its own price and threshold.
	level := "/api/v1/storefronts/" + w.storefront + "/products/" + w.product
	a := g.do("PATCH", level, s.access, map[string]any{"reorder_level": 2, "retail_price": "16.50", "wholesale_price": "14.00"}).is(t, 200, "")
	require.Equal(t, []any{"IN_STOCK", 2.0, "16.50", "14.00", 5.0}, []any{a.body["status"], a.body["threshold"], a.body["retail_price"], a.body["wholesale_price"], a.body["on_hand"]})
	a = g.do("PATCH", level, s.access, map[string]any{"reorder_level": -1, "wholesale_price": ""}).is(t, 200, "")
	require.Equal(t, []any{"LOW_STOCK", 10.0, nil, nil}, []any{a.body["status"], a.body["threshold"], a.body["reorder_level"], a.body["wholesale_price"]})
	yoghurt := g.do("GET", "/api/v1/products?q=yog", s.access, nil).body["items"].([]any)[0].(map[string]any)["id"].(string)
	level = "/api/v1/warehouses/" + w.warehouse + "/products/" + yoghurt
	require.Equal(t, []string{"/retail_price required"}, g.do("PATCH", level, s.access, map[string]any{"reorder_level": 1}).is(t, 422, "invalid").faults())
	require.Equal(t, "OUT_OF_STOCK", g.do("PATCH", level, s.access, map[string]any{"retail_price": "4.00"}).is(t, 200, "").text("status"))
	require.Equal(t, []string{"/retail_price out_of_range"}, g.do("PATCH", level, s.access, map[string]any{"retail_price": "10000000.01"}).is(t, 422, "invalid").faults())
	g.do("PATCH", "/api/v1/warehouses/"+w.warehouse+"/products/"+uuid.NewString(), s.access, map[string]any{"retail_price": "4.00"}).is(t, 404, "product_not_found")

	g.do("POST", "/api/v1/products", s.access, map[string]any{"name": "Copy", "sku": "milk-1"}).is(t, 409, "sku_taken")
	g.do("PATCH", "/api/v1/products/"+yoghurt, s.access, map[string]any{"sku": "MILK-1"}).is(t, 409, "sku_taken")
	a = g.do("PATCH", "/api/v1/products/"+w.product, s.access, map[string]any{"barcode": "", "category_id": uuid.Nil.String(), "reorder_level": 40, "alerts_muted": true}).is(t, 200, "")
	require.Equal(t, []any{nil, nil, 40.0, true, "IN_STOCK"}, []any{a.body["barcode"], a.body["category_id"], a.body["reorder_level"], a.body["alerts_muted"], a.body["status"]})
	detail := g.do("GET", "/api/v1/products/"+w.product, s.access, nil).is(t, 200, "")
	require.Len(t, detail.body["levels"], 2)
}

func TestAnItemIsCorrectedOnlyUntilItMoves(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	w := g.stocked(s)
	at := "/api/v1/stock-items/" + w.item
	a := g.do("PATCH", at, s.access, map[string]any{"quantity": 12, "retail_price": "17.00", "wholesale_price": ""}).is(t, 200, "")
	require.Equal(t, []any{12.0, 12.0, "17.00", nil}, []any{a.body["quantity_received"], a.body["on_hand"], a.body["retail_price"], a.body["wholesale_price"]})
	require.Equal(t, 17_00, g.count(`select retail_price_minor from inventory.stock_level where tenant_id = $1 and location_id = $2`, s.business, w.warehouse))
	require.Equal(t, -28, g.count(`select delta from inventory.movement where source_type = 'stock_item' and source_id = $1`, w.item))
	for _, n := range []any{0, -1, 1.5, "3"} {
		g.do("PATCH", at, s.access, map[string]any{"quantity": n}).is(t, 422, "invalid")
	}
	g.do("PATCH", at, s.access, map[string]any{"retail_price": "1.999"}).is(t, 422, "invalid")
	g.do("POST", "/api/v1/transfers/"+w.transfer+"/dispatch", s.access, nil).is(t, 200, "")
	g.do("PATCH", at, s.access, map[string]any{"quantity": 13}).is(t, 409, "stock_item_moved")
	g.do("PATCH", at, s.access, map[string]any{"retail_price": "18.00"}).is(t, 200, "")
	require.Equal(t, 2, g.count(`select on_hand from inventory.stock_item where id = $1`, w.item))
	require.Equal(t, []string{"expiring_before invalid"}, g.do("GET", "/api/v1/stock-items?expiring_before=2026-02-31", s.access, nil).is(t, 422, "invalid").faults())
	soon := map[string]any{"items": []any{w.line("expiry_date", "2126-01-31")}}
	g.do("POST", "/api/v1/stock-batches", s.access, soon).is(t, 201, "")
	require.Len(t, g.do("GET", "/api/v1/stock-items?expiring_before=2126-02-01&product_id="+w.product, s.access, nil).is(t, 200, "").body["items"], 1)
}
