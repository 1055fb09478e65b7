package notifications

import "makola/pkg/money"

// LowStock is a digest of products that are low or out.
type LowStock struct {
	// Name is what the recipient is called, Owner whether they own the business; others are told of their places.
	Name  string `json:"name"`
	Owner bool   `json:"owner,omitempty"`
	// Business is the business whose stock it is, Currency that of its amounts.
	Business string         `json:"business"`
	Currency money.Currency `json:"currency"`
	// Total is how many items there are to tell of, New how many were never told; Recovered is how many are stocked again since the last digest.
	Total     int `json:"total"`
	New       int `json:"new"`
	Recovered int `json:"recovered,omitempty"`
	// Items are the worst ones, the worst first.
	Items []LowStockItem `json:"items"`
}

// LowStockItem is one product at one place.
type LowStockItem struct {
	Product string `json:"product"`
	SKU     string `json:"sku"`
	Place   string `json:"place"`
	// Left is what is on hand, in Unit; Level is the threshold.
	Left  int64  `json:"left"`
	Unit  string `json:"unit"`
	Level int64  `json:"level"`
	// CoverDays is how long it lasts at the pace of the last four weeks; nil when nothing was sold.
	CoverDays *int64 `json:"cover_days,omitempty"`
	// ValueMinor is what is left at cost, in minor units.
	ValueMinor int64 `json:"value_minor"`
	New        bool  `json:"new,omitempty"`
}

// Template returns "low_stock".
func (LowStock) Template() string { return "low_stock" }

// ExpiringStock is a digest of stock that expires soon, or has.
type ExpiringStock struct {
	// Name, Owner, Business and Currency are as in LowStock.
	Name     string         `json:"name"`
	Owner    bool           `json:"owner,omitempty"`
	Business string         `json:"business"`
	Currency money.Currency `json:"currency"`
	// Total is how many items it is about and ValueMinor their value at cost; Expired of them are over, worth ExpiredMinor.
	Total        int   `json:"total"`
	ValueMinor   int64 `json:"value_minor"`
	Expired      int   `json:"expired,omitempty"`
	ExpiredMinor int64 `json:"expired_minor,omitempty"`
	// Items are the most urgent ones, the most urgent first.
	Items []ExpiringItem `json:"items"`
}

// ExpiringItem is one item of stock.
type ExpiringItem struct {
	Product string `json:"product"`
	SKU     string `json:"sku"`
	Place   string `json:"place"`
	// Date is the expiry date, YYYY-MM-DD, and Days how far it is away: 0 is today, less is over.
	Date string `json:"date"`
	Days int    `json:"days"`
	// Left is what is on hand, in Unit, and ValueMinor its value at cost.
	Left       int64  `json:"left"`
	Unit       string `json:"unit"`
	ValueMinor int64  `json:"value_minor"`
}

// Template returns "expiring_stock".
func (ExpiringStock) Template() string { return "expiring_stock" }

// StockMovement is the weekly report of what was sold and moved.
type StockMovement struct {
	// Name, Business and Currency are as in LowStock.
	Name     string         `json:"name"`
	Business string         `json:"business"`
	Currency money.Currency `json:"currency"`
	// From and To are its first and last day, YYYY-MM-DD, and Days how many there are.
	From string `json:"from"`
	To   string `json:"to"`
	Days int    `json:"days"`
	// Now is the period and Before the one before it.
	Now    Flow `json:"now"`
	Before Flow `json:"before"`
	// Top are the best sellers, by units.
	Top []Seller `json:"top,omitempty"`
}

// Flow is what was sold and moved in one period; all but Sales and the amounts are units.
type Flow struct {
	Sales          int64 `json:"sales"`
	UnitsSold      int64 `json:"units_sold"`
	RevenueMinor   int64 `json:"revenue_minor"`
	Received       int64 `json:"received"`
	Returned       int64 `json:"returned"`
	TransferredOut int64 `json:"transferred_out"`
	AdjustedUp     int64 `json:"adjusted_up"`
	AdjustedDown   int64 `json:"adjusted_down"`
	// LostUnits and LostMinor are what theft, loss, damage, expiry, spoilage and write-offs took, at cost.
	LostUnits int64 `json:"lost_units"`
	LostMinor int64 `json:"lost_minor"`
}

// Seller is one of the best sellers.
type Seller struct {
	Product     string `json:"product"`
	SKU         string `json:"sku"`
	Units       int64  `json:"units"`
	UnitsBefore int64  `json:"units_before"`
	// Sales is how many sales it was in.
	Sales        int64 `json:"sales"`
	RevenueMinor int64 `json:"revenue_minor"`
}

// Template returns "stock_movement".
func (StockMovement) Template() string { return "stock_movement" }
