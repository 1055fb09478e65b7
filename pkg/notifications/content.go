package notifications

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"makola/pkg/money"
)

// ErrUnknownTemplate is returned for a mail that was queued by a newer build. It is worth retrying: the newer notifier may be about to start.
var ErrUnknownTemplate = errors.New("unknown mail template")

// ErrForgotten is returned for a mail whose token is gone, because the mail server refused it before. It can never be sent: ask for a new one.
var ErrForgotten = errors.New("the mail's token is forgotten")

// Content is what one kind of mail says: facts only, worded by the notifier's template of that name. It is stored as JSON, so fields are
// added, never renamed, and a zero value must read well.
type Content interface {
	// Template is the template's name.
	Template() string
}

// Welcome greets a newly registered user.
type Welcome struct {
	// Name is what the user is called.
	Name string `json:"name"`
	// Business is the user's business; empty when they belong to none yet.
	Business string `json:"business,omitempty"`
	// Role is the user's membership role there: OWNER, ADMIN, MANAGER or STAFF.
	Role string `json:"role,omitempty"`
}

// Template returns "welcome".
func (Welcome) Template() string { return "welcome" }

// CreditsPurchased is the receipt of a completed credit purchase.
type CreditsPurchased struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Business is the business that bought.
	Business string `json:"business"`
	// Package is the package's code, for example "value".
	Package string `json:"package"`
	// Reference is our reference of the purchase, AI-….
	Reference string `json:"reference"`
	// Credits were bought, Bonus came on top, TotalCredits is the sum of both, Balance is what the business has now.
	Credits      money.Credits `json:"credits"`
	Bonus        money.Credits `json:"bonus"`
	TotalCredits money.Credits `json:"total_credits"`
	Balance      money.Credits `json:"balance"`
	// Currency is that of every amount here.
	Currency money.Currency `json:"currency"`
	// BaseMinor is the price before tax and PaidMinor what was paid, in minor units of Currency.
	BaseMinor int64 `json:"base_minor"`
	PaidMinor int64 `json:"paid_minor"`
	// Taxes are the lines between them, in the order in which they were charged.
	Taxes []Tax `json:"taxes,omitempty"`
	// PaidAt is when the purchase was completed, and ExpiresAt when its credits end; zero when unknown.
	PaidAt    time.Time `json:"paid_at"`
	ExpiresAt time.Time `json:"expires_at"`
	// Timezone is the business's, an IANA name such as Africa/Accra; dates are shown in it.
	Timezone string `json:"timezone"`
}

// Template returns "credits_purchased".
func (CreditsPurchased) Template() string { return "credits_purchased" }

// Tax is one line of tax on a receipt.
type Tax struct {
	// Name is the tax's name, for example "Value Added Tax".
	Name string `json:"name"`
	// BasisPoints is the rate: 1500 is 15 %.
	BasisPoints int64 `json:"rate_bp"`
	// AmountMinor is in minor units of the receipt's currency.
	AmountMinor int64 `json:"amount_minor"`
}

// PaymentReview tells a payer that their payment arrived but is being checked by a person before anything is credited.
type PaymentReview struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Business is the business that wanted to buy.
	Business string `json:"business"`
	// Reference is our reference of the purchase, AI-….
	Reference string `json:"reference"`
	// ExpectedMinor is the price, in minor units of ExpectedCurrency.
	ExpectedMinor    int64          `json:"expected_minor"`
	ExpectedCurrency money.Currency `json:"expected_currency"`
	// ReceivedMinor is what the provider says it received, in minor units of ReceivedCurrency; both zero when unknown.
	ReceivedMinor    int64          `json:"received_minor,omitempty"`
	ReceivedCurrency money.Currency `json:"received_currency,omitempty"`
	// ReportedAt is when the provider told us; zero when unknown.
	ReportedAt time.Time `json:"reported_at"`
	// Timezone is the business's, an IANA name.
	Timezone string `json:"timezone"`
	// Product is what was bought: subscription, or empty for AI credits.
	Product string `json:"product,omitempty"`
	// Platform words it for those who run Makola and have to decide, instead of for the payer.
	Platform bool `json:"platform,omitempty"`
}

// Template returns "payment_review".
func (PaymentReview) Template() string { return "payment_review" }

// PaymentFailed tells a payer that their payment failed, and that nothing was bought.
type PaymentFailed struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Business is the business that wanted to buy.
	Business string `json:"business"`
	// Reference is our reference of the purchase, AI-… or SUB-….
	Reference string `json:"reference"`
	// ExpectedMinor is the price, in minor units of ExpectedCurrency.
	ExpectedMinor    int64          `json:"expected_minor"`
	ExpectedCurrency money.Currency `json:"expected_currency"`
	// ReportedAt is when the provider told us; zero when unknown.
	ReportedAt time.Time `json:"reported_at"`
	// Timezone is the business's, an IANA name.
	Timezone string `json:"timezone"`
	// Product is what was to be bought: subscription, or empty for AI credits.
	Product string `json:"product,omitempty"`
}

// Template returns "payment_failed".
func (PaymentFailed) Template() string { return "payment_failed" }

// VerifyEmail asks a person to confirm that an address is theirs.
type VerifyEmail struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Token confirms the address. It is secret.
	Token string `json:"token"`
	// ExpiresAt is when the token ends, and Timezone where the reader is, an IANA name.
	ExpiresAt time.Time `json:"expires_at"`
	Timezone  string    `json:"timezone"`
}

// Template returns "verify_email".
func (VerifyEmail) Template() string { return "verify_email" }

// PasswordReset lets a person choose a new password.
type PasswordReset struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Token admits one change of the password. It is secret.
	Token string `json:"token"`
	// ExpiresAt is when the token ends, and Timezone where the reader is, an IANA name.
	ExpiresAt time.Time `json:"expires_at"`
	Timezone  string    `json:"timezone"`
}

// Template returns "password_reset".
func (PasswordReset) Template() string { return "password_reset" }

// PasswordChanged tells a person that their password was changed.
type PasswordChanged struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// ChangedAt is when it was changed, and IP from where; IP may be empty.
	ChangedAt time.Time `json:"changed_at"`
	IP        string    `json:"ip,omitempty"`
	// Timezone is where the reader is, an IANA name.
	Timezone string `json:"timezone"`
}

// Template returns "password_changed".
func (PasswordChanged) Template() string { return "password_changed" }

// Invitation asks a person into a business.
type Invitation struct {
	// Business is the one that invites, Inviter who of its people.
	Business string `json:"business"`
	Inviter  string `json:"inviter"`
	// Role is what the recipient shall be there: ADMIN, MANAGER or STAFF.
	Role string `json:"role"`
	// Storefronts is in how many storefronts of the business they shall work; zero says nothing of it.
	Storefronts int `json:"storefronts,omitempty"`
	// Token accepts the invitation. It is secret.
	Token string `json:"token"`
	// ExpiresAt is when the invitation ends, and Timezone the business's, an IANA name.
	ExpiresAt time.Time `json:"expires_at"`
	Timezone  string    `json:"timezone"`
}

// Template returns "invitation".
func (Invitation) Template() string { return "invitation" }

// secretTemplates are those whose mails carry a token. What such a mail says is forgotten once the mail server has taken or refused it: until then the row
// is the one place besides the mail where the token stands.
func secretTemplates() []string {
	return []string{VerifyEmail{}.Template(), PasswordReset{}.Template(), Invitation{}.Template()}
}

// CreditAlert tells an owner that the AI credits of their business are running out, or are about to expire.
type CreditAlert struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Business is the business whose credits they are.
	Business string `json:"business"`
	// Kind is low_balance, depleted or expiring.
	Kind string `json:"kind"`
	// Balance may be spent now. Threshold is what it fell to or below, for low_balance and depleted.
	Balance   money.Credits `json:"balance"`
	Threshold money.Credits `json:"threshold,omitempty"`
	// Ending is what of the balance expires at EndsAt, for expiring.
	Ending money.Credits `json:"ending,omitempty"`
	EndsAt time.Time     `json:"ends_at"`
	// Timezone is the business's, an IANA name.
	Timezone string `json:"timezone"`
}

// Template returns "credit_alert".
func (CreditAlert) Template() string { return "credit_alert" }

// WebhookDisabled tells an owner that nothing is sent to an endpoint of their business any more.
type WebhookDisabled struct {
	// Name is what the owner is called, and Business their business.
	Name     string `json:"name"`
	Business string `json:"business"`
	// Host is where the endpoint is, without what may be secret of its address, and Description what it was called.
	Host        string `json:"host"`
	Description string `json:"description,omitempty"`
	// Gone is set when it said that it is gone for good; else nothing got through since Since.
	Gone     bool      `json:"gone,omitempty"`
	Since    time.Time `json:"since"`
	Timezone string    `json:"timezone"`
}

// Template returns "webhook_disabled".
func (WebhookDisabled) Template() string { return "webhook_disabled" }

// SubscriptionActivated is the receipt of a month that was paid for.
type SubscriptionActivated struct {
	// Name is what the recipient is called.
	Name string `json:"name"`
	// Business is the business that paid, for that many Storefronts.
	Business    string `json:"business"`
	Storefronts int    `json:"storefronts"`
	// Reference is our reference of the payment, SUB-….
	Reference string `json:"reference"`
	// Currency is that of every amount here. BaseMinor is the price before tax and PaidMinor what was paid, in its minor units; Taxes and Charges are the lines between them.
	Currency  money.Currency `json:"currency"`
	BaseMinor int64          `json:"base_minor"`
	PaidMinor int64          `json:"paid_minor"`
	Taxes     []Tax          `json:"taxes,omitempty"`
	Charges   []Tax          `json:"charges,omitempty"`
	// PaidAt is when the payment was settled. PeriodStart and PeriodEnd are the month that it paid for; zero when unknown.
	PaidAt      time.Time `json:"paid_at"`
	PeriodStart time.Time `json:"period_start"`
	PeriodEnd   time.Time `json:"period_end"`
	// Timezone is the business's, an IANA name such as Africa/Accra; dates are shown in it.
	Timezone string `json:"timezone"`
}

// Template returns "subscription_activated".
func (SubscriptionActivated) Template() string { return "subscription_activated" }

// Decode reads stored content of the named template. Unknown fields are ignored, because a newer publisher may be ahead.
// Errors: ErrUnknownTemplate; a data error when the JSON does not fit.
func Decode(template string, data []byte) (Content, error) {
	switch template {
	case Welcome{}.Template():
		return decode[Welcome](data)
	case CreditsPurchased{}.Template():
		return decode[CreditsPurchased](data)
	case PaymentReview{}.Template():
		return decode[PaymentReview](data)
	case PaymentFailed{}.Template():
		return decode[PaymentFailed](data)
	case SubscriptionActivated{}.Template():
		return decode[SubscriptionActivated](data)
	case SubscriptionReminder{}.Template():
		return decode[SubscriptionReminder](data)
	case Invoice{}.Template():
		return decode[Invoice](data)
	case SubscriptionState{}.Template():
		return decode[SubscriptionState](data)
	case VerifyEmail{}.Template():
		return decode[VerifyEmail](data)
	case PasswordReset{}.Template():
		return decode[PasswordReset](data)
	case PasswordChanged{}.Template():
		return decode[PasswordChanged](data)
	case Invitation{}.Template():
		return decode[Invitation](data)
	case CreditAlert{}.Template():
		return decode[CreditAlert](data)
	case WebhookDisabled{}.Template():
		return decode[WebhookDisabled](data)
	case LowStock{}.Template():
		return decode[LowStock](data)
	case ExpiringStock{}.Template():
		return decode[ExpiringStock](data)
	case StockMovement{}.Template():
		return decode[StockMovement](data)
	case ActivitySummary{}.Template():
		return decode[ActivitySummary](data)
	case GatewayDown{}.Template():
		return decode[GatewayDown](data)
	case GatewayRecovered{}.Template():
		return decode[GatewayRecovered](data)
	case ReportReady{}.Template():
		return decode[ReportReady](data)
	case ReportFailed{}.Template():
		return decode[ReportFailed](data)
	case ExportReady{}.Template():
		return decode[ExportReady](data)
	case ExportFailed{}.Template():
		return decode[ExportFailed](data)
	case ExportSummary{}.Template():
		return decode[ExportSummary](data)
	default:
		return nil, fmt.Errorf("%w: %.40q", ErrUnknownTemplate, template)
	}
}

func decode[C Content](data []byte) (Content, error) {
	var c C
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("read content of template %s: %w", c.Template(), err)
	}
	return c, nil
}
