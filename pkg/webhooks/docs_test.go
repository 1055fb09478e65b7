package webhooks

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the examples of docs/webhooks.md anew; look at them afterwards")

// examples are what docs/webhooks.md shows.
func examples() []Data {
	id := func(n byte) uuid.UUID {
		return uuid.UUID{0x01, 0xa2, 0x0a, 0x42, 0x25, 0x5b, 0x70, 0x9e, 0x93, 0x2b, 0x1f, 0x8b, 0xae, 0xce, 0xb4, n}
	}
	at := time.Date(2026, 3, 2, 9, 41, 7, 0, time.UTC)
	from, to := "2026-02-01", "2026-02-28"
	return []Data{
		SaleCompleted{
			SaleID: id(1), ReceiptNumber: "MAIN-20260302-0017", StorefrontID: id(2), CustomerID: id(3), UserID: id(4), Type: "RETAIL", Status: "COMPLETED", Currency: "GHS",
			Subtotal: "33.00", Discount: "3.00", Tax: "0.00", Total: "30.00", AmountPaid: "30.00", AmountDue: "0.00", PaymentType: "CASH", CompletedAt: at,
			Items: []SaleItem{
				{ProductID: id(5), SKU: "RICE-5", Name: "Rice, 5 kg", Quantity: 2, UnitPrice: "12.00", Discount: "0.00", Total: "24.00"},
				{ProductID: id(6), SKU: "SOAP", Name: "Key soap", Quantity: 3, UnitPrice: "3.00", Discount: "0.00", Total: "9.00"},
			},
		},
		CreditsPurchased{PurchaseID: id(1), Reference: "AI-06H0KGH585THV89I21V0E8J71G", Credits: "100.00"},
		StockLow{Items: []LowItem{
			{Type: "LOW_STOCK", ProductID: id(5), SKU: "RICE-5", Name: "Rice, 5 kg", LocationID: id(2), Location: "Main", OnHand: 9, ReorderLevel: 10},
			{Type: "OUT_OF_STOCK", ProductID: id(6), SKU: "SOAP", Name: "Key soap", LocationID: id(2), Location: "Main", OnHand: 0, ReorderLevel: 10},
		}},
		ReportReady{ReportID: id(1), Kind: "sales", StartDate: &from, EndDate: &to, FileName: "sales_2026-02-01_2026-02-28_20260302_094105.pdf", SizeBytes: 48213, Rows: 412, ExpiresAt: at.AddDate(0, 0, 30)},
		SubscriptionChanged{Status: "ACTIVE", Storefronts: 2, PeriodStart: at, PeriodEnd: at.AddDate(0, 1, 0), CancelAtPeriodEnd: false},
		Test{EndpointID: id(7)},
	}
}

func TestThePageForDevelopersShowsWhatIsSent(t *testing.T) {
	t.Parallel()
	const path = "../../docs/webhooks.md"
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	want := page
	shown := map[Kind]bool{}
	for _, data := range examples() {
		kind := data.kind()
		shown[kind] = true
		body, err := encode(uuid.MustParse("01a20a42-25cb-7e35-bfe4-cf6cbfeb674d"), Event{At: time.Date(2026, 3, 2, 9, 41, 7, 0, time.UTC), Data: data})
		require.NoError(t, err)
		var pretty bytes.Buffer
		require.NoError(t, json.Indent(&pretty, []byte(body), "", "  "))
		block := regexp.MustCompile("(?s)(\n### `" + regexp.QuoteMeta(string(kind)) + "`\n.*?```json\n).*?(```\n)")
		require.Regexp(t, block, string(want), "%s stands in docs/webhooks.md", kind)
		want = block.ReplaceAll(want, append(append([]byte("${1}"), bytes.ReplaceAll(pretty.Bytes(), []byte("$"), []byte("$$"))...), "\n${2}"...))
	}
	for _, kind := range append(Kinds(), KindTest) {
		require.True(t, shown[kind], "%s has an example", kind)
	}
	if *update {
		require.NoError(t, os.WriteFile(path, want, 0o600))
		return
	}
	require.Equal(t, string(want), string(page), "run this test with -update")
}
