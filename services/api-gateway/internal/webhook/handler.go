package webhook

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"makola/pkg/billing"
	"makola/pkg/payments"
	"makola/pkg/problem"
)

// MaxBodyBytes is the most a webhook may weigh. Paystack's weigh about 2 KiB.
const MaxBodyBytes = 1 << 20

// retryAfter is what a provider is told when we cannot store its event now. Providers keep to their own schedules; proxies and tests listen.
const retryAfter = 5 * time.Second

// The answers that are not 200.
var (
	errTooLarge  = problem.New(problem.TooLarge, "too_large", "A webhook may weigh 1 MiB.")
	errUnread    = problem.New(problem.Malformed, "malformed", "The body could not be read.")
	errSignature = problem.New(problem.Unauthenticated, "bad_signature", "The signature is missing or does not fit the body.")
	errMalformed = problem.New(problem.Malformed, "malformed_event", "The body is signed but is not an event.")
	errBusy      = problem.Later(problem.Unavailable, "busy", "Too many events are waiting. Send it again.", retryAfter)
	errStore     = problem.Later(problem.Unavailable, "not_stored", "The event could not be stored. Send it again.", retryAfter)
)

// Handler answers the webhooks of one provider. It is safe for concurrent use.
type Handler struct {
	name      string
	provider  payments.Provider
	committer *Committer
	outcomes  *prometheus.CounterVec
}

// NewHandler makes the handler of the provider called name, such as "paystack". Several handlers may share a committer.
func NewHandler(name string, provider payments.Provider, committer *Committer) *Handler {
	return &Handler{name: name, provider: provider, committer: committer, outcomes: committer.outcomes.MustCurryWith(prometheus.Labels{"provider": name})}
}

// Handlers makes the handler of each provider.
func Handlers(providers map[string]payments.Provider, committer *Committer) map[string]gin.HandlerFunc {
	all := make(map[string]gin.HandlerFunc, len(providers))
	for name, p := range providers {
		all[name] = NewHandler(name, p, committer).Handle
	}
	return all
}

// Handle is the gin handler. It needs no session and no rate limit: the signature is the only credential, and a provider sends from few addresses.
func (h *Handler) Handle(c *gin.Context) {
	body, err := read(c.Writer, c.Request)
	if err != nil {
		h.refuse(c, "unread", err)
		return
	}
	event, err := h.provider.VerifyWebhook(body, c.Request.Header)
	switch {
	case errors.Is(err, payments.ErrSignature):
		h.refuse(c, "bad_signature", errSignature)
		return
	case err != nil:
		slog.WarnContext(c.Request.Context(), "signed webhook cannot be read", "provider", h.name, "error", err)
		h.refuse(c, "malformed", errMalformed)
		return
	}
	id, err := uuid.NewV7()
	if err != nil {
		h.refuse(c, "not_stored", errStore)
		return
	}
	state, err := h.committer.Store(c.Request.Context(), stored(h.name, id, event, body, c.Request.Header))
	switch {
	case errors.Is(err, ErrBusy):
		h.refuse(c, "busy", errBusy)
	case err != nil:
		h.refuse(c, "not_stored", errStore)
	case state == Duplicate:
		h.accept(c, "duplicate", `{"status":"duplicate"}`)
	default:
		h.accept(c, "queued", `{"status":"queued"}`)
	}
}

func (h *Handler) accept(c *gin.Context, outcome, answer string) {
	h.outcomes.WithLabelValues(outcome).Inc()
	c.Data(http.StatusOK, "application/json", []byte(answer))
}

func (h *Handler) refuse(c *gin.Context, outcome string, err error) {
	h.outcomes.WithLabelValues(outcome).Inc()
	problem.WriteError(c.Writer, c.Request, err)
	c.Abort()
}

// read returns the raw body, which the signature covers byte by byte.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBodyBytes {
		return nil, errTooLarge
	}
	limited := http.MaxBytesReader(w, r.Body, MaxBodyBytes)
	if r.ContentLength > 0 {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(limited, body); err != nil {
			return nil, errUnread
		}
		return body, nil
	}
	body, err := io.ReadAll(limited)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, errUnread
	}
	return body, nil
}

// stored is the event as it is kept. An event that is not about a payment is kept as ignored: nothing acts on it, and a person may want it.
func stored(name string, id uuid.UUID, e payments.Event, body []byte, header http.Header) billing.Event {
	keep := map[string]string{}
	for _, key := range []string{"User-Agent", "Content-Type"} {
		if v := header.Get(key); v != "" {
			keep[key] = v
		}
	}
	return billing.Event{
		ID: id, Provider: name, DedupeKey: e.DedupeKey, Type: e.Type, Reference: e.Reference, Body: body, Headers: keep, Trusted: e.Evidence == payments.BodyBound,
		Kind: e.Kind, Status: e.Status, Return: e.Return, CaseID: e.CaseID, Amount: e.Amount, ReturnedTotal: e.ReturnedTotal, TransactionID: e.ProviderTransactionID, PaidAt: e.PaidAt,
		Ignored: !e.Charge() && e.Kind != payments.KindRefund && e.Kind != payments.KindDispute,
	}
}
