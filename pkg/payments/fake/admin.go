package fake

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"makola/pkg/money"
)

// adminRoutes are for tests, the demonstration and the command line. They need no key, like the page itself.
func (s *Simulator) adminRoutes(mux *http.ServeMux) {
	handle := func(pattern string, next func(*http.Request) answer) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { write(w, next(r)) })
	}
	handle("POST /_control/pay", s.controlPay)
	handle("GET /_control/deliveries", func(*http.Request) answer { return grant("Deliveries retrieved", s.Deliveries()) })
	handle("POST /_simulator/faults", s.adminInject)
	handle("GET /_simulator/faults", func(*http.Request) answer { return grant("Faults retrieved", s.Faults()) })
	handle("DELETE /_simulator/faults", func(*http.Request) answer {
		s.ClearFaults()
		return grant("Faults cleared", []Fault{})
	})
	handle("DELETE /_simulator/faults/{id}", s.adminClear)
	handle("GET /_simulator/transactions", func(*http.Request) answer {
		all := s.newest("", func(*Transaction) bool { return true })
		return grant("Transactions retrieved", viewsOf(all[:min(len(all), maxListed)]))
	})
	handle("GET /_simulator/transactions/{reference}", s.adminShow)
	handle("POST /_simulator/transactions/{reference}/refund", s.adminRefund)
	handle("POST /_simulator/transactions/{reference}/dispute", s.adminDispute)
	handle("POST /_simulator/transactions/{reference}/webhook", s.adminWebhook)
}

// maxListed is how many transactions the admin API shows, the newest.
const maxListed = 100

// transactionView is a transaction in the words of no provider.
type transactionView struct {
	Provider   Provider       `json:"provider"`
	ID         int64          `json:"id"`
	Reference  string         `json:"reference"`
	AccessCode string         `json:"access_code"`
	State      State          `json:"state"`
	Currency   money.Currency `json:"currency"`
	Requested  string         `json:"requested"` // Major units, as text.
	Paid       string         `json:"paid,omitempty"`
	Refunded   string         `json:"refunded,omitempty"`
	Disputed   bool           `json:"disputed"`
	CreatedAt  time.Time      `json:"created_at"`
	PaidAt     *time.Time     `json:"paid_at"`
	Webhooks   []string       `json:"webhooks"` // What was told, or would have been, oldest first.
}

func viewOf(tx Transaction) transactionView {
	v := transactionView{
		Provider: tx.Provider, ID: tx.ID, Reference: tx.Reference, AccessCode: tx.AccessCode, State: tx.State, Currency: tx.shown().Currency,
		Requested: tx.Requested.Decimal(), Disputed: tx.disputed(), CreatedAt: tx.CreatedAt, Webhooks: []string{},
	}
	if tx.State == StatePaid {
		v.Paid, v.Refunded, v.PaidAt = tx.Paid.Decimal(), tx.refunded().Decimal(), &tx.PaidAt
	}
	for _, e := range tx.events {
		v.Webhooks = append(v.Webhooks, e.name)
	}
	return v
}

func viewsOf(all []Transaction) []transactionView {
	out := make([]transactionView, 0, len(all))
	for _, tx := range all {
		out = append(out, viewOf(tx))
	}
	return out
}

// failed is the answer to an action that could not be done.
func failed(err error) answer {
	status, code := http.StatusBadRequest, "invalid_params"
	for _, known := range []struct {
		err    error
		status int
		code   string
	}{
		{ErrUnknownReference, http.StatusNotFound, "transaction_not_found"},
		{ErrAlreadyPaid, http.StatusConflict, "already_paid"},
		{ErrCompleted, http.StatusConflict, "already_completed"},
		{ErrNotPaid, http.StatusConflict, "not_paid"},
		{ErrRefundTooLarge, http.StatusConflict, "refund_too_large"},
		{ErrDisputed, http.StatusConflict, "already_disputed"},
		{ErrNotDisputed, http.StatusConflict, "not_disputed"},
		{ErrNoEvent, http.StatusConflict, "no_webhook"},
	} {
		if errors.Is(err, known.err) {
			status, code = known.status, known.code
		}
	}
	return refuse(status, code, err.Error())
}

// controlPay acts as the customer.
func (s *Simulator) controlPay(r *http.Request) answer {
	var in struct {
		Reference string `json:"reference"`
		Mode      Mode   `json:"mode"`
	}
	if err := decode(r, &in); err != nil {
		return refuse(http.StatusBadRequest, "invalid_params", "want {\"reference\", \"mode\"}: "+err.Error())
	}
	if in.Mode == "" {
		in.Mode = Pay
	}
	tx, err := s.Pay(in.Reference, in.Mode)
	if err != nil {
		return failed(err)
	}
	return grant("Done: "+string(in.Mode), viewOf(tx))
}

func (s *Simulator) adminInject(r *http.Request) answer {
	var in Fault
	if err := decode(r, &in); err != nil {
		return refuse(http.StatusBadRequest, "invalid_params", err.Error())
	}
	f, err := s.Inject(in)
	if err != nil {
		return failed(err)
	}
	a := grant("Fault is active", f)
	a.status = http.StatusCreated
	return a
}

func (s *Simulator) adminClear(r *http.Request) answer {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || !s.ClearFault(id) {
		return refuse(http.StatusNotFound, "fault_not_found", "There is no such fault; it may be used up")
	}
	return grant("Fault cleared", s.Faults())
}

func (s *Simulator) adminShow(r *http.Request) answer {
	tx, err := s.Transaction(r.PathValue("reference"))
	if err != nil {
		return failed(err)
	}
	return grant("Transaction retrieved", viewOf(tx))
}

// decodeOptional is decode for a body that may be left out.
func decodeOptional(r *http.Request, into any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return decode(r, into)
}

func (s *Simulator) adminRefund(r *http.Request) answer {
	var in struct {
		Amount string `json:"amount"` // Major units, as text: "10.00". Empty: all that is left.
	}
	tx, err := s.Transaction(r.PathValue("reference"))
	if err != nil {
		return failed(err)
	}
	var amount money.Amount
	if err = decodeOptional(r, &in); err == nil && in.Amount != "" {
		amount, err = money.Parse(in.Amount, tx.shown().Currency)
	}
	if err != nil {
		return failed(err)
	}
	made, err := s.Refund(tx.AccessCode, amount)
	if err != nil {
		return failed(err)
	}
	return grant("Refunded "+made.Amount.Display(), map[string]any{"id": made.ID, "amount": made.Amount.Decimal(), "currency": made.Amount.Currency})
}

func (s *Simulator) adminDispute(r *http.Request) answer {
	var in struct {
		Resolution string `json:"resolution"` // Empty opens a dispute; won or lost, from the shop's side, closes it.
	}
	if err := decodeOptional(r, &in); err != nil {
		return failed(err)
	}
	var d Dispute
	var err error
	switch in.Resolution {
	case "":
		d, err = s.Dispute(r.PathValue("reference"))
	case "won", "lost":
		d, err = s.CloseDispute(r.PathValue("reference"), in.Resolution == "won")
	default:
		return refuse(http.StatusBadRequest, "invalid_params", "resolution: want won or lost")
	}
	if err != nil {
		return failed(err)
	}
	return grant("Dispute of "+d.Amount.Display(), map[string]any{"id": d.ID, "open": d.Open(), "won": d.Won})
}

func (s *Simulator) adminWebhook(r *http.Request) answer {
	var in struct {
		Event string `json:"event"` // The webhook's name. Empty: the latest that told what became of the charge.
	}
	if err := decodeOptional(r, &in); err != nil {
		return failed(err)
	}
	name, err := s.Resend(r.PathValue("reference"), in.Event)
	if err != nil {
		return failed(err)
	}
	return grant(fmt.Sprintf("Sending %s", name), map[string]string{"event": name})
}
