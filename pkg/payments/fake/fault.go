package fake

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Operation is what a provider does that can go wrong.
type Operation string

// The operations. Looking up one payment, session, charge or refund is a verify, and looking up the account's balance a probe.
const (
	OpInitialize Operation = "initialize"
	OpVerify     Operation = "verify"
	OpRefund     Operation = "refund"
	OpList       Operation = "list"
	OpProbe      Operation = "probe"
	OpWebhook    Operation = "webhook" // One action of a customer or of the shop, with all webhooks that follow from it.
)

// Kind is a way in which it goes wrong.
type Kind string

// The kinds.
const (
	// KindSlow does what was asked and answers late: a caller that gave up does not know what happened. A webhook is sent late.
	KindSlow Kind = "slow"
	// Kind500 answers 500 and does nothing.
	Kind500 Kind = "500"
	// Kind429 answers 429, with Retry-After if RetryAfter is set, and does nothing.
	Kind429 Kind = "429"
	// KindDuplicate delivers each webhook twice at the same moment.
	KindDuplicate Kind = "duplicate"
	// KindOutOfOrder delivers the webhooks of one action last one first. A lone webhook is held back until the transaction's next ones have
	// been delivered, or until Delay is over.
	KindOutOfOrder Kind = "out_of_order"
	// KindWrongAmount tells one minor unit less than was paid.
	KindWrongAmount Kind = "wrong_amount"
	// KindWrongCurrency tells the right figure in another currency.
	KindWrongCurrency Kind = "wrong_currency"
	// KindRefundBeforeSuccess gives a payment back at once, and tells of the refund before it tells of the payment.
	KindRefundBeforeSuccess Kind = "refund_before_success"
	// KindDispute has the customer dispute the payment right after making it.
	KindDispute Kind = "dispute"
	// KindNoWebhook sends none.
	KindNoWebhook Kind = "no_webhook"
)

// kindsOf lists what can go wrong with each operation. Read only.
var kindsOf = map[Operation][]Kind{
	OpInitialize: {KindSlow, Kind500, Kind429},
	OpVerify:     {KindSlow, Kind500, Kind429, KindWrongAmount, KindWrongCurrency},
	OpRefund:     {KindSlow, Kind500, Kind429},
	OpList:       {KindSlow, Kind500, Kind429, KindWrongAmount, KindWrongCurrency},
	OpProbe:      {KindSlow, Kind500, Kind429},
	OpWebhook: {
		KindSlow, KindDuplicate, KindOutOfOrder, KindWrongAmount, KindWrongCurrency, KindRefundBeforeSuccess, KindDispute, KindNoWebhook,
	},
}

// Limits of faults.
const (
	maxFaults     = 100
	maxTimes      = 1_000_000
	maxDelay      = time.Minute // Longer than any client of ours waits, and shorter than the command's write timeout.
	maxRetryAfter = 3600        // Seconds; clients of ours believe no more.
	// defaultDelay is what slow and out_of_order wait unless told.
	defaultDelay = 5 * time.Second
)

// ErrFault reports a fault that makes no sense. The text says why.
var ErrFault = errors.New("invalid fault")

// Fault is one order to misbehave.
type Fault struct {
	ID         int64     `json:"id"`                    // Given by Inject.
	Provider   Provider  `json:"provider,omitempty"`    // Empty: all that can.
	Operation  Operation `json:"operation"`             // What goes wrong …
	Kind       Kind      `json:"kind"`                  // … and how.
	Reference  string    `json:"reference,omitempty"`   // Only this payment; for verify and webhook. Empty: any.
	Times      int       `json:"times,omitempty"`       // How many calls are still to go wrong. Zero: all, until cleared.
	DelayMS    int64     `json:"delay_ms,omitempty"`    // For slow and out_of_order, 60 000 at most. Zero: 5 000.
	RetryAfter int       `json:"retry_after,omitempty"` // For 500 and 429: the Retry-After header, in seconds. Zero: none.
}

func (f Fault) delay() time.Duration {
	if f.DelayMS == 0 {
		return defaultDelay
	}
	return time.Duration(f.DelayMS) * time.Millisecond
}

// check says what is wrong with a fault.
func (f Fault) check() error {
	kinds, known := kindsOf[f.Operation]
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrFault}, args...)...)
	}
	switch {
	case f.Provider != "" && !slices.Contains(allProviders, f.Provider):
		return refuse("provider: want one of %v", allProviders)
	case !known:
		return refuse("operation: want initialize, verify, refund, list, probe or webhook")
	case !slices.Contains(kinds, f.Kind):
		return refuse("kind: %s goes wrong as one of %v", f.Operation, kinds)
	case f.Provider == Flutterwave && tellsOfReturns(f.Kind):
		return refuse("kind: Flutterwave v3 sends webhooks about charges only")
	case f.Reference != "" && f.Operation != OpVerify && f.Operation != OpWebhook:
		return refuse("reference: only verify and webhook know theirs beforehand")
	case f.Times < 0 || f.Times > maxTimes:
		return refuse("times: want 0 to %d", maxTimes)
	case f.DelayMS < 0 || f.DelayMS > maxDelay.Milliseconds():
		return refuse("delay_ms: want 0 to %d", maxDelay.Milliseconds())
	case f.DelayMS > 0 && f.Kind != KindSlow && f.Kind != KindOutOfOrder:
		return refuse("delay_ms: goes with slow and out_of_order")
	case f.RetryAfter < 0 || f.RetryAfter > maxRetryAfter:
		return refuse("retry_after: want 0 to %d", maxRetryAfter)
	case f.RetryAfter > 0 && f.Kind != Kind500 && f.Kind != Kind429:
		return refuse("retry_after: goes with 500 and 429")
	}
	return nil
}

// tellsOfReturns reports whether the kind needs webhooks about refunds or disputes.
func tellsOfReturns(kind Kind) bool { return kind == KindRefundBeforeSuccess || kind == KindDispute }

// Inject orders the simulator to misbehave, and returns the order with its id. Several orders for one operation are carried out one after
// the other, the oldest first.
func (s *Simulator) Inject(f Fault) (Fault, error) {
	if err := f.check(); err != nil {
		return Fault{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) >= maxFaults {
		return Fault{}, fmt.Errorf("%w: %d are active; clear some", ErrFault, len(s.faults))
	}
	f.ID = s.newID()
	s.faults = append(s.faults, f)
	return f, nil
}

// Faults returns the orders that are not used up, oldest first.
func (s *Simulator) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Fault{}, s.faults...)
}

// ClearFaults takes all orders back. What they caused already goes on: a held webhook stays held.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// ClearFault takes one order back and reports whether it was there.
func (s *Simulator) ClearFault(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f Fault) bool { return f.ID == id })
	return len(s.faults) < before
}

// take uses up one call of the first fault for this call that suits. The caller holds s.mu.
func (s *Simulator) take(p Provider, op Operation, reference string, suits func(Kind) bool) (Fault, bool) {
	i := slices.IndexFunc(s.faults, func(f Fault) bool {
		return f.Operation == op && (f.Provider == "" || f.Provider == p) && (f.Reference == "" || f.Reference == reference) && suits(f.Kind)
	})
	if i < 0 {
		return Fault{}, false
	}
	f := s.faults[i]
	switch {
	case f.Times == 1:
		s.faults = slices.Delete(s.faults, i, i+1)
	case f.Times > 1:
		s.faults[i].Times--
	}
	return f, true
}
