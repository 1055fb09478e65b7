package fake

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"makola/pkg/money"
)

// FlutterwaveMode is how Flutterwave proves that a webhook is its own.
type FlutterwaveMode string

const (
	// FlutterwaveSignature sends base64 HMAC-SHA256 of the body, keyed with the secret hash, in flutterwave-signature.
	FlutterwaveSignature FlutterwaveMode = "signature"
	// FlutterwaveHash sends the secret hash itself in verif-hash, the same for every body: version 3 as it always was.
	FlutterwaveHash FlutterwaveMode = "hash"
)

// FlutterwaveConfig is the part of the configuration that Flutterwave needs.
type FlutterwaveConfig struct {
	SecretKey     Secret          // Authenticates calls. Empty means DefaultFlutterwaveKey. Live keys are refused.
	WebhookURL    string          // Empty: none are sent.
	WebhookSecret Secret          // The "secret hash", which proves webhooks. Empty means DefaultFlutterwaveSecret.
	WebhookMode   FlutterwaveMode // How it does. Empty means FlutterwaveSignature.
}

// flutterwaveFacade speaks version 3 of Flutterwave's API, under /flutterwave/v3. A payment is unknown to it until the customer has tried to pay:
// before that there is a link and no transaction, at the real one too.
type flutterwaveFacade struct{ s *Simulator }

func (f flutterwaveFacade) routes(mux *http.ServeMux) {
	handle := func(pattern string, op Operation, subject func(*http.Request) string, next call) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /flutterwave/v3"+path, f.s.api(Flutterwave, op, subject, next))
	}
	handle("POST /payments", OpInitialize, nil, f.initialize)
	handle("GET /transactions/{id}/verify", OpVerify, func(r *http.Request) string {
		tx, _ := f.attempted(r)
		return tx.Reference
	}, f.verify)
	handle("GET /transactions/verify_by_reference", OpVerify, func(r *http.Request) string { return r.URL.Query().Get("tx_ref") }, f.verifyByReference)
	handle("POST /transactions/{id}/refund", OpRefund, nil, f.refund)
	handle("GET /transactions", OpList, nil, f.list)
	handle("GET /refunds", OpList, nil, f.refunds)
	handle("GET /refunds/{id}", OpVerify, nil, f.fetchRefund)
	handle("GET /balances", OpProbe, nil, f.balances)
	mux.HandleFunc("/flutterwave/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, f.refuse(http.StatusNotFound, "Route not found"))
	})
}

func (f flutterwaveFacade) title() string { return "Flutterwave" }

func (f flutterwaveFacade) authorized(r *http.Request) bool {
	return bearer(r, f.s.cfg.Flutterwave.SecretKey)
}

func (f flutterwaveFacade) webhook() string { return f.s.cfg.Flutterwave.WebhookURL }

func (f flutterwaveFacade) delivered(status int) bool { return status == http.StatusOK }

func (f flutterwaveFacade) failure(_ int, message string) any {
	return map[string]any{"status": "error", "message": message, "data": nil}
}

func (f flutterwaveFacade) refuse(status int, message string) answer {
	return answer{status: status, body: f.failure(status, message)}
}

func (f flutterwaveFacade) grant(message string, data any) answer {
	return answer{status: http.StatusOK, body: map[string]any{"status": "success", "message": message, "data": data}}
}

// returnURL is redirect_url with what Flutterwave appends.
func (f flutterwaveFacade) returnURL(tx Transaction) string {
	return withQuery(tx.ReturnURL, url.Values{
		"status": {flutterwaveStatus(tx)}, "tx_ref": {tx.Reference}, "transaction_id": {strconv.FormatInt(tx.ID, 10)},
	})
}

func (f flutterwaveFacade) charged(tx Transaction, earlier bool) (out []event) {
	tell := func(tx Transaction) {
		body, err := json.Marshal(map[string]any{
			"event": "charge.completed", "data": flutterwaveTransaction(tx), "meta_data": tx.Metadata, "event.type": "MOBILEMONEYGH_TRANSACTION",
		})
		if err != nil {
			panic(fmt.Sprintf("webhook meta is not JSON: %v", err)) // What the API takes is.
		}
		out = append(out, event{name: "charge.completed", charge: true, body: body})
	}
	if earlier && tx.State == StatePaid {
		declined := tx
		declined.State, declined.PaidAt = StateFailed, time.Time{}
		tell(declined)
	}
	tell(tx)
	return out
}

// refunded tells nothing: in version 3 refunds are learned from the API.
func (f flutterwaveFacade) refunded(Transaction, Refund) []event { return nil }

// disputed tells nothing; see refunded.
func (f flutterwaveFacade) disputed(Transaction, Dispute) []event { return nil }

func (f flutterwaveFacade) sign(body []byte, _ time.Time) http.Header {
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "Flutterwave-Simulator")
	secret := f.s.cfg.Flutterwave.WebhookSecret
	if f.s.cfg.Flutterwave.WebhookMode == FlutterwaveSignature {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body) // A hash never returns an error.
		header.Set("Flutterwave-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		return header
	}
	header.Set("Verif-Hash", string(secret))
	return header
}

// flutterwavePayment is what Flutterwave's documentation lists for POST /payments. The product uses the first half; the rest is accepted and has no effect.
type flutterwavePayment struct {
	TxRef       string          `json:"tx_ref"`
	Amount      number          `json:"amount"`
	Currency    string          `json:"currency"`
	RedirectURL string          `json:"redirect_url"`
	Meta        json.RawMessage `json:"meta"`
	Customer    struct {
		Email       string `json:"email"`
		Name        string `json:"name"`
		PhoneNumber string `json:"phonenumber"`
	} `json:"customer"`

	PaymentOptions  string          `json:"payment_options"`
	SessionDuration json.Number     `json:"session_duration"`
	MaxRetryAttempt json.Number     `json:"max_retry_attempt"`
	LinkExpiration  string          `json:"link_expiration"`
	PaymentPlan     json.Number     `json:"payment_plan"`
	Customizations  json.RawMessage `json:"customizations"`
	Configurations  json.RawMessage `json:"configurations"`
	Subaccounts     json.RawMessage `json:"subaccounts"`
}

func (f flutterwaveFacade) initialize(r *http.Request, _ Kind) answer {
	var in flutterwavePayment
	if err := decode(r, &in); err != nil {
		return f.refuse(http.StatusBadRequest, "Request "+err.Error())
	}
	if in.Currency == "" {
		in.Currency = string(money.NGN)
	}
	amount, err := money.FromMajorNumber(string(in.Amount), money.Currency(in.Currency))
	switch {
	case errors.Is(err, money.ErrUnknownCurrency):
		return f.refuse(http.StatusBadRequest, "currency is not supported")
	case err != nil || !amount.Positive():
		return f.refuse(http.StatusBadRequest, "amount must be a positive number with no more decimals than the currency has")
	case in.TxRef == "" || len(in.TxRef) > maxReference:
		return f.refuse(http.StatusBadRequest, fmt.Sprintf("tx_ref is required and has at most %d characters", maxReference))
	case !strings.Contains(in.Customer.Email, "@"):
		return f.refuse(http.StatusBadRequest, "customer.email is required")
	case !webURL(in.RedirectURL):
		return f.refuse(http.StatusBadRequest, "redirect_url is required")
	case !object(in.Meta):
		return f.refuse(http.StatusBadRequest, "meta must be an object")
	}
	if minutes, err := in.SessionDuration.Int64(); in.SessionDuration != "" && (err != nil || minutes < 1 || minutes > 1440) {
		return f.refuse(http.StatusBadRequest, "session_duration must be 1 to 1440 minutes")
	}
	tx, fresh := f.s.open(Transaction{
		Provider: Flutterwave, Reference: in.TxRef, AccessCode: strings.ToLower(rand.Text()), Email: in.Customer.Email, Requested: amount,
		ReturnURL: in.RedirectURL, Metadata: in.Meta,
	})
	if !fresh {
		return f.refuse(http.StatusBadRequest, "Duplicate transaction reference: tx_ref was used before")
	}
	return f.grant("Hosted Link", map[string]string{"link": f.s.base(r) + "/checkout/" + tx.AccessCode})
}

// maxReference bounds what Flutterwave and Stripe are given as our reference. Stripe's limit is 200 characters.
const maxReference = 200

// attempted returns the transaction of the request's id, if the customer has tried to pay it.
func (f flutterwaveFacade) attempted(r *http.Request) (Transaction, bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return Transaction{}, false
	}
	tx, ok := f.s.byID(Flutterwave, id)
	return tx, ok && tx.State != StateOpen
}

// balances are always nothing: the simulator keeps no account.
func (f flutterwaveFacade) balances(*http.Request, Kind) answer {
	return f.grant("Wallet balances fetched", []map[string]any{{"currency": money.GHS, "available_balance": 0, "ledger_balance": 0}})
}

func (f flutterwaveFacade) verify(r *http.Request, twist Kind) answer {
	tx, ok := f.attempted(r)
	if !ok {
		return f.refuse(http.StatusNotFound, "No transaction was found for this id")
	}
	return f.grant("Transaction fetched successfully", flutterwaveTransaction(tx.twisted(twist)))
}

func (f flutterwaveFacade) verifyByReference(r *http.Request, twist Kind) answer {
	tx, ok := f.s.at(Flutterwave, r.URL.Query().Get("tx_ref"))
	if !ok || tx.State == StateOpen {
		return f.refuse(http.StatusNotFound, "No transaction was found for this id")
	}
	return f.grant("Transaction fetched successfully", flutterwaveTransaction(tx.twisted(twist)))
}

func (f flutterwaveFacade) refund(r *http.Request, _ Kind) answer {
	var in struct {
		Amount   number `json:"amount"`
		Comments string `json:"comments"`
	}
	if r.ContentLength != 0 { // Without a body everything is given back.
		if err := decode(r, &in); err != nil {
			return f.refuse(http.StatusBadRequest, "Request "+err.Error())
		}
	}
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64) // An unreadable id is an unknown one.
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	tx := f.s.book.byID[id]
	if tx == nil || tx.Provider != Flutterwave || tx.State == StateOpen {
		return f.refuse(http.StatusNotFound, "No transaction was found for this id")
	}
	var amount money.Amount
	if in.Amount != "" {
		var err error
		if amount, err = money.FromMajorNumber(string(in.Amount), tx.shown().Currency); err != nil || !amount.Positive() {
			return f.refuse(http.StatusBadRequest, "amount must be a positive number with no more decimals than the currency has")
		}
	}
	made, err := f.s.refund(tx, amount, in.Comments, nil)
	switch {
	case errors.Is(err, ErrNotPaid):
		return f.refuse(http.StatusBadRequest, "Only successful transactions can be refunded")
	case err != nil:
		return f.refuse(http.StatusBadRequest, "Refund amount is more than what is left of the transaction")
	}
	return f.grant("Transaction refund initiated", flutterwaveRefund(*tx, made))
}

// flutterwavePage is how many items Flutterwave's lists have on a page; the caller has no say.
const flutterwavePage = 20

// listed reads the query that both lists take.
func (f flutterwaveFacade) listed(q url.Values) (from, to time.Time, number int, err error) {
	var faults [3]error
	from, faults[0] = moment(q, "from", false)
	to, faults[1] = moment(q, "to", true)
	number, faults[2] = whole(q, "page", 1, 1_000_000)
	return from, to, number, errors.Join(faults[:]...)
}

func (f flutterwaveFacade) pageOf(message string, data any, number, total int) answer {
	return answer{status: http.StatusOK, body: map[string]any{
		"status": "success", "message": message, "data": data,
		"meta": map[string]any{"page_info": map[string]int{"total": total, "current_page": number, "total_pages": pages(total, flutterwavePage)}},
	}}
}

func (f flutterwaveFacade) list(r *http.Request, twist Kind) answer {
	q := r.URL.Query()
	from, to, number, err := f.listed(q)
	if err != nil {
		return f.refuse(http.StatusBadRequest, err.Error())
	}
	matches := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
	all := f.s.newest(Flutterwave, func(tx *Transaction) bool {
		return tx.State != StateOpen && between(tx.CreatedAt, from, to) && matches("tx_ref", tx.Reference) && matches("customer_email", tx.Email) &&
			matches("currency", string(tx.shown().Currency)) && matches("status", flutterwaveStatus(*tx))
	})
	data := make([]map[string]any, 0, flutterwavePage)
	for _, tx := range page(all, number, flutterwavePage) {
		data = append(data, flutterwaveTransaction(tx.twisted(twist)))
	}
	return f.pageOf("Transactions fetched", data, number, len(all))
}

func (f flutterwaveFacade) refunds(r *http.Request, twist Kind) answer {
	from, to, number, err := f.listed(r.URL.Query())
	if err != nil {
		return f.refuse(http.StatusBadRequest, err.Error())
	}
	all := []map[string]any{}
	for _, tx := range f.s.newest(Flutterwave, func(*Transaction) bool { return true }) {
		for _, made := range tx.Refunds {
			if between(made.CreatedAt, from, to) {
				made.Amount = twistedAmount(made.Amount, twist)
				all = append(all, flutterwaveRefund(tx, made))
			}
		}
	}
	return f.pageOf("Refunds fetched", page(all, number, flutterwavePage), number, len(all))
}

func (f flutterwaveFacade) fetchRefund(r *http.Request, twist Kind) answer {
	for _, tx := range f.s.newest(Flutterwave, func(tx *Transaction) bool { return len(tx.Refunds) > 0 }) {
		for _, made := range tx.Refunds {
			if strconv.FormatInt(made.ID, 10) == r.PathValue("id") {
				made.Amount = twistedAmount(made.Amount, twist)
				return f.grant("Refund fetched", flutterwaveRefund(tx, made))
			}
		}
	}
	return f.refuse(http.StatusNotFound, "Refund not found")
}

// flutterwaveStatus is Flutterwave's word for the state of a transaction. A refund does not change it.
func flutterwaveStatus(tx Transaction) string {
	switch tx.State {
	case StatePaid:
		return "successful"
	case StateFailed:
		return "failed"
	default:
		return "cancelled" // Of a customer who comes back without having tried.
	}
}

// flutterwaveTransaction is a transaction as Flutterwave's documentation shows it, in webhooks and in answers.
func flutterwaveTransaction(tx Transaction) map[string]any {
	amount, response := tx.shown(), "Approved"
	if tx.State != StatePaid {
		response = "Declined"
	}
	return map[string]any{
		"id": tx.ID, "tx_ref": tx.Reference, "flw_ref": "FLW-SIM-" + strconv.FormatInt(tx.ID, 10), "device_fingerprint": "N/A",
		"amount": major(amount), "currency": amount.Currency, "charged_amount": major(amount), "app_fee": json.RawMessage("0"), "merchant_fee": json.RawMessage("0"),
		"processor_response": response, "auth_model": "MOBILEMONEY", "ip": "192.0.2.7", "narration": "Makola", "status": flutterwaveStatus(tx),
		"payment_type": "mobilemoneygh", "created_at": tx.CreatedAt, "account_id": 73362, "amount_settled": major(amount), "meta": tx.Metadata,
		"customer": map[string]any{"id": 215604089, "name": "Anonymous customer", "phone_number": nil, "email": tx.Email, "created_at": tx.CreatedAt},
	}
}

func flutterwaveRefund(tx Transaction, r Refund) map[string]any {
	return map[string]any{
		"id": r.ID, "account_id": 73362, "tx_id": tx.ID, "tx_ref": tx.Reference, "flw_ref": "FLW-SIM-" + strconv.FormatInt(tx.ID, 10), "wallet_id": 74639,
		"amount_refunded": major(r.Amount), "currency": r.Amount.Currency, "status": "completed", "destination": "payment_source", "comments": r.Reason,
		"meta": map[string]string{"source": "availablebalance"}, "created_at": r.CreatedAt,
	}
}
