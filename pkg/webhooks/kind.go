package webhooks

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Kind is what an event is about. A new one is added here, to openapi.yaml and to docs/webhooks.md; a test holds the three together.
type Kind string

// The kinds of events that an endpoint may ask for.
const (
	KindSaleCompleted       Kind = "sale.completed"
	KindCreditsPurchased    Kind = "credits.purchased"
	KindStockLow            Kind = "stock.low"
	KindReportReady         Kind = "report.ready"
	KindSubscriptionChanged Kind = "subscription.changed"
)

// KindTest is sent when somebody presses the test button, to one endpoint, which need not ask for it.
const KindTest Kind = "webhook.test"

// Kinds returns the kinds that an endpoint may ask for.
func Kinds() []Kind {
	return []Kind{KindSaleCompleted, KindCreditsPurchased, KindStockLow, KindReportReady, KindSubscriptionChanged}
}

// Data is what an event says: one of the types below. Members are added, never renamed or taken away: programs of others read them. Amounts of money and of credits are decimal
// strings, times RFC 3339 in UTC. Nothing is in them that names a customer or a member: whoever may know that asks the API with the ids.
type Data interface{ kind() Kind }

// SaleCompleted is the data of sale.completed: a cart became a sale. What was sold on credit is completed as well; its status is PENDING or PARTIAL then.
type SaleCompleted struct {
	SaleID        uuid.UUID  `json:"sale_id"`
	ReceiptNumber string     `json:"receipt_number"`
	StorefrontID  uuid.UUID  `json:"storefront_id"`
	CustomerID    uuid.UUID  `json:"customer_id"`
	UserID        uuid.UUID  `json:"user_id"`
	ExchangeOf    *uuid.UUID `json:"exchange_of"`
	Type          string     `json:"type"`
	Status        string     `json:"status"`
	Currency      string     `json:"currency"`
	Subtotal      string     `json:"subtotal"`
	Discount      string     `json:"discount"`
	Tax           string     `json:"tax"`
	Total         string     `json:"total"`
	AmountPaid    string     `json:"amount_paid"`
	AmountDue     string     `json:"amount_due"`
	PaymentType   string     `json:"payment_type"`
	CompletedAt   time.Time  `json:"completed_at"`
	Items         []SaleItem `json:"items"`
}

// SaleItem is one line of a sale. Total is quantity x unit price - discount, before the sale's discount and tax.
type SaleItem struct {
	ProductID uuid.UUID `json:"product_id"`
	SKU       string    `json:"sku"`
	Name      string    `json:"name"`
	Quantity  int64     `json:"quantity"`
	UnitPrice string    `json:"unit_price"`
	Discount  string    `json:"discount"`
	Total     string    `json:"total"`
}

// CreditsPurchased is the data of credits.purchased: a payment for AI credits arrived, and they may be spent. Credits has the bonus in it.
type CreditsPurchased struct {
	PurchaseID uuid.UUID `json:"purchase_id"`
	Reference  string    `json:"reference"`
	Credits    string    `json:"credits"`
}

// StockLow is the data of stock.low: products fell to their reorder level or ran out, since the last look. A product at a place is told of once for each time that happens. More
// than MostLow at once are told in several events.
type StockLow struct {
	Items []LowItem `json:"items"`
}

// MostLow is the most items of one event stock.low.
const MostLow = 100

// LowItem is one product at one place. Type is LOW_STOCK or OUT_OF_STOCK.
type LowItem struct {
	Type         string    `json:"type"`
	ProductID    uuid.UUID `json:"product_id"`
	SKU          string    `json:"sku"`
	Name         string    `json:"name"`
	LocationID   uuid.UUID `json:"location_id"`
	Location     string    `json:"location"`
	OnHand       int64     `json:"on_hand"`
	ReorderLevel int64     `json:"reorder_level"`
}

// ReportReady is the data of report.ready: a report of the days from StartDate to EndDate, which are null where it is of no period. The file can be fetched, for whoever may read reports, from GET /api/v1/reports/{report_id}/download.
type ReportReady struct {
	ReportID  uuid.UUID `json:"report_id"`
	Kind      string    `json:"kind"`
	StartDate *string   `json:"start_date"`
	EndDate   *string   `json:"end_date"`
	FileName  string    `json:"file_name"`
	SizeBytes int64     `json:"size_bytes"`
	Rows      int64     `json:"rows"`
	ExpiresAt time.Time `json:"expires_at"`
}

// SubscriptionChanged is the data of subscription.changed: the subscription as it is now, after its status or what is paid for has changed.
type SubscriptionChanged struct {
	Status            string    `json:"status"`
	Storefronts       int       `json:"storefronts"`
	PeriodStart       time.Time `json:"period_start"`
	PeriodEnd         time.Time `json:"period_end"`
	CancelAtPeriodEnd bool      `json:"cancel_at_period_end"`
}

// Test is the data of webhook.test.
type Test struct {
	EndpointID uuid.UUID `json:"endpoint_id"`
}

func (SaleCompleted) kind() Kind       { return KindSaleCompleted }
func (CreditsPurchased) kind() Kind    { return KindCreditsPurchased }
func (StockLow) kind() Kind            { return KindStockLow }
func (ReportReady) kind() Kind         { return KindReportReady }
func (SubscriptionChanged) kind() Kind { return KindSubscriptionChanged }
func (Test) kind() Kind                { return KindTest }

// LowStock makes the events of what fell to its reorder level, or ran out, at one time.
func LowStock(business uuid.UUID, at time.Time, items []LowItem) (events []Event) {
	for part := range slices.Chunk(items, MostLow) {
		events = append(events, Event{Tenant: business, At: at, Data: StockLow{Items: part}})
	}
	return events
}
