package fake

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"makola/pkg/money"
)

// StripeConfig is the part of the configuration that Stripe needs.
type StripeConfig struct {
	SecretKey     Secret // Authenticates calls. Empty means DefaultStripeKey. Live keys are refused.
	WebhookURL    string // Empty: none are sent.
	WebhookSecret Secret // Signs webhooks. Empty means DefaultStripeWebhookSecret.
}

// stripeFacade speaks Stripe's API, under /stripe/v1 and /v1. Sessions do not expire.
type stripeFacade struct {
	s *Simulator

	versionMu sync.Mutex
	version   string // The API version of the last caller, which events name.

	repliesMu sync.Mutex // Held while a request with an Idempotency-Key runs: a second one with the same key waits for its answer. Before Simulator.mu.
	replies   map[string]reply
	order     []string // Keys of replies, oldest first.
}

// stripeVersion is what events say until a caller has named its own.
const stripeVersion = "2026-03-25.dahlia"

func newStripeFacade(s *Simulator) *stripeFacade {
	return &stripeFacade{s: s, version: stripeVersion, replies: map[string]reply{}}
}

func (f *stripeFacade) routes(mux *http.ServeMux) {
	handle := func(pattern string, op Operation, prefix string, next call) {
		subject := func(r *http.Request) string { // Of an id in the path.
			tx, _ := f.named(prefix, r.PathValue("id"))
			return tx.Reference
		}
		method, path, _ := strings.Cut(pattern, " ")
		for _, root := range stripeRoots {
			mux.HandleFunc(method+" "+root+path, f.s.api(Stripe, op, subject, next))
		}
	}
	handle("POST /checkout/sessions", OpInitialize, "", f.idempotent(f.createSession))
	handle("GET /checkout/sessions/{id}", OpVerify, "cs_", f.getSession)
	handle("GET /checkout/sessions", OpList, "", f.listSessions)
	handle("GET /payment_intents/{id}", OpVerify, "pi_", f.getPaymentIntent)
	handle("GET /charges/{id}", OpVerify, "ch_", f.getCharge)
	handle("POST /refunds", OpRefund, "", f.idempotent(f.createRefund))
	handle("GET /refunds/{id}", OpVerify, "", f.getRefund)
	handle("GET /refunds", OpList, "", f.listRefunds)
	handle("GET /balance", OpProbe, "", f.balance)
	for _, root := range stripeRoots {
		mux.HandleFunc(root+"/", func(w http.ResponseWriter, r *http.Request) {
			write(w, stripeRefuse(http.StatusNotFound, "", "", fmt.Sprintf("Unrecognized request URL (%s: %.100s)", r.Method, r.URL.Path)))
		})
	}
}

// stripeRoots are where the API is found. Stripe's Go library refuses an address with a path, so it is pointed at the simulator's own and asks for /v1/….
var stripeRoots = []string{"/v1", "/stripe/v1"}

func (f *stripeFacade) title() string { return "Stripe" }

// versionRule is what Stripe's API versions look like.
var versionRule = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(\.[a-z]{1,20})?$`)

func (f *stripeFacade) authorized(r *http.Request) bool {
	key := f.s.cfg.Stripe.SecretKey
	user, _, basic := r.BasicAuth() // As in curl -u sk_test_…:
	if !basic || !hmac.Equal([]byte(user), []byte(key)) {
		if !bearer(r, key) {
			return false
		}
	}
	if v := r.Header.Get("Stripe-Version"); versionRule.MatchString(v) {
		f.versionMu.Lock()
		f.version = v
		f.versionMu.Unlock()
	}
	return true
}

func (f *stripeFacade) webhook() string { return f.s.cfg.Stripe.WebhookURL }

func (f *stripeFacade) delivered(status int) bool { return status >= 200 && status < 300 }

func (f *stripeFacade) failure(status int, message string) any {
	switch status {
	case http.StatusTooManyRequests:
		return stripeError{Type: "invalid_request_error", Code: "rate_limit", Message: message}.body()
	case http.StatusInternalServerError:
		return stripeError{Type: "api_error", Message: message}.body()
	default:
		return stripeError{Type: "invalid_request_error", Message: message}.body()
	}
}

// returnURL is success_url with the session's id in place of its placeholder, or the page itself after a failure.
func (f *stripeFacade) returnURL(tx Transaction) string {
	if tx.State != StatePaid && !tx.completed {
		return ""
	}
	return strings.ReplaceAll(tx.ReturnURL, "{CHECKOUT_SESSION_ID}", tx.AccessCode)
}

// sign signs body and time, as of now: a retry has a new signature.
func (f *stripeFacade) sign(body []byte, now time.Time) http.Header {
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(f.s.cfg.Stripe.WebhookSecret))
	mac.Write([]byte(stamp + ".")) // A hash never returns an error.
	mac.Write(body)
	header := http.Header{}
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("User-Agent", "Stripe-Simulator")
	header.Set("Stripe-Signature", "t="+stamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
	return header
}

// stripeError is Stripe's error object.
type stripeError struct {
	Type    string `json:"type"`
	Code    string `json:"code,omitempty"`
	Param   string `json:"param,omitempty"`
	Message string `json:"message"`
}

func (e stripeError) body() any { return map[string]any{"error": e} }

func stripeRefuse(status int, code, param, message string) answer {
	return answer{status: status, body: stripeError{Type: "invalid_request_error", Code: code, Param: param, Message: message}.body()}
}

func stripeMissing(object, id string) answer {
	return stripeRefuse(http.StatusNotFound, "resource_missing", "id", fmt.Sprintf("No such %s: '%.100s'", object, id))
}

// refused makes an error of the form reader an answer.
func refused(err error) answer {
	e, ok := errors.AsType[*paramError](err)
	if !ok {
		return stripeRefuse(http.StatusBadRequest, "", "", err.Error())
	}
	return stripeRefuse(http.StatusBadRequest, e.code, e.param, e.message)
}

// named returns the payment that an id with this prefix names; an empty prefix names none.
func (f *stripeFacade) named(prefix, id string) (Transaction, bool) {
	if prefix == "cs_" {
		tx, ok := f.s.byAccess(id)
		return tx, ok && tx.Provider == Stripe
	}
	digits, ok := strings.CutPrefix(id, prefix)
	if prefix == "" || !ok {
		return Transaction{}, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return Transaction{}, false
	}
	tx, ok := f.s.byID(Stripe, n)
	return tx, ok && (prefix != "ch_" || tx.State == StatePaid)
}

func (f *stripeFacade) createSession(r *http.Request, _ Kind) answer {
	in, err := readSession(r, time.Now())
	if err != nil {
		return refused(err)
	}
	tx, _ := f.s.open(Transaction{ // Never refused: Stripe's references need not be unique.
		Provider: Stripe, Reference: in.reference, AccessCode: "cs_test_" + strings.ToLower(rand.Text()+rand.Text()), Email: in.email, Requested: in.amount,
		ReturnURL: in.successURL, CancelURL: in.cancelURL, Metadata: in.metadata, PaymentMetadata: in.paymentMetadata, expiresAt: in.expiresAt,
		page: f.s.base(r) + "/checkout/",
	})
	return stripeShow(f.session(tx, in.expand))
}

// balance is always nothing: the simulator keeps no account.
func (f *stripeFacade) balance(r *http.Request, _ Kind) answer {
	if _, err := readQuery(r.URL.Query()); err != nil {
		return refused(err)
	}
	nothing := []map[string]any{{"amount": 0, "currency": "ghs", "source_types": map[string]int{"card": 0}}}
	return answer{status: http.StatusOK, body: map[string]any{"object": "balance", "available": nothing, "pending": nothing, "livemode": false}}
}

func (f *stripeFacade) getSession(r *http.Request, twist Kind) answer {
	q, err := readQuery(r.URL.Query(), "expand")
	if err != nil {
		return refused(err)
	}
	tx, ok := f.named("cs_", r.PathValue("id"))
	if !ok {
		return stripeMissing("checkout.session", r.PathValue("id"))
	}
	return stripeShow(f.session(tx.twisted(twist), q.expand))
}

func (f *stripeFacade) getPaymentIntent(r *http.Request, twist Kind) answer {
	q, err := readQuery(r.URL.Query(), "expand")
	if err != nil {
		return refused(err)
	}
	tx, ok := f.named("pi_", r.PathValue("id"))
	if !ok || (tx.State == StateOpen && !tx.completed) { // Until the customer acts there is a session only.
		return stripeMissing("payment_intent", r.PathValue("id"))
	}
	return stripeShow(f.paymentIntent(tx.twisted(twist), q.expand))
}

func (f *stripeFacade) getCharge(r *http.Request, twist Kind) answer {
	if _, err := readQuery(r.URL.Query()); err != nil {
		return refused(err)
	}
	tx, ok := f.named("ch_", r.PathValue("id"))
	if !ok {
		return stripeMissing("charge", r.PathValue("id"))
	}
	return stripeShow(f.charge(tx.twisted(twist)), nil)
}

func (f *stripeFacade) listSessions(r *http.Request, twist Kind) answer {
	q, err := readQuery(r.URL.Query(), "expand", "list", "status", "payment_intent", "customer_details")
	if err != nil {
		return refused(err)
	}
	all := f.s.newest(Stripe, func(tx *Transaction) bool {
		return q.created(tx.CreatedAt) && q.is("status", sessionStatus(*tx)) && q.is("payment_intent", stripeID("pi_", tx.ID)) &&
			q.is("customer_details[email]", tx.Email)
	})
	return stripeList(q, "/v1/checkout/sessions", "checkout.session", all, func(tx Transaction) string { return tx.AccessCode },
		func(tx Transaction) (map[string]any, error) {
			return f.session(tx.twisted(twist), q.expand.inside("data"))
		})
}

func (f *stripeFacade) createRefund(r *http.Request, _ Kind) answer {
	in, err := readRefund(r)
	if err != nil {
		return refused(err)
	}
	prefix, id := "pi_", in.paymentIntent
	if id == "" {
		prefix, id = "ch_", in.charge
	}
	named, _ := f.named(prefix, id)
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	tx := f.s.book.byID[named.ID]
	if tx == nil {
		return stripeMissing(map[string]string{"pi_": "payment_intent", "ch_": "charge"}[prefix], id)
	}
	var amount money.Amount
	if in.amount != "" {
		if amount, err = money.FromMinorNumber(in.amount, tx.shown().Currency); err != nil || !amount.Positive() {
			return stripeRefuse(http.StatusBadRequest, "parameter_invalid_integer", "amount", "Invalid positive integer")
		}
	}
	made, err := f.s.refund(tx, amount, in.reason, in.metadata)
	switch {
	case errors.Is(err, ErrNotPaid):
		return stripeRefuse(http.StatusBadRequest, "", "", "This PaymentIntent does not have a successful charge to refund.")
	case err != nil && tx.refunded() == tx.Paid:
		return stripeRefuse(http.StatusBadRequest, "charge_already_refunded", "", "Charge "+stripeID("ch_", tx.ID)+" has already been refunded.")
	case err != nil:
		return stripeRefuse(http.StatusBadRequest, "", "amount", "Refund amount is greater than unrefunded amount on charge")
	}
	return stripeShow(stripeRefund(*tx, made), nil)
}

func (f *stripeFacade) getRefund(r *http.Request, twist Kind) answer {
	if _, err := readQuery(r.URL.Query()); err != nil {
		return refused(err)
	}
	for _, tx := range f.s.newest(Stripe, func(tx *Transaction) bool { return len(tx.Refunds) > 0 }) {
		for _, made := range tx.Refunds {
			if stripeID("re_", made.ID) == r.PathValue("id") {
				made.Amount = twistedAmount(made.Amount, twist)
				return stripeShow(stripeRefund(tx, made), nil)
			}
		}
	}
	return stripeMissing("refund", r.PathValue("id"))
}

func (f *stripeFacade) listRefunds(r *http.Request, twist Kind) answer {
	q, err := readQuery(r.URL.Query(), "list", "payment_intent", "charge")
	if err != nil {
		return refused(err)
	}
	type entry struct {
		tx   Transaction
		made Refund
	}
	var all []entry
	for _, tx := range f.s.newest(Stripe, func(tx *Transaction) bool {
		return q.is("payment_intent", stripeID("pi_", tx.ID)) && q.is("charge", stripeID("ch_", tx.ID))
	}) {
		for _, made := range slices.Backward(tx.Refunds) {
			if q.created(made.CreatedAt) {
				all = append(all, entry{tx, made})
			}
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return int(b.made.ID - a.made.ID) }) // Newest first.
	return stripeList(q, "/v1/refunds", "refund", all, func(e entry) string { return stripeID("re_", e.made.ID) },
		func(e entry) (map[string]any, error) {
			e.made.Amount = twistedAmount(e.made.Amount, twist)
			return stripeRefund(e.tx, e.made), nil
		})
}

// stripeShow answers with an object, or with what could not be expanded in it.
func stripeShow(object map[string]any, err error) answer {
	if err != nil {
		return refused(err)
	}
	return answer{status: http.StatusOK, body: object}
}

// stripeList cuts one page out of all as Stripe pages: by the id that the page before ended with, or the page after begins with.
func stripeList[T any](q query, path, object string, all []T, id func(T) string, show func(T) (map[string]any, error)) answer {
	first, last, more := 0, min(q.limit, len(all)), false
	for param, cursor := range map[string]string{"starting_after": q.startingAfter, "ending_before": q.endingBefore} {
		if cursor == "" {
			continue
		}
		at := slices.IndexFunc(all, func(item T) bool { return id(item) == cursor })
		if at < 0 {
			return stripeRefuse(http.StatusBadRequest, "resource_missing", param, fmt.Sprintf("No such %s: '%.100s'", object, cursor))
		}
		if param == "starting_after" {
			first, last = at+1, min(at+1+q.limit, len(all))
		} else {
			first, last = max(0, at-q.limit), at
		}
	}
	if more = last < len(all); q.endingBefore != "" {
		more = first > 0
	}
	data := make([]map[string]any, 0, last-first)
	for _, item := range all[first:last] {
		shown, err := show(item)
		if err != nil {
			return refused(err)
		}
		data = append(data, shown)
	}
	return answer{status: http.StatusOK, body: map[string]any{"object": "list", "url": path, "has_more": more, "data": data}}
}

// stripeID is the name of a payment intent, charge, refund or dispute.
func stripeID(prefix string, n int64) string { return prefix + strconv.FormatInt(n, 10) }
