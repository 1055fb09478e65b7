package notifications

import (
	"time"

	"makola/pkg/money"
)

// Invoice asks for the payment of a month, or reminds of one that was due.
type Invoice struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Business is the business that owes it, for that many Storefronts.
	Business    string `json:"business"`
	Storefronts int    `json:"storefronts"`
	// Number is the invoice's.
	Number string `json:"number"`
	// PeriodStart and PeriodEnd are the month.
	PeriodStart time.Time `json:"period_start"`
	PeriodEnd   time.Time `json:"period_end"`
	// Currency is that of every amount here. BaseMinor is the price before tax and TotalMinor what is to be paid, in its minor units; Taxes and Charges are
	// the lines between them.
	Currency   money.Currency `json:"currency"`
	BaseMinor  int64          `json:"base_minor"`
	TotalMinor int64          `json:"total_minor"`
	Taxes      []Tax          `json:"taxes,omitempty"`
	Charges    []Tax          `json:"charges,omitempty"`
	// DueOn is the day by which it is to be paid, YYYY-MM-DD. Reminder counts the reminders, from 1; 0 is the invoice itself.
	DueOn    string `json:"due_on"`
	Reminder int    `json:"reminder,omitempty"`
	// Timezone is the business's, an IANA name.
	Timezone string `json:"timezone"`
}

// Template returns "invoice".
func (Invoice) Template() string { return "invoice" }
