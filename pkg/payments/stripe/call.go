package stripe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/stripe/stripe-go/v85"

	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/internal/exchange"
)

// seenKey is the context's key of a *seen.
type seenKey struct{}

// seen is what recorder notes of an answer.
type seen struct {
	exchange.Answer
	broken error // What ended the body before its end.
}

// recorder notes what the library keeps from its caller: the status and Retry-After of an answer that is not Stripe's JSON, and whether it came whole.
// It also puts the path of the base URL in front, because the library knows answers by the beginning of their path and wants that to be /v1.
type recorder struct {
	next   http.RoundTripper
	prefix string // "" or "/stripe".
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req
	if r.prefix != "" {
		out = req.Clone(req.Context()) // A RoundTripper leaves the request as it is.
		out.URL.Path = r.prefix + req.URL.Path
	}
	resp, err := r.next.RoundTrip(out)
	if noted, ok := req.Context().Value(seenKey{}).(*seen); ok && err == nil {
		noted.Status, noted.RetryAfter = resp.StatusCode, outbound.RetryAfter(resp.Header, exchange.MaxRetryAfter)
		resp.Body = &watchedBody{ReadCloser: resp.Body, seen: noted}
	}
	return resp, err
}

// watchedBody notes why reading ended.
type watchedBody struct {
	io.ReadCloser
	seen *seen
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.seen.broken = err
	}
	return n, err
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the real transport.
func (r *recorder) CloseIdleConnections() {
	if c, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// call runs one request of the library under the policies. The request must be a question or carry an idempotency key, because it is repeated while Stripe
// does not answer.
func (c *Client) call(ctx context.Context, request func(ctx context.Context) error) error {
	return c.calling(ctx, c.Repeat, request)
}

// calling is call with policies of the caller's choice.
func (c *Client) calling(ctx context.Context, policies func(context.Context, exchange.Attempt) (*exchange.Answer, error), request func(ctx context.Context) error) error {
	var failure error // Of the last attempt; attempts follow one another.
	_, err := policies(ctx, func(ctx context.Context) (*exchange.Answer, error) {
		noted := &seen{}
		failure = request(context.WithValue(ctx, seenKey{}, noted))
		switch {
		case failure == nil:
			return &noted.Answer, nil
		case noted.Status == 0: // No answer at all.
			return nil, outbound.WithoutURL(failure)
		case noted.broken != nil: // Half an answer.
			return nil, fmt.Errorf("read answer: %w", noted.broken)
		}
		return &noted.Answer, nil
	})
	if err != nil {
		return err
	}
	return classify(failure)
}

// classify turns what the library made of an answer into one of the errors of package payments. The library's own error would show the whole answer.
func classify(err error) error {
	if err == nil {
		return nil
	}
	said, ok := errors.AsType[*stripe.Error](err)
	switch {
	case !ok:
		return fmt.Errorf("%w: not an answer of Stripe's", payments.ErrMalformed)
	case said.Code == stripe.ErrorCodeResourceMissing:
		return payments.ErrUnknownReference
	case said.Type == stripe.ErrorTypeIdempotency:
		return payments.ErrDuplicateReference
	default:
		return &payments.DeclinedError{HTTPStatus: said.HTTPStatusCode, Code: exchange.Redact(string(said.Code)), Message: exchange.Redact(said.Msg)}
	}
}
