package inventory

import (
	"time"

	"makola/pkg/money"
)

// DefaultReorderLevel is at or below how many units stock is low where neither the place, nor the product, nor the business says.
const DefaultReorderLevel = 10

// Rules are what a business has chosen, as far as its stock is concerned.
type Rules struct {
	Currency money.Currency
	// Today is the business's local day, at midnight UTC.
	Today time.Time
	// ReorderLevel is at or below how many units stock is low, where neither the place nor the product says.
	ReorderLevel int64
	// SeparateApprover keeps people from approving what they entered themselves.
	SeparateApprover bool
}

// Status is how a product's stock stands.
type Status string

// OutOfStock is nothing on hand, LowStock is at or below the threshold.
const (
	InStock    Status = "IN_STOCK"
	LowStock   Status = "LOW_STOCK"
	OutOfStock Status = "OUT_OF_STOCK"
)

// StatusOf returns how so much of a product stands.
func StatusOf(onHand, threshold int64) Status {
	switch {
	case onHand <= 0:
		return OutOfStock
	case onHand <= threshold:
		return LowStock
	default:
		return InStock
	}
}
