package stripe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v85"

	"makola/pkg/payments"
)

const (
	// pageSize is the most sessions that Stripe puts on one page.
	pageSize = 100
	// searchBefore and searchAfter bound the time around a payment's opening in which its session is looked for. Clocks differ by seconds; and the same
	// purchase may be opened again, under the same idempotency key, for as long as Stripe keeps the key.
	searchBefore = time.Minute
	searchAfter  = 25 * time.Hour
	// maxSearchPages bounds the search; 5,000 sessions a day are beyond one account of ours.
	maxSearchPages = 50
)

// Verify implements payments.Provider. With the access code it asks for that session; without it, it reads the sessions around the opening. Without either it cannot
// know where to look, which is ErrInvalidRequest.
func (c *Client) Verify(ctx context.Context, reference string, opened ...payments.Opening) (payments.Verification, error) {
	if !referenceRule.MatchString(reference) {
		return payments.Verification{}, fmt.Errorf("verify payment: %w", payments.ErrUnknownReference)
	}
	out, err := c.verify(ctx, reference, opened)
	if err != nil {
		return payments.Verification{}, fmt.Errorf("verify payment %s: %w", reference, err)
	}
	return out, nil
}

func (c *Client) verify(ctx context.Context, reference string, opened []payments.Opening) (payments.Verification, error) {
	for _, o := range opened {
		switch {
		case sessionRule.MatchString(o.AccessCode):
			return c.retrieve(ctx, reference, o.AccessCode)
		case !o.At.IsZero():
			return c.search(ctx, reference, o.At)
		}
	}
	return payments.Verification{}, fmt.Errorf("%w: neither access code nor time of opening", payments.ErrInvalidRequest)
}

func (c *Client) retrieve(ctx context.Context, reference, id string) (payments.Verification, error) {
	var s *stripe.CheckoutSession
	err := c.call(ctx, func(ctx context.Context) (err error) {
		params := &stripe.CheckoutSessionRetrieveParams{}
		params.AddExpand("payment_intent.latest_charge")
		s, err = c.api.V1CheckoutSessions.Retrieve(ctx, id, params)
		return err
	})
	if err != nil {
		return payments.Verification{}, err
	}
	out, err := verification(s)
	if err == nil && out.Reference != reference {
		err = fmt.Errorf("%w: answer is about something else", payments.ErrMalformed)
	}
	return out, err
}

// search reads the sessions around the opening. Should there be several with our reference, one that was paid counts.
func (c *Client) search(ctx context.Context, reference string, at time.Time) (found payments.Verification, err error) {
	cursor := ""
	for range maxSearchPages {
		sessions, next, err := c.page(ctx, at.Add(-searchBefore), at.Add(searchAfter), cursor)
		if err != nil {
			return payments.Verification{}, err
		}
		for _, s := range sessions {
			if s.ClientReferenceID != reference {
				continue
			}
			if found, err = verification(s); err != nil || found.Status == payments.StatusSucceeded {
				return found, err
			}
		}
		if next == "" {
			if found.Reference == "" {
				return payments.Verification{}, payments.ErrUnknownReference
			}
			return found, nil
		}
		cursor = next
	}
	return payments.Verification{}, &payments.UnavailableError{Err: errors.New("too many sessions to look through")}
}

// List implements payments.Provider. The cursor is the id of the last session of a page.
func (c *Client) List(ctx context.Context, req payments.ListRequest) (payments.ListPage, error) {
	if !req.From.Before(req.To) || (req.Cursor != "" && !sessionRule.MatchString(req.Cursor)) {
		return payments.ListPage{}, fmt.Errorf("list payments: %w: period or cursor", payments.ErrInvalidRequest)
	}
	sessions, next, err := c.page(ctx, req.From, req.To, req.Cursor)
	if err != nil {
		return payments.ListPage{}, fmt.Errorf("list payments: %w", err)
	}
	out := payments.ListPage{Payments: make([]payments.Verification, 0, len(sessions)), Next: next}
	for _, s := range sessions {
		if s.ClientReferenceID == "" {
			continue // Somebody else's: we always give one.
		}
		v, err := verification(s)
		if err != nil {
			return payments.ListPage{}, fmt.Errorf("list payments: %w", err)
		}
		out.Payments = append(out.Payments, v)
	}
	return out, nil
}

// page reads one page of the sessions created at from or later and before to, newest first.
func (c *Client) page(ctx context.Context, from, to time.Time, cursor string) (sessions []*stripe.CheckoutSession, next string, err error) {
	more := false
	err = c.call(ctx, func(ctx context.Context) error {
		params := &stripe.CheckoutSessionListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: from.Unix(), LesserThan: to.Unix()}}
		params.Limit = stripe.Int64(pageSize)
		params.AddExpand("data.payment_intent.latest_charge")
		if cursor != "" {
			params.StartingAfter = stripe.String(cursor)
		}
		list := c.api.V1CheckoutSessions.List(ctx, params) // One page; the library would get the others when asked for them.
		sessions, more = list.Data(), list.Meta().HasMore
		return list.Err()
	})
	if err != nil || !more || len(sessions) == 0 {
		return sessions, "", err
	}
	last := sessions[len(sessions)-1].ID
	if !sessionRule.MatchString(last) || last == cursor {
		return nil, "", fmt.Errorf("%w: list does not move on", payments.ErrMalformed)
	}
	return sessions, last, nil
}
