package fake

import (
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
)

//go:embed page/checkout.html
var pageSource string

//go:embed page/checkout.css
var styleSource []byte

// page is parsed once and only executed afterwards.
var page = template.Must(template.New("checkout").Parse(pageSource))

// button is one thing a customer, or fate, can do.
type button struct {
	Mode        Mode
	Label, Hint string
	Primary     bool
}

// buttons are the page's choices; the other modes are for programs.
func buttons(amount string) []button {
	return []button{
		{Pay, "Pay " + amount, "The payment succeeds and one webhook is sent.", true},
		{Fail, "Fail", "The payment is declined. Paystack sends no webhook for that.", false},
		{Twice, "Pay twice", "One payment, and its webhook arrives twice at the same moment.", false},
		{Lose, "Lose the webhook", "The payment succeeds, but its webhook never arrives.", false},
	}
}

type view struct {
	Transaction

	Amount  string
	Open    bool
	Note    string
	Buttons []button
	Back    string
}

func (s *Simulator) checkoutPage(w http.ResponseWriter, r *http.Request) {
	tx, ok := s.byAccessCode(r.PathValue("access_code"))
	if !ok {
		http.Error(w, "This checkout page does not exist. The simulator forgets its payments when it restarts.", http.StatusNotFound)
		return
	}
	s.render(w, http.StatusOK, tx, "")
}

func (s *Simulator) checkoutAct(w http.ResponseWriter, r *http.Request) {
	tx, ok := s.byAccessCode(r.PathValue("access_code"))
	if !ok {
		http.Error(w, "This checkout page does not exist.", http.StatusNotFound)
		return
	}
	done, err := s.Pay(tx.Reference, Mode(r.PostFormValue("mode")))
	switch {
	case errors.Is(err, ErrAlreadyPaid):
		s.render(w, http.StatusConflict, tx, "This payment was made before. Nothing was charged again.")
	case err != nil:
		s.render(w, http.StatusBadRequest, tx, "That choice does not exist.")
	case done.CallbackURL == "":
		http.Redirect(w, r, "/checkout/"+done.AccessCode, http.StatusSeeOther)
	default:
		http.Redirect(w, r, returnURL(done), http.StatusSeeOther)
	}
}

func (s *Simulator) byAccessCode(code string) (Transaction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, ok := s.byAccess[code]
	if !ok {
		return Transaction{}, false
	}
	return *tx, true
}

func (s *Simulator) render(w http.ResponseWriter, status int, tx Transaction, note string) {
	v := view{
		Transaction: tx, Amount: tx.Requested.Display(), Open: tx.Status != succeeded, Note: note,
		Buttons: buttons(tx.Requested.Display()), Back: returnURL(tx),
	}
	if note == "" && tx.Status == "failed" {
		v.Note = "The last attempt was declined. You can try again."
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = page.Execute(w, v) // The template is tested; what remains is a browser that went away.
}

// returnURL is callback_url with ?reference=&trxref= as Paystack appends them, or "".
func returnURL(tx Transaction) string {
	u, err := url.Parse(tx.CallbackURL)
	if err != nil || tx.CallbackURL == "" {
		return ""
	}
	q := u.Query()
	q.Set("reference", tx.Reference)
	q.Set("trxref", tx.Reference)
	u.RawQuery = q.Encode()
	return u.String()
}

func stylesheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(styleSource) // As above.
}
