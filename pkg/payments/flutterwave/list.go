package flutterwave

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// listMeta is how Flutterwave pages.
type listMeta struct {
	PageInfo struct {
		CurrentPage int `json:"current_page"`
		TotalPages  int `json:"total_pages"`
	} `json:"page_info"`
}

// List implements payments.Provider. The cursor is the number of a page. Flutterwave's periods are whole days, so what lies beyond the edges of ours is left out here,
// and so are transactions without tx_ref, which cannot be ours.
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
		"from": {req.From.UTC().Format(time.DateOnly)}, "to": {req.To.Add(-time.Nanosecond).UTC().Format(time.DateOnly)}, "page": {strconv.Itoa(page)},
	}
	var data []transaction
	var meta listMeta
	if err := c.get(ctx, "/transactions?"+query.Encode(), &data, &meta); err != nil {
		return payments.ListPage{}, fmt.Errorf("list payments: %w", err)
	}
	out := payments.ListPage{Payments: make([]payments.Verification, 0, len(data))}
	for i := range data {
		if at := exchange.Time(data[i].CreatedAt); data[i].TxRef == "" || at.Before(req.From) || !at.Before(req.To) {
			continue
		}
		v, err := data[i].verification()
		if err != nil {
			return payments.ListPage{}, fmt.Errorf("list payments: %w", err)
		}
		out.Payments = append(out.Payments, v)
	}
	if page < meta.PageInfo.TotalPages && len(data) > 0 {
		out.Next = strconv.Itoa(page + 1)
	}
	return out, nil
}
