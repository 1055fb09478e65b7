package paystack

import (
	"context"
	"errors"
	"fmt"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// refundBody is the request of POST /refund.
type refundBody struct {
	Transaction  string         `json:"transaction"` // the reference or the id
	Amount       int64          `json:"amount"`      // minor units
	Currency     money.Currency `json:"currency"`
	MerchantNote string         `json:"merchant_note,omitempty"`
}

// Refund implements payments.Provider. Paystack has no idempotency key, so the request is never repeated here. It refuses more than what is left of
// the payment; what it accepts is queued, and a refund.processed or refund.failed event tells the end.
func (c *Client) Refund(ctx context.Context, req payments.RefundRequest) (payments.Refund, error) {
	if err := checkRefund(req); err != nil {
		return payments.Refund{}, fmt.Errorf("refund payment: %w", err)
	}
	payment := req.ProviderTransactionID
	if payment == "" {
		payment = req.Reference
	}
	var data transaction // A refund has the same members as far as we read them.
	err := c.post(ctx, "/refund", refundBody{
		Transaction: payment, Amount: req.Amount.Minor, Currency: req.Amount.Currency, MerchantNote: req.Reason,
	}, &data)
	if err != nil {
		return payments.Refund{}, fmt.Errorf("refund payment %s: %w", req.Reference, err)
	}
	amount, err := data.amount()
	if err != nil || exchange.Scalar(data.ID) == "" {
		return payments.Refund{}, fmt.Errorf("refund payment %s: %w: no id or amount", req.Reference, payments.ErrMalformed)
	}
	return payments.Refund{Provider: Name, ID: exchange.Scalar(data.ID), State: refundState(data.Status), ProviderStatus: data.Status, Amount: amount}, nil
}

func checkRefund(req payments.RefundRequest) error {
	var faults []error
	if !ValidReference(req.Reference) {
		faults = append(faults, errors.New("reference: letters, digits, - . = only, at most 100"))
	}
	if _, err := accepted(string(req.Amount.Currency)); err != nil {
		faults = append(faults, err)
	}
	if !req.Amount.Positive() {
		faults = append(faults, errors.New("amount: must be positive"))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", payments.ErrInvalidRequest, errors.Join(faults...))
}

// refundState translates Paystack's word for the state of a refund. needs-attention waits for the payer's account number; it is not over.
func refundState(word string) payments.ReturnState {
	switch word {
	case "processed":
		return payments.ReturnDone
	case "failed":
		return payments.ReturnDenied
	case "pending", "processing", "needs-attention":
		return payments.ReturnPending
	default:
		return ""
	}
}

// disputeState translates the state of a dispute. Only a resolved one is over, and its resolution says who has the money.
func disputeState(status, resolution string) payments.ReturnState {
	switch {
	case status != "resolved":
		return payments.ReturnPending
	case resolution == "declined":
		return payments.ReturnDenied
	case resolution == "merchant-accepted", resolution == "auto-accepted":
		return payments.ReturnDone
	default:
		return ""
	}
}
