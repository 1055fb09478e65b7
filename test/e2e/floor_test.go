package e2e

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// openFloor runs what a shop floor needs. The gateway admits requests as fast as a test makes them.
func openFloor(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	gateway := h.Start("api-gateway", "RATE_REQUESTS_PER_SECOND=1000")
	var all []*stack.Process
	for _, name := range []string{"mail-viewer", "inventory-worker", "notifier"} {
		all = append(all, h.Start(name))
	}
	stack.Ready(t, append(all, gateway)...)
	return h
}

// must calls the API, with a key of its own, and fails the test unless the answer has the status.
func (s *shop) must(status int, method, path string, body any) answer {
	s.h.t.Helper()
	a := s.do(method, "/api/v1/"+path, body, "Idempotency-Key", uuid.NewString())
	require.Equal(s.h.t, status, a.Status, "%s %s: %s", method, path, a.Text)
	return a
}

// make creates something and returns its id.
func (s *shop) make(path string, body map[string]any) string {
	s.h.t.Helper()
	return text(s.must(http.StatusCreated, http.MethodPost, path, body).at("id"))
}

// change does something to what exists already.
func (s *shop) change(path string, body any) answer {
	s.h.t.Helper()
	return s.must(http.StatusOK, http.MethodPost, path, body)
}

// list reads the items of a list that fits one page.
func (s *shop) list(path string) (items []map[string]any) {
	s.h.t.Helper()
	a := s.get("/api/v1/" + path)
	require.Nil(s.h.t, a.at("next_cursor"), a.Text)
	return a.list("items")
}

// list is a member of the answer that is a list of objects.
func (a answer) list(name string) (items []map[string]any) {
	all, _ := a.Body[name].([]any)
	for _, i := range all {
		item, _ := i.(map[string]any)
		items = append(items, item)
	}
	return items
}

// is checks members of an answer, given as name, value, name, value.
func (a answer) is(t testing.TB, pairs ...any) answer {
	t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		require.EqualValues(t, pairs[i+1], a.Body[name], "%s in %s", name, a.Text)
	}
	return a
}

// line is a product and how much of it.
type line struct {
	product  string
	quantity int
}

// cart opens a cart and fills it. It returns the sale's id and those of its lines.
func (s *shop) cart(storefront, customer string, lines ...line) (id string, items []string) {
	s.h.t.Helper()
	body := map[string]any{"storefront_id": storefront}
	if customer != "" {
		body["customer_id"] = customer
	}
	id = s.make("sales", body)
	for _, l := range lines {
		all := s.must(http.StatusCreated, http.MethodPost, "sales/"+id+"/items", map[string]any{"product_id": l.product, "quantity": l.quantity}).list("items")
		items = append(items, text(all[len(all)-1]["id"]))
	}
	return id, items
}

// sell sells for cash.
func (s *shop) sell(storefront string, lines ...line) answer {
	s.h.t.Helper()
	id, _ := s.cart(storefront, "", lines...)
	return s.change("sales/"+id+"/complete", map[string]any{"payment_type": "CASH"})
}

// onHand is what a place holds of a product, as the API says it.
func (s *shop) onHand(place, product string) int {
	s.h.t.Helper()
	for _, level := range s.get("/api/v1/products/" + product).list("levels") {
		location, _ := level["location"].(map[string]any)
		if location["id"] == place {
			n, _ := level["on_hand"].(float64)
			return int(n)
		}
	}
	return 0
}

// code is the token of a mail that gives the reader one.
var code = regexp.MustCompile(`m[a-z]v_[A-Za-z0-9_-]+`)

// join invites somebody, who accepts by the mail they get, and returns their session in the same business.
func (s *shop) join(name, role string, storefronts ...string) *shop {
	s.h.t.Helper()
	s.must(http.StatusOK, http.MethodPost, "auth/verify-email", map[string]any{"token": code.FindString(s.h.letter(s.Email, "Confirm").Text)})
	email := name + "." + uuid.NewString()[:8] + "@example.com"
	s.make("invitations", map[string]any{"email": email, "role": role, "storefront_ids": storefronts})
	token := code.FindString(s.h.letter(email, "Join").Text)
	require.NotEmpty(s.h.t, token)
	a := s.must(http.StatusCreated, http.MethodPost, "invitations/token/"+token+"/accept", map[string]any{"name": name, "password": "correct horse battery"})
	return &shop{h: s.h, Email: email, ID: s.ID, token: text(a.at("access_token"))}
}

// TestAShopFloorFromDeliveryToExchange is a day in a shop: what comes in, what is sold, owed, paid, brought back and written off, and that all of it adds up.
func TestAShopFloorFromDeliveryToExchange(t *testing.T) {
	t.Parallel()
	h := openFloor(t)
	ama := h.register()
	depot := ama.make("warehouses", map[string]any{"name": "Depot"})
	shopfront := ama.make("storefronts", map[string]any{"name": "Makola Road", "code": "MAIN"})
	milk := ama.make("products", map[string]any{"name": "Ideal Milk 160 g", "sku": "MLK-160", "unit": "tin", "reorder_level": 5})
	soap := ama.make("products", map[string]any{"name": "Key Soap", "sku": "SOAP", "category_id": ama.make("categories", map[string]any{"name": "Household"})})

	soon, later := time.Now().UTC().AddDate(0, 0, 20).Format(time.DateOnly), time.Now().UTC().AddDate(0, 0, 200).Format(time.DateOnly)
	supplier := ama.make("suppliers", map[string]any{"name": "Fan Milk"})
	delivery := func(product string, quantity int, expiry, cost, price string) map[string]any {
		d := map[string]any{"product_id": product, "location_id": depot, "quantity": quantity, "unit_cost": cost, "retail_price": price, "supplier_id": supplier}
		if expiry != "" {
			d["expiry_date"] = expiry
		}
		return d
	}
	ama.make("stock-batches", map[string]any{"items": []any{ // what lasts longer came first
		delivery(milk, 20, later, "11.00", "15.00"), delivery(milk, 40, soon, "10.00", "15.00"), delivery(soap, 30, "", "2.00", "3.00"),
	}})
	transfer := ama.make("transfers", map[string]any{"source_id": depot, "destination_id": shopfront, "items": []any{
		map[string]any{"product_id": milk, "quantity": 50}, map[string]any{"product_id": soap, "quantity": 12},
	}})
	ama.change("transfers/"+transfer+"/dispatch", nil)
	ama.change("transfers/"+transfer+"/complete", nil).is(t, "status", "completed")
	require.Equal(t, []int{10, 50, 18, 12}, []int{ama.onHand(depot, milk), ama.onHand(shopfront, milk), ama.onHand(depot, soap), ama.onHand(shopfront, soap)})

	// Cash, with change. The milk that expires first goes first.
	first, lines := ama.cart(shopfront, "", line{milk, 3}, line{soap, 2})
	ama.get("/api/v1/stock/availability?product_id="+milk+"&storefront_id="+shopfront).is(t, "on_hand", 50, "reserved", 3, "available", 47)
	complete := map[string]any{"payments": []any{map[string]any{"method": "CASH", "amount": "60.00"}}}
	key := uuid.NewString()
	paid := ama.do(http.MethodPost, "/api/v1/sales/"+first+"/complete", complete, "Idempotency-Key", key)
	require.Equal(t, http.StatusOK, paid.Status, paid.Text)
	paid.is(t, "status", "COMPLETED", "total", "51.00", "change", "9.00", "payment_type", "CASH")
	again := ama.do(http.MethodPost, "/api/v1/sales/"+first+"/complete", complete, "Idempotency-Key", key)
	require.Equal(t, paid.Text, again.Text, "asked twice, sold once")
	require.Equal(t, 47, ama.onHand(shopfront, milk))
	require.Equal(t, 3, h.count(`select -sum(m.delta) from inventory.movement m join inventory.stock_item i on i.id = m.stock_item_id where m.source_id = $1 and i.expiry_date = $2`, lines[0], soon))

	// On credit, up to the customer's limit, and a payment on account.
	kofi := ama.make("customers", map[string]any{"name": "Kofi Annor", "phone": "+233200000001", "credit_limit": "200.00"})
	owed, _ := ama.cart(shopfront, kofi, line{milk, 10})
	ama.change("sales/"+owed+"/complete", map[string]any{"payment_type": "CREDIT"}).is(t, "status", "PENDING", "amount_due", "150.00", "is_credit_sale", true)
	tooMuch, _ := ama.cart(shopfront, kofi, line{milk, 4})
	refused := ama.must(http.StatusConflict, http.MethodPost, "sales/"+tooMuch+"/complete", map[string]any{"payment_type": "CREDIT"})
	require.Equal(t, "credit_refused", refused.at("code"))
	ama.change("sales/"+tooMuch+"/abandon", nil).is(t, "status", "CANCELLED")
	ama.must(http.StatusCreated, http.MethodPost, "customers/"+kofi+"/payments", map[string]any{"amount": "100.00", "method": "MOMO", "reference": "MM-1"})
	ama.get("/api/v1/customers/"+kofi).is(t, "outstanding_balance", "50.00", "available_credit", "150.00")
	open := ama.list("receivables?customer_id=" + kofi)
	require.Len(t, open, 1)
	require.Equal(t, []any{"50.00", "PARTIAL"}, []any{open[0]["outstanding"], open[0]["status"]})

	// One milk comes back for cash, another for soap of the same price.
	ama.change("sales/"+first+"/refund", map[string]any{"items": []any{map[string]any{"item_id": lines[0], "quantity": 1}}, "reason": "dented", "restock": true, "refund_method": "CASH"}).
		is(t, "amount_returned", "15.00", "amount_refunded", "15.00", "amount_due", "0.00")
	swapped := ama.change("sales/"+first+"/exchange", map[string]any{"items": []any{map[string]any{"item_id": lines[0], "quantity": 1}}, "reason": "wanted soap", "restock": true,
		"new_items": []any{map[string]any{"product_id": soap, "quantity": 5}}})
	require.Equal(t, "COMPLETED", swapped.at("sale", "status"), swapped.Text)
	require.Equal(t, []int{39, 5}, []int{ama.onHand(shopfront, milk), ama.onHand(shopfront, soap)})

	// What broke is written off when somebody else has agreed.
	esi := ama.join("esi", "MANAGER", shopfront)
	item := ama.list("stock-items?in_stock=true&product_id=" + milk + "&location_id=" + shopfront)[0]
	broken := ama.make("stock-adjustments", map[string]any{"stock_item_id": item["id"], "type": "DAMAGE", "quantity": 2, "reason": "fell off the shelf"})
	require.Equal(t, "own_adjustment", ama.must(http.StatusForbidden, http.MethodPost, "stock-adjustments/"+broken+"/approve", nil).at("code"))
	esi.change("stock-adjustments/"+broken+"/approve", nil).is(t, "status", "COMPLETED", "quantity", -2)
	require.Equal(t, 37, esi.onHand(shopfront, milk))

	// The receipt can be read.
	number := text(paid.at("receipt_number"))
	require.Regexp(t, `^MAIN-\d{8}-0001$`, number)
	pdf := ama.get("/api/v1/sales/" + first + "/receipt.pdf")
	require.Equal(t, "application/pdf", pdf.Header.Get("Content-Type"))
	require.True(t, strings.HasPrefix(pdf.Text, "%PDF-"))
	for _, words := range []string{"Ama's Provisions", number, "Ideal Milk 160 g", "Key Soap", "51.00"} {
		require.Contains(t, pdfText(t, []byte(pdf.Text)), words)
	}

	// Every figure is the sum of its movements.
	sums := map[string]int{}
	for _, m := range ama.list("stock-movements?limit=100") {
		change, _ := m["change"].(float64)
		sums[fmt.Sprint(m["location_id"], m["product_id"])] += int(change)
	}
	for _, place := range []string{depot, shopfront} {
		for _, product := range []string{milk, soap} {
			require.Equal(t, ama.onHand(place, product), sums[place+product])
		}
	}
	require.Equal(t, 60-2-11, ama.onHand(depot, milk)+ama.onHand(shopfront, milk), "received, without what broke and what was sold for good")
	require.Equal(t, 30-7, ama.onHand(depot, soap)+ama.onHand(shopfront, soap))
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) } // midnight may have come meanwhile
	summary := ama.get("/api/v1/sales/summary?from=" + day(-1) + "&to=" + day(1))
	require.Equal(t, "50.00", summary.at("totals", "due"), summary.Text)
	var deeds []string
	for _, entry := range ama.list("audit-logs?limit=100") {
		deeds = append(deeds, text(entry["action"]))
	}
	for _, deed := range []string{"SALE", "PAYMENT", "TRANSFER", "sale.refunded", "adjustment.completed"} {
		require.Contains(t, deeds, deed)
	}
}

var (
	pdfStream = regexp.MustCompile(`(?s)/Length \d+>>\nstream\n(.*?)\nendstream`)
	pdfShown  = regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) Tj`)
)

// pdfText is what a reader sees on the pages of a PDF, without the library that made it: streams are inflated, and texts are UTF-16.
func pdfText(t testing.TB, pdf []byte) string {
	t.Helper()
	var seen strings.Builder
	for _, stream := range pdfStream.FindAllSubmatch(pdf, -1) {
		z, err := zlib.NewReader(bytes.NewReader(stream[1]))
		if err != nil {
			continue // a font or a picture
		}
		content, err := io.ReadAll(z)
		if err != nil || !bytes.Contains(content, []byte("BT ")) {
			continue
		}
		for _, shown := range pdfShown.FindAllSubmatch(content, -1) {
			raw := strings.NewReplacer(`\r`, "\r", `\(`, "(", `\)`, ")", `\\`, `\`)
			text := []byte(raw.Replace(string(shown[1])))
			units := make([]uint16, 0, len(text)/2)
			for i := 0; i+1 < len(text); i += 2 {
				units = append(units, uint16(text[i])<<8|uint16(text[i+1]))
			}
			seen.WriteString(string(utf16.Decode(units)) + "\n")
		}
	}
	return seen.String()
}
