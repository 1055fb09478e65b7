package flutterwave

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// refundBody is the request of POST /transactions/{id}/refund.
type refundBody struct {
	Amount   json.Number `json:"amount"` // major units
	Comments string      `json:"comments,omitempty"`
}

// transactionIDRule keeps an id from changing the path of the request.
var transactionIDRule = regexp.MustCompile(`^[0-9]{1,20}$`)

// Refund implements payments.Provider. Flutterwave has no idempotency key, so the request is never repeated here.
func (c *Client) Refund(ctx context.Context, req payments.RefundRequest) (payments.Refund, error) {
	faults := checkPayment(req.Reference, req.Amount)
	if !transactionIDRule.MatchString(req.ProviderTransactionID) {
		faults = append(faults, errors.New("transaction id: required, digits only"))
	}
	if err := invalid(faults); err != nil {
		return payments.Refund{}, fmt.Errorf("refund payment: %w", err)
	}
	var data struct {
		ID             json.RawMessage `json:"id"`
		Status         string          `json:"status"`
		AmountRefunded json.RawMessage `json:"amount_refunded"`
	}
	err := c.post(ctx, "/transactions/"+req.ProviderTransactionID+"/refund", refundBody{Amount: json.Number(req.Amount.Decimal()), Comments: req.Reason}, &data)
	if err != nil {
		return payments.Refund{}, fmt.Errorf("refund payment %s: %w", req.Reference, err)
	}
	amount, err := money.FromMajorNumber(exchange.Scalar(data.AmountRefunded), req.Amount.Currency) // In the currency of the payment; the answer names none.
	id := exchange.Scalar(data.ID)
	if err != nil || id == "" {
		return payments.Refund{}, fmt.Errorf("refund payment %s: %w: no id or amount", req.Reference, payments.ErrMalformed)
	}
	return payments.Refund{Provider: Name, ID: id, State: refundState(data.Status), ProviderStatus: data.Status, Amount: amount}, nil
}
