package fake

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"makola/pkg/money"
	"makola/pkg/payments/paystack"
)

// authorized lets a request through that carries the secret key.
func (s *Simulator) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.cfg.SecretKey)) != 1 {
			refuse(w, http.StatusUnauthorized, "invalid_Key", "Invalid key")
			return
		}
		next(w, r)
	}
}

// initializeRequest is what Paystack's initialize takes, as far as the product uses it. The amount may be a string or a number.
type initializeRequest struct {
	Email       string          `json:"email"`
	Amount      json.Number     `json:"amount"`
	Currency    string          `json:"currency"`
	Reference   string          `json:"reference"`
	CallbackURL string          `json:"callback_url"`
	Metadata    json.RawMessage `json:"metadata"`
}

func (s *Simulator) initialize(w http.ResponseWriter, r *http.Request) {
	var in initializeRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_params", "Request body is not valid JSON")
		return
	}
	if in.Currency == "" {
		in.Currency = string(money.GHS)
	}
	if in.Reference == "" {
		in.Reference = "T" + rand.Text()
	}
	amount, err := money.FromMinorNumber(in.Amount.String(), money.Currency(in.Currency))
	switch {
	case errors.Is(err, money.ErrUnknownCurrency):
		refuse(w, http.StatusForbidden, "unsupported_currency", "Currency not supported by merchant")
	case err != nil || !amount.Positive():
		refuse(w, http.StatusBadRequest, "invalid_params", "Invalid Amount Sent")
	case !strings.Contains(in.Email, "@"):
		refuse(w, http.StatusBadRequest, "invalid_params", "Invalid Email Address Passed")
	case !paystack.ValidReference(in.Reference):
		refuse(w, http.StatusBadRequest, "invalid_params", "Reference may contain letters, digits, - . = only")
	case in.CallbackURL != "" && !webURL(in.CallbackURL):
		refuse(w, http.StatusBadRequest, "invalid_params", "Invalid callback URL")
	default:
		s.open(w, r, in, amount)
	}
}

// open records a valid request and answers with the page's address.
func (s *Simulator) open(w http.ResponseWriter, r *http.Request, in initializeRequest, amount money.Amount) {
	s.mu.Lock()
	if _, used := s.byRef[in.Reference]; used {
		s.mu.Unlock()
		refuse(w, http.StatusBadRequest, "duplicate_reference", "Duplicate Transaction Reference")
		return
	}
	s.nextID++
	tx := &Transaction{
		ID: s.nextID, Reference: in.Reference, AccessCode: strings.ToLower(rand.Text()), Email: in.Email, Requested: amount,
		Status: "abandoned", CallbackURL: in.CallbackURL, Metadata: in.Metadata, CreatedAt: time.Now().UTC().Truncate(time.Second),
	}
	s.byRef[tx.Reference], s.byAccess[tx.AccessCode] = tx, tx
	s.order = append(s.order, tx)
	s.mu.Unlock()
	base := strings.TrimRight(s.cfg.PublicURL, "/")
	if base == "" {
		base = "http://" + r.Host
	}
	grant(w, "Authorization URL created", map[string]string{
		"authorization_url": base + "/checkout/" + tx.AccessCode, "access_code": tx.AccessCode, "reference": tx.Reference,
	})
}

func (s *Simulator) verify(w http.ResponseWriter, r *http.Request) {
	tx, err := s.Transaction(r.PathValue("reference"))
	if err != nil {
		refuse(w, http.StatusBadRequest, "transaction_not_found", "Transaction reference not found.")
		return
	}
	grant(w, "Verification successful", tx.charge().data())
}

func (s *Simulator) list(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	all := make([]transactionJSON, 0, len(s.order))
	for _, tx := range slices.Backward(s.order) {
		all = append(all, tx.charge().data())
	}
	s.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{
		"status": true, "message": "Transactions retrieved", "data": all, "meta": map[string]any{"total": len(all), "page": 1, "pageCount": 1}, // all on one page
	})
}

func grant(w http.ResponseWriter, message string, data any) {
	reply(w, http.StatusOK, map[string]any{"status": true, "message": message, "data": data})
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	reply(w, status, map[string]any{"status": false, "message": message, "code": code})
}

func reply(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // The client may be gone; there is nobody to tell.
}
