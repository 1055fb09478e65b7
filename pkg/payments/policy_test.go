package payments_test

import (
	"errors"
	"testing"

	"makola/pkg/payments"
)

func TestVerifyPolicy(t *testing.T) {
	t.Parallel()
	bound, hint := payments.Event{Evidence: payments.BodyBound}, payments.Event{Evidence: payments.Hint}
	for _, tc := range []struct {
		name   string
		policy payments.VerifyPolicy
		event  payments.Event
		ask    bool
	}{
		{"evidence takes a bound body at its word", payments.VerifyEvidence, bound, false},
		{"evidence asks about a hint", payments.VerifyEvidence, hint, true},
		{"evidence asks when nobody said", payments.VerifyEvidence, payments.Event{}, true},
		{"the zero policy is evidence", "", bound, false},
		{"always asks", payments.VerifyAlways, bound, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.policy.MustAsk(tc.event); got != tc.ask {
				t.Errorf("got %v", got)
			}
		})
	}
	var p payments.VerifyPolicy
	if err := p.UnmarshalText([]byte("sometimes")); err == nil {
		t.Error("an unknown policy was read")
	}
}

func TestUnavailableErrorShowsBothSides(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection reset")
	err := error(&payments.UnavailableError{Err: cause})
	if !errors.Is(err, payments.ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}
