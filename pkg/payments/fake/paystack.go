package fake

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"makola/pkg/money"
	"makola/pkg/payments/paystack"
)

// paystackFacade speaks Paystack's API, at the simulator's root.
type paystackFacade struct{ s *Simulator }

func (f paystackFacade) routes(mux *http.ServeMux) {
	handle := func(pattern string, op Operation, subject func(*http.Request) string, next call) {
		mux.HandleFunc(pattern, f.s.api(Paystack, op, subject, next))
	}
	handle("POST /transaction/initialize", OpInitialize, nil, f.initialize)
	handle("GET /transaction/verify/{reference}", OpVerify, func(r *http.Request) string { return r.PathValue("reference") }, f.verify)
	handle("GET /transaction", OpList, nil, f.list)
	handle("POST /refund", OpRefund, nil, f.refund)
	handle("GET /refund", OpList, nil, f.refunds)
	handle("GET /refund/{id}", OpVerify, nil, f.fetchRefund)
	handle("GET /balance", OpProbe, nil, f.balance)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, refuse(http.StatusNotFound, "not_found", "Route not found"))
	})
}

func (f paystackFacade) title() string { return "Paystack" }

func (f paystackFacade) authorized(r *http.Request) bool { return bearer(r, f.s.cfg.SecretKey) }

func (f paystackFacade) webhook() string { return f.s.cfg.WebhookURL }

func (f paystackFacade) delivered(status int) bool { return status == http.StatusOK }

func (f paystackFacade) failure(status int, message string) any {
	return refuse(status, map[int]string{http.StatusUnauthorized: "invalid_Key"}[status], message).body
}

// returnURL is callback_url with ?reference=&trxref= as Paystack appends them.
func (f paystackFacade) returnURL(tx Transaction) string {
	return withQuery(tx.ReturnURL, url.Values{"reference": {tx.Reference}, "trxref": {tx.Reference}})
}

// bearer reports whether the request carries the key as a bearer token.
func bearer(r *http.Request, key Secret) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(token), []byte(key)) == 1
}

// withQuery adds the parameters to an address; no address stays none.
func withQuery(address string, more url.Values) string {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return ""
	}
	q := u.Query()
	for name, values := range more {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// paystackInitialize is what Paystack's documentation lists for initialize. The product uses the first half; the rest is accepted and has no effect.
type paystackInitialize struct {
	Email       string          `json:"email"`
	Amount      number          `json:"amount"`
	Currency    string          `json:"currency"`
	Reference   string          `json:"reference"`
	CallbackURL string          `json:"callback_url"`
	Metadata    json.RawMessage `json:"metadata"`

	Channels          []string        `json:"channels"`
	Plan              string          `json:"plan"`
	InvoiceLimit      json.Number     `json:"invoice_limit"`
	SplitCode         string          `json:"split_code"`
	Subaccount        string          `json:"subaccount"`
	TransactionCharge json.Number     `json:"transaction_charge"`
	Bearer            string          `json:"bearer"`
	FirstName         string          `json:"first_name"`
	LastName          string          `json:"last_name"`
	Phone             string          `json:"phone"`
	Label             json.RawMessage `json:"label"`
}

func (f paystackFacade) initialize(r *http.Request, _ Kind) answer {
	var in paystackInitialize
	if err := decode(r, &in); err != nil {
		return refuse(http.StatusBadRequest, "invalid_params", "Request "+err.Error())
	}
	if in.Currency == "" {
		in.Currency = string(money.GHS)
	}
	if in.Reference == "" {
		in.Reference = "T" + rand.Text()
	}
	amount, err := money.FromMinorNumber(string(in.Amount), money.Currency(in.Currency))
	switch {
	case errors.Is(err, money.ErrUnknownCurrency):
		return refuse(http.StatusForbidden, "unsupported_currency", "Currency not supported by merchant")
	case err != nil || !amount.Positive():
		return refuse(http.StatusBadRequest, "invalid_params", "Invalid Amount Sent")
	case !strings.Contains(in.Email, "@"):
		return refuse(http.StatusBadRequest, "invalid_params", "Invalid Email Address Passed")
	case !paystack.ValidReference(in.Reference):
		return refuse(http.StatusBadRequest, "invalid_params", "Reference may contain letters, digits, - . = only")
	case in.CallbackURL != "" && !webURL(in.CallbackURL):
		return refuse(http.StatusBadRequest, "invalid_params", "Invalid callback URL")
	}
	tx, fresh := f.s.open(Transaction{
		Provider: Paystack, Reference: in.Reference, AccessCode: strings.ToLower(rand.Text()), Email: in.Email, Requested: amount,
		ReturnURL: in.CallbackURL, Metadata: in.Metadata,
	})
	if !fresh {
		return refuse(http.StatusBadRequest, "duplicate_reference", "Duplicate Transaction Reference")
	}
	return grant("Authorization URL created", map[string]string{
		"authorization_url": f.s.base(r) + "/checkout/" + tx.AccessCode, "access_code": tx.AccessCode, "reference": tx.Reference,
	})
}

func (f paystackFacade) verify(r *http.Request, twist Kind) answer {
	tx, ok := f.s.at(Paystack, r.PathValue("reference"))
	if !ok {
		return refuse(http.StatusBadRequest, "transaction_not_found", "Transaction reference not found.")
	}
	return grant("Verification successful", paystackCharge(tx.twisted(twist)).data())
}

func (f paystackFacade) list(r *http.Request, twist Kind) answer {
	q, err := paystackQuery(r.URL.Query())
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_params", err.Error())
	}
	all := f.s.newest(Paystack, func(tx *Transaction) bool {
		return between(tx.CreatedAt, q.from, q.to) && (q.status == "" || paystackStatus(*tx) == q.status)
	})
	var volume int64
	for _, tx := range all {
		volume += tx.shown().Minor
	}
	data := make([]transactionJSON, 0, q.size)
	for _, tx := range page(all, q.page, q.size) {
		data = append(data, paystackCharge(tx.twisted(twist)).data())
	}
	meta := q.meta(len(all))
	meta["total_volume"] = volume
	return answer{status: http.StatusOK, body: map[string]any{"status": true, "message": "Transactions retrieved", "data": data, "meta": meta}}
}

// paystackList is what Paystack's lists can be asked for.
type paystackList struct {
	from, to   time.Time
	size, page int
	status     string
}

func paystackQuery(q url.Values) (out paystackList, err error) {
	var faults [4]error
	out.from, faults[0] = moment(q, "from", false)
	out.to, faults[1] = moment(q, "to", true)
	out.size, faults[2] = whole(q, "perPage", 50, 1000)
	out.page, faults[3] = whole(q, "page", 1, 1_000_000)
	out.status = q.Get("status")
	return out, errors.Join(faults[:]...)
}

// meta is the part of a list's answer that tells the way to the other pages.
func (l paystackList) meta(total int) map[string]any {
	return map[string]any{
		"total": total, "skipped": (l.page - 1) * l.size, "perPage": l.size, "page": l.page, "pageCount": pages(total, l.size),
	}
}

func (f paystackFacade) refund(r *http.Request, _ Kind) answer {
	var in struct {
		Transaction  json.RawMessage `json:"transaction"` // Its reference, or its id as text or number.
		Amount       number          `json:"amount"`
		Currency     string          `json:"currency"`
		CustomerNote string          `json:"customer_note"`
		MerchantNote string          `json:"merchant_note"`
	}
	if err := decode(r, &in); err != nil {
		return refuse(http.StatusBadRequest, "invalid_params", "Request "+err.Error())
	}
	name := strings.Trim(string(in.Transaction), `"`)
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	tx := f.s.book.byKey[bookKey{Paystack, name}]
	if id, err := strconv.ParseInt(name, 10, 64); tx == nil && err == nil {
		tx = f.s.book.byID[id]
	}
	if tx == nil || tx.Provider != Paystack {
		return refuse(http.StatusNotFound, "transaction_not_found", "Transaction not found")
	}
	var amount money.Amount
	if in.Amount != "" {
		var err error
		if amount, err = money.FromMinorNumber(string(in.Amount), tx.Paid.Currency); err != nil || !amount.Positive() {
			return refuse(http.StatusBadRequest, "invalid_params", "Invalid Amount Sent")
		}
	}
	if in.Currency != "" && in.Currency != string(tx.Paid.Currency) {
		return refuse(http.StatusBadRequest, "invalid_params", "Currency differs from the transaction's")
	}
	made, err := f.s.refund(tx, amount, in.MerchantNote, nil)
	switch {
	case errors.Is(err, ErrNotPaid):
		return refuse(http.StatusBadRequest, "invalid_params", "Transaction has not been paid")
	case err != nil:
		return refuse(http.StatusBadRequest, "invalid_params", "Refund amount cannot be more than what is left of the transaction amount")
	}
	data := paystackRefund(*tx, made)
	data["status"], data["transaction"] = "pending", paystackCharge(tx.copied()).data() // The list tells how it ended.
	return grant("Refund has been queued for processing", data)
}

func (f paystackFacade) refunds(r *http.Request, twist Kind) answer {
	q, err := paystackQuery(r.URL.Query())
	if err != nil {
		return refuse(http.StatusBadRequest, "invalid_params", err.Error())
	}
	name := r.URL.Query().Get("transaction")
	if name == "" {
		name = r.URL.Query().Get("reference")
	}
	all := []map[string]any{}
	for _, tx := range f.s.newest(Paystack, func(tx *Transaction) bool {
		return name == "" || name == tx.Reference || name == strconv.FormatInt(tx.ID, 10)
	}) {
		for _, made := range tx.Refunds {
			if between(made.CreatedAt, q.from, q.to) {
				made.Amount = twistedAmount(made.Amount, twist)
				all = append(all, paystackRefund(tx, made))
			}
		}
	}
	return answer{status: http.StatusOK, body: map[string]any{
		"status": true, "message": "Refunds retrieved", "data": page(all, q.page, q.size), "meta": q.meta(len(all)),
	}}
}

func (f paystackFacade) fetchRefund(r *http.Request, twist Kind) answer {
	for _, tx := range f.s.newest(Paystack, func(tx *Transaction) bool { return len(tx.Refunds) > 0 }) {
		for _, made := range tx.Refunds {
			if strconv.FormatInt(made.ID, 10) == r.PathValue("id") {
				made.Amount = twistedAmount(made.Amount, twist)
				return grant("Refund retrieved", paystackRefund(tx, made))
			}
		}
	}
	return refuse(http.StatusNotFound, "refund_not_found", "Refund not found")
}

// balance is always nothing: the simulator keeps no account.
func (f paystackFacade) balance(*http.Request, Kind) answer {
	return grant("Balances retrieved", []map[string]any{{"currency": money.GHS, "balance": 0}})
}

func grant(message string, data any) answer {
	return answer{status: http.StatusOK, body: map[string]any{"status": true, "message": message, "data": data}}
}

func refuse(status int, code, message string) answer {
	return answer{status: status, body: map[string]any{"status": false, "message": message, "code": code}}
}
