package fake

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"makola/pkg/money"
)

// Mode is what happens when a customer acts on the checkout page.
type Mode string

// The modes. Besides Fail, AsyncFail, WrongAmount and WrongCurrency each takes what was asked for.
const (
	Pay           Mode = "pay"                   // Paid, told once.
	Fail          Mode = "fail"                  // Declined. Only Flutterwave tells; the others' failures are learned by verify. Paying afterwards works.
	Twice         Mode = "twice"                 // Paid, the same webhook delivered twice at the same moment.
	Lose          Mode = "lose"                  // Paid, and the webhook never comes.
	WrongAmount   Mode = "wrong_amount"          // Paid one minor unit less than asked for.
	WrongCurrency Mode = "wrong_currency"        // Paid the same figure in another currency.
	Late          Mode = "late"                  // Paid, told defaultDelay later.
	OutOfOrder    Mode = "out_of_order"          // Paid, told in the wrong order: see KindOutOfOrder.
	RefundFirst   Mode = "refund_before_success" // Paid and given back, the refund told first.
	Disputed      Mode = "dispute"               // Paid, and disputed at once.
	Async         Mode = "async"                 // Stripe only: the session completes unpaid, and the money comes afterwards.
	AsyncFail     Mode = "async_fail"            // Stripe only: the session completes unpaid, and the money never comes.
)

// twists says which webhook misbehaviour a mode is. Read only.
var twists = map[Mode]Kind{
	Pay: "", Fail: "", Twice: KindDuplicate, Lose: KindNoWebhook, WrongAmount: "", WrongCurrency: "", Late: KindSlow,
	OutOfOrder: KindOutOfOrder, RefundFirst: KindRefundBeforeSuccess, Disputed: KindDispute, Async: "", AsyncFail: "",
}

// Pay does to a payment what a customer would do on the page, and sends the webhooks that follow from it. It returns at once; the
// deliveries go on beside it (see Deliveries). Of many concurrent calls for one reference, one pays and the others get ErrAlreadyPaid.
func (s *Simulator) Pay(reference string, mode Mode) (Transaction, error) {
	kind, ok := twists[mode]
	if !ok {
		return Transaction{}, fmt.Errorf("%w: %.40q", ErrUnknownMode, string(mode))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.find(reference)
	switch {
	case tx == nil:
		return Transaction{}, ErrUnknownReference
	case tx.State == StatePaid:
		return Transaction{}, ErrAlreadyPaid
	case tx.completed:
		return Transaction{}, ErrCompleted
	case tx.Provider == Flutterwave && tellsOfReturns(kind):
		return Transaction{}, fmt.Errorf("%w: Flutterwave v3 sends webhooks about charges only", ErrUnsupported)
	case tx.Provider != Stripe && (mode == Async || mode == AsyncFail):
		return Transaction{}, fmt.Errorf("%w: only Stripe has asynchronous payments", ErrUnsupported)
	}
	tx.settle(mode, time.Now())
	tells := tx.State == StatePaid || mode == AsyncFail || tx.Provider == Flutterwave
	s.tell(tx, s.twist(tx, kind, tells, tx.State == StatePaid), func(told Transaction, twist Fault) []event {
		earlier := mode == Async || mode == AsyncFail || twist.Kind == KindOutOfOrder
		events := s.facade(tx.Provider).charged(told, earlier)
		switch twist.Kind { //nolint:exhaustive // the other kinds change the delivery, not the events
		case KindRefundBeforeSuccess:
			r := s.giveBack(tx, tx.Paid, "requested_by_customer", nil)
			told.Refunds = tx.Refunds
			events = append(s.facade(tx.Provider).refunded(told, r), events...)
		case KindDispute:
			d := s.complain(tx)
			told.Disputes = tx.Disputes
			events = append(events, s.facade(tx.Provider).disputed(told, d)...)
		}
		return events
	})
	return tx.copied(), nil
}

// settle moves the transaction's state.
func (t *Transaction) settle(mode Mode, now time.Time) {
	if mode == Fail || mode == AsyncFail {
		t.State, t.completed = StateFailed, mode == AsyncFail
		return
	}
	t.State, t.Paid, t.PaidAt = StatePaid, t.Requested, now.UTC().Truncate(time.Second)
	switch mode { //nolint:exhaustive // the other modes take what was asked for
	case WrongAmount:
		t.Paid = twistedAmount(t.Paid, KindWrongAmount)
	case WrongCurrency:
		t.Paid = twistedAmount(t.Paid, KindWrongCurrency)
	}
}

// Refund gives amount of a payment back, as the provider's staff would in its dashboard. The zero Amount means all that is left.
func (s *Simulator) Refund(reference string, amount money.Amount) (Refund, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.find(reference)
	if tx == nil {
		return Refund{}, ErrUnknownReference
	}
	return s.refund(tx, amount, "", nil)
}

// refund is Refund for the API. The caller holds s.mu.
func (s *Simulator) refund(tx *Transaction, amount money.Amount, reason string, metadata json.RawMessage) (Refund, error) {
	if tx.State != StatePaid {
		return Refund{}, ErrNotPaid
	}
	left := money.FromMinor(tx.Paid.Minor-tx.refunded().Minor, tx.Paid.Currency)
	if amount == (money.Amount{}) {
		amount = left
	}
	if over, err := amount.Compare(left); err != nil || over > 0 || !amount.Positive() {
		return Refund{}, fmt.Errorf("%w: %s of %s", ErrRefundTooLarge, amount.Display(), left.Display())
	}
	r := s.giveBack(tx, amount, reason, metadata)
	s.tell(tx, s.twist(tx, "", tx.Provider != Flutterwave, false), func(told Transaction, twist Fault) []event {
		shown := r
		shown.Amount = twistedAmount(r.Amount, twist.Kind)
		told.Paid.Minor, told.Refunds[len(told.Refunds)-1] = tx.Paid.Minor, shown // The refund is told wrongly, not the payment.
		return s.facade(tx.Provider).refunded(told, shown)
	})
	return r, nil
}

func (s *Simulator) giveBack(tx *Transaction, amount money.Amount, reason string, metadata json.RawMessage) Refund {
	r := Refund{ID: s.newID(), Amount: amount, Reason: reason, Metadata: metadata, CreatedAt: time.Now().UTC().Truncate(time.Second)}
	tx.Refunds = append(tx.Refunds, r)
	return r
}

// Dispute lets the customer's bank take the payment back until the dispute is closed.
func (s *Simulator) Dispute(reference string) (Dispute, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.find(reference)
	switch {
	case tx == nil:
		return Dispute{}, ErrUnknownReference
	case tx.Provider == Flutterwave:
		return Dispute{}, fmt.Errorf("%w: Flutterwave v3 sends webhooks about charges only", ErrUnsupported)
	case tx.State != StatePaid:
		return Dispute{}, ErrNotPaid
	case len(tx.Disputes) > 0 && tx.Disputes[len(tx.Disputes)-1].Open():
		return Dispute{}, ErrDisputed
	}
	d := s.complain(tx)
	s.tellOfDispute(tx, d)
	return d, nil
}

// CloseDispute ends the open dispute, for the shop or against it.
func (s *Simulator) CloseDispute(reference string, won bool) (Dispute, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.find(reference)
	if tx == nil {
		return Dispute{}, ErrUnknownReference
	}
	last := len(tx.Disputes) - 1
	if last < 0 || !tx.Disputes[last].Open() {
		return Dispute{}, ErrNotDisputed
	}
	tx.Disputes[last].Won, tx.Disputes[last].ClosedAt = won, time.Now().UTC().Truncate(time.Second)
	s.tellOfDispute(tx, tx.Disputes[last])
	return tx.Disputes[last], nil
}

func (s *Simulator) complain(tx *Transaction) Dispute {
	d := Dispute{ID: s.newID(), Amount: tx.Paid, CreatedAt: time.Now().UTC().Truncate(time.Second)}
	tx.Disputes = append(tx.Disputes, d)
	return d
}

func (s *Simulator) tellOfDispute(tx *Transaction, d Dispute) {
	s.tell(tx, s.twist(tx, "", true, false), func(told Transaction, twist Fault) []event {
		shown := d
		shown.Amount = twistedAmount(d.Amount, twist.Kind)
		told.Paid.Minor = tx.Paid.Minor
		return s.facade(tx.Provider).disputed(told, shown)
	})
}

// Resend sends a webhook of the transaction again, or for the first time if it was lost: the latest of that name, or with an empty name the
// latest that told what became of the charge. It returns the name. The body is the same to the byte; what a signature says of the time is new.
func (s *Simulator) Resend(reference, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.find(reference)
	if tx == nil {
		return "", ErrUnknownReference
	}
	if s.facade(tx.Provider).webhook() == "" {
		return "", fmt.Errorf("%w: the simulator knows no address for it", ErrNoEvent)
	}
	for _, e := range slices.Backward(tx.events) {
		if e.name == name || (name == "" && e.charge) {
			s.launch(tx, parcel{events: []event{e}, copies: 1})
			return e.name, nil
		}
	}
	return "", fmt.Errorf("%w: %.40q", ErrNoEvent, name)
}

// twist returns how the webhooks of one action go wrong: as the mode says, or else as the next fault does that suits. An action that is not told, because
// the provider tells of no such thing, uses no fault up. The caller holds s.mu.
func (s *Simulator) twist(tx *Transaction, kind Kind, told, paid bool) Fault {
	if kind != "" || !told {
		return Fault{Kind: kind}
	}
	f, _ := s.take(tx.Provider, OpWebhook, tx.Reference, func(k Kind) bool {
		return !tellsOfReturns(k) || (paid && tx.Provider != Flutterwave)
	})
	return f
}

// tell writes the events of one action down and sends them as the twist will have it. The caller holds s.mu.
func (s *Simulator) tell(tx *Transaction, twist Fault, write func(told Transaction, twist Fault) []event) {
	events := write(tx.copied().twisted(twist.Kind), twist)
	tx.events = append(tx.events, events...)
	if len(tx.events) > maxEvents {
		tx.events = slices.Delete(tx.events, 0, len(tx.events)-maxEvents)
	}
	p := parcel{events: events, copies: 1}
	switch twist.Kind { //nolint:exhaustive // the other kinds changed the events
	case KindNoWebhook:
		return
	case KindDuplicate:
		p.copies = 2
	case KindSlow:
		p.delay = twist.delay()
	case KindOutOfOrder:
		p.events = slices.Clone(events)
		slices.Reverse(p.events)
		if len(events) == 1 {
			p.held, p.delay = true, twist.delay()
		}
	}
	s.launch(tx, p)
}
