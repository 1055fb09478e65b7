package payments

import "fmt"

// VerifyPolicy says whether a webhook's own evidence is enough to give value.
type VerifyPolicy string

const (
	// VerifyEvidence takes BodyBound events at their word and asks the provider about everything weaker.
	VerifyEvidence VerifyPolicy = "evidence"
	// VerifyAlways asks the provider before every credit: slower by a round trip, and stopped by the provider's outages.
	VerifyAlways VerifyPolicy = "always"
)

// UnmarshalText reads the policy from configuration and refuses unknown words.
func (p *VerifyPolicy) UnmarshalText(text []byte) error {
	switch v := VerifyPolicy(text); v {
	case VerifyEvidence, VerifyAlways:
		*p = v
		return nil
	default:
		return fmt.Errorf("verify policy %.20q: want %q or %q", string(text), VerifyEvidence, VerifyAlways)
	}
}

// MustAsk reports whether Verify has to be asked before the event may be acted on. The zero policy is VerifyEvidence.
func (p VerifyPolicy) MustAsk(e Event) bool {
	return p == VerifyAlways || e.Evidence != BodyBound
}
