package fake

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"

	"makola/pkg/money"
)

//go:embed page/checkout.html
var checkoutSource string

//go:embed page/index.html
var indexSource string

//go:embed page/simulator.css
var styleSource []byte

// The pages are parsed once and only executed afterwards.
var (
	checkoutPage = template.Must(template.New("checkout").Parse(checkoutSource))
	indexPage    = template.Must(template.New("index").Parse(indexSource))
)

func (s *Simulator) pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /checkout/{access_code}", s.onPage(func(w http.ResponseWriter, _ *http.Request, tx Transaction) {
		s.render(w, http.StatusOK, tx, "")
	}))
	mux.HandleFunc("POST /checkout/{access_code}", s.onPage(s.checkoutAct))
	mux.HandleFunc("POST /checkout/{access_code}/fault", s.onPage(s.checkoutFault))
	mux.HandleFunc("POST /checkout/{access_code}/later", s.onPage(s.checkoutLater))
	mux.HandleFunc("GET /assets/simulator.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(styleSource) // The browser may be gone.
	})
}

// onPage finds the page's transaction.
func (s *Simulator) onPage(next func(http.ResponseWriter, *http.Request, Transaction)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tx, ok := s.byAccess(r.PathValue("access_code"))
		if !ok {
			http.Error(w, "This checkout page does not exist. The simulator forgets its payments when it restarts.", http.StatusNotFound)
			return
		}
		next(w, r, tx)
	}
}

// button is one thing a customer, or fate, can do.
type button struct{ Value, Label, Hint string }

// choices are what a customer and an everyday accident do.
func choices(tx Transaction) []button {
	declined := "The payment is declined, and no webhook tells. Paying afterwards works."
	if tx.Provider == Flutterwave {
		declined = "The payment is declined, and a webhook tells. Paying afterwards works."
	}
	return []button{
		{string(Pay), "Pay " + tx.Requested.Display(), "The payment succeeds and one webhook is sent."},
		{string(Fail), "Fail", declined},
		{string(Twice), "Pay twice", "One payment, and its webhook arrives twice at the same moment."},
		{string(Lose), "Lose the webhook", "The payment succeeds, but its webhook never arrives."},
	}
}

// misdeeds are the rarer things that this provider can do.
func misdeeds(tx Transaction) []button {
	wrong := tx.Requested
	wrong.Minor--
	out := []button{
		{string(Late), "Webhook comes late", fmt.Sprintf("Paid now, told %s later.", defaultDelay)},
		{string(OutOfOrder), "Webhooks out of order", map[Provider]string{
			Paystack:    fmt.Sprintf("The webhook waits until a later one overtakes it (refund, dispute), %s at most.", defaultDelay),
			Flutterwave: "A declined attempt before the payment is told after it.",
			Stripe:      "The money is told before the session that it completes.",
		}[tx.Provider]},
		{string(WrongAmount), "Wrong amount", "Only " + wrong.Display() + " is taken."},
		{string(WrongCurrency), "Wrong currency", money.FromMinor(tx.Requested.Minor, otherCurrency(tx.Requested.Currency)).Display() + " is taken."},
	}
	if tx.Provider != Flutterwave {
		out = append(out,
			button{string(RefundFirst), "Refund before success", "Paid and given back, and the refund is told first."},
			button{string(Disputed), "Dispute", "Paid, and the customer disputes it at once."})
	}
	if tx.Provider == Stripe {
		out = append(out,
			button{string(Async), "Money comes afterwards", "The session completes unpaid, then async_payment_succeeded."},
			button{string(AsyncFail), "Money never comes", "The session completes unpaid, then async_payment_failed."})
	}
	return out
}

// sequels are what can happen to a paid transaction.
func sequels(tx Transaction) []button {
	out := []button{{"webhook", "Send the webhook again", "The latest one about the charge, byte for byte."}}
	if tx.refunded() != tx.Paid {
		out = append(out, button{"refund", "Refund what is left", "As the shop's staff would in the provider's dashboard."})
	}
	switch open := len(tx.Disputes) > 0 && tx.Disputes[len(tx.Disputes)-1].Open(); {
	case tx.Provider == Flutterwave:
	case open:
		out = append(out, button{"won", "The shop wins the dispute", "The money stays."}, button{"lost", "The shop loses the dispute", "The customer keeps the money."})
	default:
		out = append(out, button{"dispute", "Dispute", "The customer's bank takes the payment back for now."})
	}
	return out
}

// checkoutView is what the page shows.
type checkoutView struct {
	Transaction

	Title, Amount, Note, Back, Refunded string
	Open, InDispute                     bool
	Choices, Misdeeds, Sequels          []button
	Kinds                               []Kind // How the provider's answer about this payment can go wrong.
	Faults                              []Fault
}

func (s *Simulator) render(w http.ResponseWriter, status int, tx Transaction, note string) {
	f := s.facade(tx.Provider)
	v := checkoutView{
		Transaction: tx, Title: f.title(), Amount: tx.shown().Display(), Note: note, Back: f.returnURL(tx), Open: tx.State != StatePaid && !tx.completed,
		InDispute: tx.disputed(), Choices: choices(tx), Misdeeds: misdeeds(tx), Kinds: kindsOf[OpVerify],
	}
	if tx.State == StatePaid {
		v.Sequels = sequels(tx)
		if r := tx.refunded(); r.Positive() {
			v.Refunded = r.Display()
		}
	}
	for _, fault := range s.Faults() {
		if fault.Reference == tx.Reference {
			v.Faults = append(v.Faults, fault)
		}
	}
	if note == "" && tx.State == StateFailed && v.Open {
		v.Note = "The last attempt was declined. You can try again."
	}
	show(w, status, checkoutPage, v)
}

// show writes a page that loads nothing from elsewhere and runs no script. There is no form-action in the policy, because browsers hold redirects after a
// form to it, and paying leads back to the shop.
func show(w http.ResponseWriter, status int, page *template.Template, view any) {
	var body bytes.Buffer
	if err := page.Execute(&body, view); err != nil {
		http.Error(w, "page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // With no-referrer, browsers hide the forms' origin, which is checked.
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // The browser may be gone.
}

func (s *Simulator) checkoutAct(w http.ResponseWriter, r *http.Request, tx Transaction) {
	done, err := s.Pay(tx.AccessCode, Mode(r.PostFormValue("mode")))
	switch {
	case errors.Is(err, ErrAlreadyPaid):
		s.render(w, http.StatusConflict, tx, "This payment was made before. Nothing was charged again.")
	case errors.Is(err, ErrCompleted):
		s.render(w, http.StatusConflict, tx, "This session is complete. Nothing was charged.")
	case err != nil:
		s.render(w, http.StatusBadRequest, tx, "That choice does not exist here.")
	default:
		next := s.facade(done.Provider).returnURL(done)
		if next == "" {
			next = "/checkout/" + done.AccessCode
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

// checkoutFault makes the provider's next answers about this payment go wrong.
func (s *Simulator) checkoutFault(w http.ResponseWriter, r *http.Request, tx Transaction) {
	times, err := strconv.Atoi(r.PostFormValue("times"))
	if err != nil || times < 1 {
		s.render(w, http.StatusBadRequest, tx, "How often? A number from 1.")
		return
	}
	if _, err := s.Inject(Fault{Provider: tx.Provider, Operation: OpVerify, Kind: Kind(r.PostFormValue("kind")), Reference: tx.Reference, Times: times}); err != nil {
		s.render(w, http.StatusBadRequest, tx, err.Error())
		return
	}
	http.Redirect(w, r, "/checkout/"+tx.AccessCode, http.StatusSeeOther)
}

// checkoutLater acts on a paid transaction.
func (s *Simulator) checkoutLater(w http.ResponseWriter, r *http.Request, tx Transaction) {
	var err error
	switch action := r.PostFormValue("action"); action {
	case "webhook":
		_, err = s.Resend(tx.AccessCode, "")
	case "refund":
		_, err = s.Refund(tx.AccessCode, money.Amount{})
	case "dispute":
		_, err = s.Dispute(tx.AccessCode)
	case "won", "lost":
		_, err = s.CloseDispute(tx.AccessCode, action == "won")
	default:
		err = fmt.Errorf("%w: %.40q", ErrUnsupported, action)
	}
	if err != nil {
		s.render(w, failed(err).status, tx, err.Error())
		return
	}
	http.Redirect(w, r, "/checkout/"+tx.AccessCode, http.StatusSeeOther)
}

// indexView is what the start page shows.
type indexView struct {
	Base         string
	Total        int
	Transactions []indexRow
	Faults       []Fault
	Deliveries   []Delivery
}

type indexRow struct {
	Transaction

	Title, Amount, Refunded string
	InDispute               bool
}

// Sizes of the start page's tables.
const (
	indexTransactions = 50
	indexDeliveries   = 20
)

func (s *Simulator) index(w http.ResponseWriter, r *http.Request) {
	all, deliveries := s.newest("", func(*Transaction) bool { return true }), s.Deliveries()
	v := indexView{Base: s.base(r), Total: len(all), Faults: s.Faults()}
	for _, tx := range all[:min(len(all), indexTransactions)] {
		row := indexRow{Transaction: tx, Title: s.facade(tx.Provider).title(), Amount: tx.shown().Display(), InDispute: tx.disputed()}
		if given := tx.refunded(); given.Positive() {
			row.Refunded = given.Display()
		}
		v.Transactions = append(v.Transactions, row)
	}
	for i := len(deliveries) - 1; i >= 0 && len(v.Deliveries) < indexDeliveries; i-- {
		v.Deliveries = append(v.Deliveries, deliveries[i])
	}
	show(w, http.StatusOK, indexPage, v)
}
