package notifications

import "time"

// GatewayDown tells those who run Makola that a payment provider does not answer.
type GatewayDown struct {
	// Provider is its name: "paystack".
	Provider string `json:"provider"`
	// Since is when it counted as down.
	Since time.Time `json:"since"`
	// Error is what came last instead of an answer.
	Error string `json:"error,omitempty"`
}

// Template returns "gateway_down".
func (GatewayDown) Template() string { return "gateway_down" }

// GatewayRecovered tells those who run Makola that a payment provider answers again.
type GatewayRecovered struct {
	// Provider, Since and Error are as in GatewayDown.
	Provider string    `json:"provider"`
	Since    time.Time `json:"since"`
	Error    string    `json:"error,omitempty"`
	// RecoveredAt is when it answered again.
	RecoveredAt time.Time `json:"recovered_at"`
}

// Template returns "gateway_recovered".
func (GatewayRecovered) Template() string { return "gateway_recovered" }
