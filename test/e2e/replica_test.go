package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// TestTwoGatewaysAreOne asks two processes in turn: a key that one has seen the other knows, and the guesses at a password are counted together.
func TestTwoGatewaysAreOne(t *testing.T) {
	t.Parallel()
	h := open(t, "paystack-simulator")
	elsewhere := stack.FreeAddr(t)
	const attempts = 12
	gateway, other := h.Start("api-gateway", "RATE_SIGN_IN_PER_MINUTE=12"), h.Start("api-gateway", "LISTEN_ADDR="+elsewhere, "RATE_SIGN_IN_PER_MINUTE=12")
	stack.Ready(t, gateway, other)
	addresses := []string{"http://" + h.Gateway, "http://" + elsewhere}
	ama := h.register() // one of the address's twelve

	buy := mustJSON(t, map[string]any{"package": "starter"})
	key := uuid.NewString()
	var first answer
	for i, address := range append(addresses, addresses...) {
		a := call(t, http.MethodPost, address+"/api/v1/ai/credits/purchases", buy, "Authorization", "Bearer "+ama.token, "Idempotency-Key", key)
		require.Equal(t, http.StatusCreated, a.Status, a.Text)
		if i == 0 {
			first = a
			continue
		}
		require.Equal(t, first.Text, a.Text)
		require.Equal(t, "true", a.Header.Get("Idempotent-Replayed"))
	}
	require.Equal(t, 1, h.count("select count(*) from billing.credit_purchase"))

	began := time.Now()
	admitted := 0
	for i := range attempts { // at one person: six a minute, at both gateways together
		a := call(t, http.MethodPost, addresses[i%2]+"/api/v1/auth/login", mustJSON(t, map[string]any{"email": "kofi@example.com", "password": "wrong"}))
		if a.Status != http.StatusTooManyRequests {
			require.Equal(t, http.StatusUnauthorized, a.Status, a.Text)
			admitted++
			continue
		}
		require.NotEmpty(t, a.Header.Get("Retry-After"))
		require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	}
	require.GreaterOrEqual(t, admitted, attempts/2)
	require.LessOrEqual(t, admitted, attempts/2+1+int(time.Since(began).Minutes()*attempts/2))
}
