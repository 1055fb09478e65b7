package paystack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// get asks Paystack and decodes the data member of the answer into out and, unless it is nil, the meta member into meta.
func (c *Client) get(ctx context.Context, path string, out, meta any) error {
	got, err := c.api.Get(ctx, path)
	if err != nil {
		return err
	}
	return decode(got, out, meta)
}

// post has Paystack do something and decodes the data member of the answer into out.
func (c *Client) post(ctx context.Context, path string, in, out any) error {
	got, err := c.api.Post(ctx, path, in)
	if err != nil {
		return err
	}
	return decode(got, out, nil)
}

// decode turns an answer into data or into one of the errors of package payments.
func decode(a *exchange.Answer, out, meta any) error {
	var outer struct {
		Status  bool            `json:"status"`
		Message string          `json:"message"`
		Code    string          `json:"code"`
		Data    json.RawMessage `json:"data"`
		Meta    json.RawMessage `json:"meta"`
	}
	err := json.Unmarshal(a.Body, &outer)
	if a.Status >= http.StatusOK && a.Status < http.StatusMultipleChoices && outer.Status && err == nil {
		if err := json.Unmarshal(outer.Data, out); err != nil {
			return fmt.Errorf("%w: data of the answer", payments.ErrMalformed)
		}
		if meta != nil && json.Unmarshal(outer.Meta, meta) != nil {
			return fmt.Errorf("%w: meta of the answer", payments.ErrMalformed)
		}
		return nil
	}
	switch message := strings.ToLower(outer.Message); {
	case err == nil && (outer.Code == "transaction_not_found" || strings.Contains(message, "transaction reference not found")):
		return payments.ErrUnknownReference
	case err == nil && (outer.Code == "duplicate_reference" || strings.Contains(message, "duplicate transaction reference")):
		return payments.ErrDuplicateReference
	case a.Status >= http.StatusBadRequest || (err == nil && a.Status == http.StatusOK):
		return &payments.DeclinedError{HTTPStatus: a.Status, Code: outer.Code, Message: exchange.Redact(outer.Message)}
	default: // A redirect, or something that is not Paystack's JSON.
		return fmt.Errorf("%w: HTTP %d", payments.ErrMalformed, a.Status)
	}
}
