package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"makola/pkg/money"
)

// Mode is what happens when a customer acts on the checkout page.
type Mode string

// The modes.
const (
	Pay           Mode = "pay"            // Paid, one webhook.
	Fail          Mode = "fail"           // Declined. No webhook: Paystack's failures are learned by verify. Paying afterwards works.
	Twice         Mode = "twice"          // Paid, the same webhook delivered twice at the same moment.
	Lose          Mode = "lose"           // Paid, and the webhook never comes.
	WrongAmount   Mode = "wrong_amount"   // Paid one minor unit less than asked for.
	WrongCurrency Mode = "wrong_currency" // Paid the same figure in another currency.
)

// Errors of Pay.
var (
	// ErrUnknownReference reports a reference that was never initialized.
	ErrUnknownReference = errors.New("transaction reference not found")
	// ErrAlreadyPaid reports that the transaction has succeeded before; a reference is paid once.
	ErrAlreadyPaid = errors.New("transaction already paid")
	// ErrUnknownMode reports a mode outside the list.
	ErrUnknownMode = errors.New("unknown mode")
)

// Transaction is one payment at the simulator. Values handed out are copies.
type Transaction struct {
	ID          int64
	Reference   string
	AccessCode  string
	Email       string
	Requested   money.Amount
	Paid        money.Amount // What was taken; zero value until paid.
	Status      string       // Paystack's word: "abandoned" until the customer acts, then "success" or "failed".
	CallbackURL string
	Metadata    json.RawMessage
	CreatedAt   time.Time
	PaidAt      time.Time
}

// succeeded is Paystack's word for a paid transaction.
const succeeded = "success"

// Transaction returns the payment with that reference.
func (s *Simulator) Transaction(reference string) (Transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, ok := s.byRef[reference]
	if !ok {
		return Transaction{}, ErrUnknownReference
	}
	return *tx, nil
}

// Pay does to a payment what a customer would do on the page, and sends the webhooks that follow from it. It returns at once; the
// deliveries go on beside it (see Deliveries). Of many concurrent calls for one reference, one pays and the others get ErrAlreadyPaid.
func (s *Simulator) Pay(reference string, mode Mode) (Transaction, error) {
	webhooks, ok := map[Mode]int{Pay: 1, Fail: 0, Twice: 2, Lose: 0, WrongAmount: 1, WrongCurrency: 1}[mode]
	if !ok {
		return Transaction{}, fmt.Errorf("%w: %.20q", ErrUnknownMode, string(mode))
	}
	tx, err := s.act(reference, mode)
	if err != nil {
		return Transaction{}, err
	}
	if webhooks > 0 && s.cfg.WebhookURL != "" {
		body, header := SignedWebhook(s.cfg.SecretKey, tx.charge())
		for range webhooks {
			s.deliver(tx.Reference, body, header)
		}
	}
	return tx, nil
}

// act moves the transaction's state.
func (s *Simulator) act(reference string, mode Mode) (Transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, ok := s.byRef[reference]
	if !ok {
		return Transaction{}, ErrUnknownReference
	}
	if tx.Status == succeeded {
		return Transaction{}, ErrAlreadyPaid
	}
	if mode == Fail {
		tx.Status = "failed"
		return *tx, nil
	}
	tx.Status, tx.Paid, tx.PaidAt = succeeded, tx.Requested, time.Now().UTC().Truncate(time.Second)
	switch mode { //nolint:exhaustive // the other modes take what was asked for
	case WrongAmount:
		tx.Paid.Minor--
	case WrongCurrency:
		tx.Paid.Currency = otherCurrency(tx.Requested.Currency)
	}
	return *tx, nil
}

func otherCurrency(c money.Currency) money.Currency {
	if c == money.NGN {
		return money.GHS
	}
	return money.NGN
}

// shown is the amount that API answers and webhooks carry: what was taken, or else what was asked for.
func (t *Transaction) shown() money.Amount {
	if t.Status == succeeded {
		return t.Paid
	}
	return t.Requested
}

func (t *Transaction) charge() Charge {
	return Charge{
		TransactionID: t.ID, Reference: t.Reference, Amount: t.shown(), Requested: t.Requested, Status: t.Status,
		PaidAt: t.PaidAt, CreatedAt: t.CreatedAt, Email: t.Email, Metadata: t.Metadata,
	}
}
