package api_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
)

// owned is a fingerprint of everything that a business has.
func (g *gateway) owned(business string) (sum string) {
	g.t.Helper()
	rows, err := g.admin.Query(context.Background(), `select table_schema || '.' || table_name from information_schema.columns where column_name = 'tenant_id' order by 1`)
	require.NoError(g.t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(g.t, err)
	for _, name := range names {
		var one string
		require.NoError(g.t, g.admin.QueryRow(context.Background(), fmt.Sprintf(`select coalesce(md5(string_agg(x::text, '|' order by x::text)), '') from %s x where tenant_id = $1`, name), business).Scan(&one))
		sum += name + "=" + one + "\n"
	}
	return sum
}

// Every route that takes an id, in its address or its body, is asked for another business's. It must answer as for one that does not exist, and change nothing.
// A new route of that kind fails here until it says below which id to try it with.
func TestEveryRouteWithAnotherBusinesssIds(t *testing.T) {
	t.Parallel()
	g := open(t)
	ama, kofi := g.register("ama"), g.register("kofi")
	g.verify(ama)
	g.verify(kofi)
	session := g.do("GET", "/api/v1/auth/sessions", ama.access, nil).is(t, 200, "").body["items"].([]any)[0].(map[string]any)["id"].(string)
	invitation, _ := g.invite(ama, map[string]any{"email": "yaa@example.com", "role": "STAFF"})
	task := g.enqueue(ama)
	reference := g.do("POST", purchases, ama.access, map[string]any{"package": "value"}).is(t, 201, "").text("reference")
	month := g.do("POST", subscriptionPayments, ama.access, map[string]any{}).is(t, 201, "").text("reference")
	hers, his := g.stocked(ama), g.stocked(kofi)
	storefront := hers.storefront
	alert := g.do("GET", "/api/v1/stock-alerts", ama.access, nil).is(t, 200, "").body["items"].([]any)[0].(map[string]any)["id"].(string)

	floor, own := g.floor(ama), g.floor(kofi)
	customer := g.do("POST", "/api/v1/customers", ama.access, map[string]any{"name": "Esi Mensah", "phone": "0244 000 111"}).is(t, 201, "").text("id")
	cart := g.cart(ama, floor.storefront, "", line{floor.rice, 2})
	mine := g.cart(kofi, own.storefront, "", line{own.rice, 1})
	notice := g.post(ama, "a")
	report := g.do("POST", "/api/v1/reports/customers", ama.access, map[string]any{}).is(t, 202, "").text("report_id")

	schedule := g.do("POST", schedules, ama.access, map[string]any{"name": "Stock of the week", "kind": "inventory", "frequency": "WEEKLY", "day_of_week": 0}).is(t, 201, "").text("id")
	asked := g.do("POST", "/api/v1/ai/query", ama.access, map[string]any{"question": "What runs low?"}).is(t, 202, "").text("answer_id")
	endpoint := g.do("POST", endpoints, ama.access, map[string]any{"url": "https://hooks.example.com/", "kinds": []string{"sale.completed"}}).is(t, 201, "").text("endpoint", "id")
	delivery := g.do("POST", endpoints+"/"+endpoint+"/test", ama.access, nil).is(t, 202, "").text("delivery", "id")
	invoice := g.invoiced(ama)

	const feature = "product_description"
	charge := g.do("POST", "/api/v1/ai/features/"+feature+"/charge", ama.access, nil).is(t, 201, "").text("charge_id")

	// Which of ama's ids stands in a path, by the path's beginning.
	ids := map[string]string{
		"/api/v1/ai/features/":   charge,
		"/api/v1/ai/answers/":    asked,
		"/api/v1/auth/sessions/": session, "/api/v1/members/": ama.user, "/api/v1/invitations/": invitation, "/api/v1/tasks/": task, "/api/tasks/": task, purchases + "/": reference,
		"/api/v1/subscription/invoices/": invoice,
		subscriptionPayments + "/":       month, "/api/v1/customers/": customer, "/api/v1/sales/": cart.id, "/api/v1/notifications/": notice, "/api/v1/reports/": report, schedules + "/": schedule,
		"/api/v1/warehouses/": hers.warehouse, "/api/v1/storefronts/": hers.storefront, "/api/v1/categories/": hers.category, "/api/v1/suppliers/": hers.supplier, "/api/v1/products/": hers.product,
		"/api/v1/stock-batches/": hers.batch, "/api/v1/stock-items/": hers.item, "/api/v1/stock-adjustments/": hers.adjustment, "/api/v1/transfers/": hers.transfer,
		"/api/v1/stock-alerts/": alert, endpoints + "/": endpoint, deliveries + "/": delivery,
		"/api/v1/imports/": g.upload(ama, "?kind=products", "name,sku\nRice,R1\n").is(t, 202, "").text("import_id"),
	}
	// What is sent where a route wants a body, by operation.
	reason := map[string]any{"reason": "brought back"}
	payment := map[string]any{"amount": "1.00", "method": "CASH"}
	bodies := map[string]any{
		"ChangeWebhookEndpoint": map[string]any{"enabled": false},
		"SnoozeStockAlert":      map[string]any{"until": time.Now().Add(time.Hour).Format(time.RFC3339)},
		"ChangeMember":          map[string]any{"is_active": false}, "CaptureFeatureCharge": map[string]any{}, "ReleaseFeatureCharge": map[string]any{},
		"ChangeCustomer": map[string]any{"name": "Kofi"}, "PayCustomer": payment, "PaySale": payment, "CompleteSale": map[string]any{"payment_type": "CASH"},
		"AddSaleItem": map[string]any{"product_id": own.rice, "quantity": 1}, "ChangeSaleItem": map[string]any{"quantity": 1}, "RefundSale": reason, "CancelSale": reason,
		"ExchangeSale": map[string]any{"reason": "brought back", "items": []any{map[string]any{"item_id": cart.items[0], "quantity": 1}}, "new_items": []any{map[string]any{"product_id": own.rice, "quantity": 1}}},
	}
	for _, op := range []string{"ChangeWarehouse", "ChangeStorefront", "ChangeCategory", "ChangeSupplier", "ChangeProduct"} {
		bodies[op] = map[string]any{"name": "Stolen"}
	}
	for _, op := range []string{"SetWarehouseProduct", "SetStorefrontProduct", "ChangeStockItem"} {
		bodies[op] = map[string]any{"retail_price": "0.01"}
	}
	bodies["ChangeExportSchedule"] = map[string]any{"name": "Stolen"}
	bodies["ChangeStockAdjustment"] = map[string]any{"quantity": 5}
	// What a route that wants it is asked with, instead of being listed.
	queries := map[string]string{
		"/api/v1/ai/credits/verify":  "?reference=" + reference,
		"/api/v1/stock/availability": "?product_id=" + his.product + "&storefront_id=" + hers.storefront,
	}
	// A request that is right but for ama's id, by operation and member of the body.
	fields := map[string]any{
		"CreateInvitation storefront_ids":     map[string]any{"email": "new@example.com", "role": "STAFF", "storefront_ids": []string{storefront}},
		"ChangeMember storefront_ids":         map[string]any{"storefront_ids": []string{storefront}},
		"CreateSale storefront_id":            map[string]any{"storefront_id": floor.storefront},
		"CreateSale customer_id":              map[string]any{"storefront_id": own.storefront, "customer_id": customer},
		"AddSaleItem product_id":              map[string]any{"product_id": floor.rice, "quantity": 1},
		"OpenWarehouse manager_id":            map[string]any{"name": "Annexe", "manager_id": ama.user},
		"OpenStorefront manager_id":           map[string]any{"name": "Annexe", "manager_id": ama.user},
		"ChangeWarehouse manager_id":          map[string]any{"manager_id": ama.user},
		"ChangeStorefront manager_id":         map[string]any{"manager_id": ama.user},
		"AddCategory parent_id":               map[string]any{"name": "Tins", "parent_id": hers.category},
		"ChangeCategory parent_id":            map[string]any{"parent_id": hers.category},
		"AddProduct category_id":              map[string]any{"name": "Tin", "sku": "TIN", "category_id": hers.category},
		"ChangeProduct category_id":           map[string]any{"category_id": hers.category},
		"NotifyStockAlerts product_ids":       map[string]any{"product_ids": []any{hers.product}},
		"CreateStockAdjustment stock_item_id": map[string]any{"stock_item_id": hers.item, "type": "THEFT", "quantity": 1, "reason": "gone"},
		"CreateTransfer source_id":            map[string]any{"source_id": hers.warehouse, "destination_id": his.storefront, "items": []any{map[string]any{"product_id": his.product, "quantity": 1}}},
		"CreateTransfer destination_id":       map[string]any{"source_id": his.warehouse, "destination_id": hers.storefront, "items": []any{map[string]any{"product_id": his.product, "quantity": 1}}},
	}
	fields["AskQuestion storefront_id"] = map[string]any{"question": "What runs low?", "storefront_id": hers.storefront}
	fields["DescribeProduct product_id"] = map[string]any{"product_id": hers.product}
	fields["CreateSalesReport storefront_id"] = map[string]any{"start_date": "2026-01-01", "end_date": "2026-01-31", "storefront_id": hers.storefront}
	fields["AddExportSchedule storefront_id"] = map[string]any{"name": "Sales", "kind": "sales", "frequency": "DAILY", "period": "last_day", "storefront_id": hers.storefront}
	fields["ChangeExportSchedule storefront_id"] = map[string]any{"kind": "sales", "period": "last_day", "storefront_id": hers.storefront}
	// Ids of kofi's own, for the address of a route whose body is tried.
	addresses := map[string]string{"ChangeMember": g.member(kofi, "STAFF", "").String(), "AddSaleItem": mine.id,
		"ChangeWarehouse": his.warehouse, "ChangeStorefront": his.storefront, "ChangeCategory": his.category, "ChangeProduct": his.product,
		"ChangeExportSchedule": g.do("POST", schedules, kofi.access, map[string]any{"name": "Customers", "kind": "customers", "frequency": "DAILY"}).is(t, 201, "").text("id"),
	}

	before := g.owned(ama.business)
	tried := 0
	for path, item := range g.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Extensions["x-permission"] == "public" || platforms(op) {
				continue // nobody's in particular
			}
			path := strings.NewReplacer("{feature}", feature, "{kind}", "products").Replace(path) // codes, the same for all
			if strings.Contains(path, "{") {
				i := slices.IndexFunc(slices.Sorted(maps.Keys(ids)), func(begin string) bool { return strings.HasPrefix(path, begin) })
				require.GreaterOrEqual(t, i, 0, "%s %s takes an id: say which one to try it with", method, path)
				begin := slices.Sorted(maps.Keys(ids))[i]
				if op.RequestBody != nil {
					require.NotNil(t, bodies[op.OperationID], "%s wants a body: say what to send", op.OperationID)
				}
				ask := func(id string) *answer {
					a := g.do(method, strings.NewReplacer("{id}", id, "{reference}", id, "{item_id}", cart.items[0], "{product_id}", his.product).Replace(path), kofi.access, bodies[op.OperationID])
					require.Equal(t, 404, a.StatusCode, "%s %s: %s", method, path, a.raw)
					require.Regexp(t, `(^|_)not_found$`, a.body["code"], "%s %s", method, path)
					delete(a.body, "instance")
					delete(a.body, "request_id")
					return a
				}
				require.Equal(t, ask(uuid.NewString()).body, ask(ids[begin]).body, "%s %s", method, path)
				tried++
			}
			for _, field := range idFields(op) {
				name := op.OperationID + " " + field
				require.NotNil(t, fields[name], "%s takes an id: say what to send", name)
				address := strings.ReplaceAll(path, "{id}", addresses[op.OperationID])
				a := g.do(method, address, kofi.access, fields[name])
				require.Contains(t, []int{404, 422}, a.StatusCode, "%s: %s", name, a.raw)
				require.NotContains(t, string(a.raw), storefront)
				tried++
			}
			for _, p := range op.Parameters {
				if p.Value.In == openapi3.ParameterInQuery && p.Value.Schema.Value.Format == "uuid" && !p.Value.Required { // those are tried below, all together
					if op.OperationID == "CreateImport" { // a file, to ama's storefront
						g.upload(kofi, "?kind=opening_stock&location_id="+floor.storefront, "sku").is(t, 422, "invalid")
						tried++
						continue
					}
					a := g.do(method, path+"?"+p.Value.Name+"="+ama.user, kofi.access, nil).is(t, 200, "")
					require.Empty(t, a.body["items"], "%s %s by another business's %s", method, path, p.Value.Name)
					tried++
				}
			}
		}
	}
	require.Greater(t, tried, 12)
	require.Equal(t, before, g.owned(ama.business))
	g.do("GET", "/api/v1/users/me", ama.access, nil).is(t, 200, "")

	// And no list tells of the other.
	for path, item := range g.doc.Paths.Map() {
		if item.Get == nil || strings.Contains(path, "{") || item.Get.Extensions["x-permission"] == "public" || platforms(item.Get) {
			continue
		}
		if query := queries[path]; query != "" {
			require.Regexp(t, `(^|_)not_found$`, g.do("GET", path+query, kofi.access, nil).is(t, 404, "").body["code"])
			continue
		}
		if permission, _ := item.Get.Extensions["x-permission"].(string); slices.Contains(accounts.PlatformPermissions(), accounts.Permission(permission)) {
			g.do("GET", path, kofi.access, nil).is(t, 403, "permission_missing")
			continue
		}
		a := g.do("GET", path, kofi.access, nil).is(t, 200, "")
		for _, secret := range []string{ama.user, ama.business, session, invitation, task, reference, month, invoice, notice, report, asked, "ama@example.com", "yaa@example.com", customer, cart.id, floor.storefront, "Esi Mensah",
			hers.warehouse, hers.storefront, hers.category, hers.supplier, hers.product, hers.batch, hers.item, hers.adjustment, hers.transfer, alert, schedule, "Stock of the week"} {
			require.NotContains(t, string(a.raw), secret, path)
		}
	}
}

// platforms reports whether an operation is for the platform's own people, who belong to no business. That it is for nobody else see TestEveryRoleOnEveryRoute.
func platforms(op *openapi3.Operation) bool {
	permission, _ := op.Extensions["x-permission"].(string)
	return slices.Contains(accounts.PlatformPermissions(), accounts.Permission(permission))
}

// idFields names the members of an operation's body that are ids, or lists of them.
func idFields(op *openapi3.Operation) (names []string) {
	if op.RequestBody == nil || op.RequestBody.Value.Content.Get("application/json") == nil {
		return nil
	}
	for name, p := range op.RequestBody.Value.Content.Get("application/json").Schema.Value.Properties {
		schema := p.Value
		if schema.Items != nil {
			schema = schema.Items.Value
		}
		if schema.Format == "uuid" {
			names = append(names, name)
		}
	}
	return names
}
