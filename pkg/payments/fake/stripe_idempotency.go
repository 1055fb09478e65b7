package fake

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"slices"
)

// reply is what a request with an Idempotency-Key was answered.
type reply struct {
	request [sha256.Size]byte
	answer  answer
}

// idempotent gives a repeated request its first answer. As at Stripe, refused requests are not remembered, and a key belongs to one request for good;
// here it is forgotten after as many others as transactions are kept.
func (f *stripeFacade) idempotent(next call) call {
	return func(r *http.Request, twist Kind) answer {
		key := r.Header.Get("Idempotency-Key")
		if key == "" {
			return next(r, twist)
		}
		if len(key) > 255 {
			return stripeRefuse(http.StatusBadRequest, "", "", "Idempotency-Key has at most 255 characters")
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return stripeRefuse(http.StatusBadRequest, "", "", "body cannot be read, or is too large")
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		request := sha256.Sum256(append([]byte(r.URL.Path+"\n"), body...))
		f.repliesMu.Lock()
		defer f.repliesMu.Unlock()
		if first, ok := f.replies[key]; ok {
			if first.request != request {
				return answer{status: http.StatusBadRequest, body: stripeError{
					Type: "idempotency_error", Message: "Keys for idempotent requests can only be used with the same parameters they were first used with.",
				}.body()}
			}
			first.answer.header = http.Header{"Idempotent-Replayed": {"true"}}
			return first.answer
		}
		a := next(r, twist)
		if a.status != http.StatusOK {
			return a
		}
		if len(f.order) >= f.s.cfg.MaxTransactions {
			delete(f.replies, f.order[0])
			f.order = slices.Delete(f.order, 0, 1)
		}
		f.replies[key], f.order = reply{request, a}, append(f.order, key)
		return a
	}
}
