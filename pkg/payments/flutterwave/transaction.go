package flutterwave

import (
	"encoding/json"
	"errors"
	"fmt"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// transaction is a Flutterwave transaction as webhooks, the verify endpoint and lists show it. Numbers stay text until they are converted exactly;
// everything else (card, customer, meta) is skipped and never held.
type transaction struct {
	ID          json.RawMessage `json:"id"`
	TxRef       string          `json:"tx_ref"` // our reference
	Amount      json.RawMessage `json:"amount"` // major units; what was asked for, without the fees that the payer may bear
	Currency    string          `json:"currency"`
	Status      string          `json:"status"`
	PaymentType string          `json:"payment_type"`
	CreatedAt   string          `json:"created_at"`
}

// amount converts the amount, which counts major units, exactly.
func (t *transaction) amount() (money.Amount, error) {
	currency, err := accepted(t.Currency)
	if err != nil {
		return money.Amount{}, err
	}
	amount, err := money.FromMajorNumber(exchange.Scalar(t.Amount), currency)
	if err != nil {
		return money.Amount{}, err
	}
	if amount.Minor < 0 {
		return money.Amount{}, fmt.Errorf("negative amount: %w", money.ErrOverflow)
	}
	return amount, nil
}

// verification is what the transaction says, in our words.
func (t *transaction) verification() (payments.Verification, error) {
	amount, err := t.amount()
	if err != nil && !errors.Is(err, money.ErrUnknownCurrency) { // The zero amount of an unknown currency equals no expected one.
		return payments.Verification{}, fmt.Errorf("%w: amount: %w", payments.ErrMalformed, err)
	}
	id := exchange.Scalar(t.ID)
	if id == "" || t.TxRef == "" || t.Status == "" {
		return payments.Verification{}, fmt.Errorf("%w: transaction without id, tx_ref or status", payments.ErrMalformed)
	}
	out := payments.Verification{
		Provider: Name, Reference: t.TxRef, Status: status(t.Status), ProviderStatus: t.Status, Amount: amount, ProviderTransactionID: id, Channel: channel(t.PaymentType),
	}
	if out.Status == payments.StatusSucceeded {
		out.PaidAt = exchange.Time(t.CreatedAt) // There is no better: Flutterwave does not say when a payment was completed.
	}
	return out, nil
}

// accepted returns the currency if Flutterwave settles it and counts it as ISO 4217 does.
func accepted(code string) (money.Currency, error) {
	switch c := money.Currency(code); c {
	case money.GHS, money.NGN, money.USD, money.EUR, money.GBP, money.KES, money.ZAR, money.XOF, money.XAF, money.RWF, money.UGX, money.TZS, money.EGP:
		return c, nil
	default:
		return "", fmt.Errorf("%w for Flutterwave: %.8q", money.ErrUnknownCurrency, code)
	}
}

// status translates Flutterwave's word for the state of a transaction.
func status(word string) payments.Status {
	switch word {
	case "successful", "succeeded":
		return payments.StatusSucceeded
	case "failed", "cancelled":
		return payments.StatusFailed
	case "pending":
		return payments.StatusPending
	default:
		return payments.StatusUnknown
	}
}

// refundState translates Flutterwave's word for the state of a refund. A completed one names its way: completed-momo, completed-bank-transfer.
func refundState(word string) payments.ReturnState {
	switch word {
	case "completed", "completed-momo", "completed-mpgs", "completed-offline", "completed-bank-transfer", "completed-pwbt", "completed-preauth":
		return payments.ReturnDone
	case "failed":
		return payments.ReturnDenied
	case "new", "pending", "pending-momo", "processing":
		return payments.ReturnPending
	default:
		return ""
	}
}

// channel translates Flutterwave's word for the way of paying, where we have one.
func channel(paymentType string) string {
	switch paymentType {
	case "mobilemoneygh", "mobilemoneyghana":
		return "mobile_money"
	case "bank_transfer", "account", "banktransfer":
		return "bank_transfer"
	default:
		return exchange.StorableOrEmpty(paymentType)
	}
}

// paymentOptions translates our words for ways of paying; Flutterwave wants them in one text. A word it has no option for is left out.
func paymentOptions(channels []string) string {
	options := ""
	for _, c := range channels {
		option := map[string]string{"card": "card", "mobile_money": "mobilemoneyghana", "bank_transfer": "banktransfer"}[c]
		switch {
		case option == "":
		case options == "":
			options = option
		default:
			options += "," + option
		}
	}
	return options
}
