package notifications

import (
	"time"

	"makola/pkg/money"
)

// SubscriptionReminder reminds an owner that a subscription or a trial ends, or renews, before it does.
type SubscriptionReminder struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Business is the business whose subscription it is.
	Business string `json:"business"`
	// Kind is renewal, expiry or trial.
	Kind string `json:"kind"`
	// EndsAt is the end of the period, and Days how many days are left until then.
	EndsAt time.Time `json:"ends_at"`
	Days   int       `json:"days"`
	// AmountMinor is what the next month costs with tax, in minor units of Currency, for that many Storefronts.
	AmountMinor int64          `json:"amount_minor"`
	Currency    money.Currency `json:"currency"`
	Storefronts int            `json:"storefronts"`
	// Timezone is the business's, an IANA name.
	Timezone string `json:"timezone"`
}

// Template returns "subscription_reminder".
func (SubscriptionReminder) Template() string { return "subscription_reminder" }

// SubscriptionState tells an owner what has become of a subscription.
type SubscriptionState struct {
	// Name and Business are as in SubscriptionReminder.
	Name     string `json:"name"`
	Business string `json:"business"`
	// State is what it is now: INACTIVE (a trial is over), PAST_DUE, EXPIRED, CANCELLED, CANCELLING (it ends with its period), SUSPENDED, or ACTIVE and TRIAL (a suspension was lifted).
	State string `json:"state"`
	// EndsAt is the end of its period, and GraceEndsAt when a past due one expires; zero when unknown.
	EndsAt      time.Time `json:"ends_at"`
	GraceEndsAt time.Time `json:"grace_ends_at"`
	// Timezone is the business's, an IANA name.
	Timezone string `json:"timezone"`
}

// Template returns "subscription_state".
func (SubscriptionState) Template() string { return "subscription_state" }
