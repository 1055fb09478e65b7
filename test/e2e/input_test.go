package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"makola/pkg/money"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/test/stack"
)

// delivery is a webhook on its way.
type delivery struct {
	body   []byte
	header http.Header
}

// signed is a genuine webhook of a payment.
func signed(t testing.TB, reference string, minor int64) delivery {
	t.Helper()
	body, header := fake.SignedWebhook(stack.PaystackKey, fake.Charge{TransactionID: int64(len(reference)), Reference: reference, Amount: money.FromMinor(minor, money.GHS)})
	return delivery{body: body, header: header}
}

// post delivers a webhook to the gateway.
func post(t testing.TB, h *house, d delivery) answer {
	t.Helper()
	return call(t, http.MethodPost, "http://"+h.Gateway+"/api/webhooks/paystack", d.body, paystack.SignatureHeader, d.header.Get(paystack.SignatureHeader))
}

// TestBadInputIsToldSoAndLeavesNothing sends what should not be accepted.
func TestBadInputIsToldSoAndLeavesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, "paystack-simulator", "api-gateway")
	ama := h.register()
	before := h.count("select (select count(*) from task.task) + (select count(*) from billing.credit_purchase) + (select count(*) from billing.webhook_event) + (select count(*) from accounts.user)")
	const register, purchases = "/api/v1/auth/register", "/api/v1/ai/credits/purchases"
	flipped := signed(t, "AI-FLIPPED", 3600)
	flipped.body = bytes.Replace(flipped.body, []byte("3600"), []byte("3601"), 1)
	huge := signed(t, "AI-HUGE", 3600)
	huge.body = append(huge.body, bytes.Repeat([]byte(" "), 2<<20)...)
	huge.header.Set(paystack.SignatureHeader, paystack.Sign(stack.PaystackKey, huge.body))

	for _, c := range []struct {
		name   string
		answer func() answer
		status int
		code   string // part of the answer's text
	}{
		{"malformed JSON", func() answer { return call(t, http.MethodPost, "http://"+h.Gateway+register, []byte(`{"email":`)) }, http.StatusBadRequest, ""},
		{"an unknown field", func() answer {
			return ama.do(http.MethodPost, purchases, map[string]any{"package": "starter", "discount": 100})
		}, http.StatusUnprocessableEntity, "discount"},
		{"a wrong type", func() answer { return ama.do(http.MethodPost, purchases, map[string]any{"package": 7}) }, http.StatusUnprocessableEntity, "package"},
		{"two faults at once", func() answer {
			return call(t, http.MethodPost, "http://"+h.Gateway+register, []byte(`{"email":"x","password":"short","name":"A","business_name":"B"}`))
		}, http.StatusUnprocessableEntity, "password"},
		{"a body of 2 MiB", func() answer {
			return call(t, http.MethodPost, "http://"+h.Gateway+register, []byte(`{"email":"`+strings.Repeat("x", 2<<20)+`"}`))
		}, http.StatusRequestEntityTooLarge, ""},
		{"no token", func() answer { return call(t, http.MethodGet, "http://"+h.Gateway+"/api/v1/auth/me", nil) }, http.StatusUnauthorized, ""},
		{"a token of somebody else's making", func() answer {
			return call(t, http.MethodGet, "http://"+h.Gateway+"/api/v1/auth/me", nil, "Authorization", "Bearer "+ama.token[:len(ama.token)-4]+"AAAA")
		}, http.StatusUnauthorized, ""},
		{"an expired token", func() answer {
			return call(t, http.MethodGet, "http://"+h.Gateway+"/api/v1/auth/me", nil, "Authorization", "Bearer "+expired(t, ama.token))
		}, http.StatusUnauthorized, "token_expired"},
		{"an address that does not exist", func() answer { return call(t, http.MethodGet, "http://"+h.Gateway+"/api/v1/nosuch", nil) }, http.StatusNotFound, ""},
		{"a method that the address does not know", func() answer { return call(t, http.MethodPut, "http://"+h.Gateway+register, []byte(`{}`)) }, http.StatusMethodNotAllowed, ""},
		{"a webhook with one flipped byte", func() answer { return post(t, h, flipped) }, http.StatusUnauthorized, "bad_signature"},
		{"a webhook without a signature", func() answer {
			return post(t, h, delivery{body: []byte(`{"event":"charge.success"}`), header: http.Header{}})
		}, http.StatusUnauthorized, "bad_signature"},
		{"a signed webhook of 2 MiB", func() answer { return post(t, h, huge) }, http.StatusRequestEntityTooLarge, ""},
	} {
		a := c.answer()
		assert.Equal(t, c.status, a.Status, "%s: %s", c.name, a.Text)
		assert.Contains(t, a.Header.Get("Content-Type"), "application/problem+json", c.name)
		assert.Contains(t, a.Text, c.code, c.name)
		assert.NotEmpty(t, a.at("code"), c.name)
	}
	require.Equal(t, before, h.count("select (select count(*) from task.task) + (select count(*) from billing.credit_purchase) + (select count(*) from billing.webhook_event) + (select count(*) from accounts.user)"))
}

// expired is the same token as it would be an hour after its end: signed by us, and of no use.
func expired(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	claims := map[string]any{}
	require.NoError(t, json.Unmarshal(raw, &claims))
	for _, name := range []string{"iat", "nbf", "exp"} {
		if _, ok := claims[name]; ok {
			claims[name] = time.Now().Add(-time.Hour).Unix()
		}
	}
	payload := parts[0] + "." + base64.RawURLEncoding.EncodeToString(mustJSON(t, claims))
	_, secret, _ := strings.Cut(stack.JWTKeys, ":")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(payload))
	return payload + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
