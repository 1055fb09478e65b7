package paystack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// perPage is the most transactions that Paystack puts on one page.
const perPage = 100

// listMeta is how Paystack pages.
type listMeta struct {
	Page      int `json:"page"`
	PageCount int `json:"pageCount"`
}

// List implements payments.Provider. The cursor is the number of a page. Paystack lists the newest first, so pages are stable once the period is over.
func (c *Client) List(ctx context.Context, req payments.ListRequest) (payments.ListPage, error) {
	page := 1
	if req.Cursor != "" {
		var err error
		if page, err = strconv.Atoi(req.Cursor); err != nil || page < 1 {
			return payments.ListPage{}, fmt.Errorf("list payments: %w: cursor", payments.ErrInvalidRequest)
		}
	}
	if !req.From.Before(req.To) {
		return payments.ListPage{}, fmt.Errorf("list payments: %w: the period is empty", payments.ErrInvalidRequest)
	}
	query := url.Values{
		"perPage": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)},
		"from": {req.From.UTC().Format(time.RFC3339)}, "to": {req.To.UTC().Format(time.RFC3339)},
	}
	var data []transaction
	var meta listMeta
	if err := c.get(ctx, "/transaction?"+query.Encode(), &data, &meta); err != nil {
		return payments.ListPage{}, fmt.Errorf("list payments: %w", err)
	}
	out := payments.ListPage{Payments: make([]payments.Verification, 0, len(data))}
	for i := range data {
		// Whether "to" is part of the period is not documented, so the edges are ours.
		if at := exchange.Time(data[i].CreatedAt); at.Before(req.From) || !at.Before(req.To) {
			continue
		}
		v, err := data[i].verification()
		if err != nil {
			return payments.ListPage{}, fmt.Errorf("list payments: %w", err)
		}
		out.Payments = append(out.Payments, v)
	}
	if page < meta.PageCount && len(data) > 0 {
		out.Next = strconv.Itoa(page + 1)
	}
	return out, nil
}

// verification is what a transaction says, in our words.
func (t *transaction) verification() (payments.Verification, error) {
	amount, err := t.amount()
	if err != nil && !errors.Is(err, money.ErrUnknownCurrency) { // The zero amount of an unknown currency equals no expected one.
		return payments.Verification{}, fmt.Errorf("%w: amount: %w", payments.ErrMalformed, err)
	}
	if t.Reference == "" || exchange.Scalar(t.ID) == "" || t.Status == "" {
		return payments.Verification{}, fmt.Errorf("%w: transaction without id, reference or status", payments.ErrMalformed)
	}
	return payments.Verification{
		Provider: Name, Reference: t.Reference, Status: status(t.Status), ProviderStatus: t.Status, Amount: amount,
		ProviderTransactionID: exchange.Scalar(t.ID), PaidAt: exchange.Time(t.PaidAt), Channel: t.Channel,
	}, nil
}
