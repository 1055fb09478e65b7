package fault

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"makola/pkg/money"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/pkg/payments/stripe"
	"makola/pkg/rabbit"
	"makola/test/stack"
)

// TestF21 sends webhooks whose signatures are wrong in all the ways there are, to a gateway in the middle of a rotation of keys. None is stored; those signed with either key are.
// Without a key the gateway does not start: anybody could sign.
func TestF21Signatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.channel(func(ch *amqp.Channel) { require.NoError(t, rabbit.Standard(rabbit.Queues()...).Declare(ch, false)) })
	const newer, older paystack.SecretKey = "sk_test_newer", "sk_test_older"
	const stripeSecret = "whsec_test"
	address := stack.FreeAddr(t)
	url := "http://" + address
	env := func(keys string) []string {
		return []string{
			"DATABASE_URL=" + w.url("makola_gateway"), "WEBHOOK_DATABASE_URL=" + w.url("makola_webhook"), "LISTEN_ADDR=" + address, "PUBLIC_URL=" + url,
			"JWT_KEYS=test:test-only-test-only-test-only-test-only", "PAYSTACK_SECRET_KEYS=" + keys, "STRIPE_SECRET_KEY=sk_test_x", "STRIPE_WEBHOOK_SECRETS=" + stripeSecret,
		}
	}
	keyless := exec.CommandContext(t.Context(), w.program("services/api-gateway"))
	keyless.Env = append(os.Environ(), append(env(","), "AMQP_URL="+w.amqp)...)
	said, err := keyless.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "PAYSTACK_SECRET_KEYS: key 1 is empty")

	gateway := w.service("gateway", "services/api-gateway", env(string(newer+","+older)))
	w.await("the gateway listens", func() bool {
		resp, err := http.Get(url)
		return err == nil && resp.Body.Close() == nil
	})
	post := func(provider string, body []byte, header http.Header) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/webhooks/"+provider, bytes.NewReader(body))
		require.NoError(t, err)
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	charge := fake.Charge{TransactionID: 21, Reference: "AI-F21", Amount: money.FromMinor(9600, money.GHS)}
	body, header := fake.SignedWebhook(newer, charge)

	flipped := bytes.Clone(body)
	flipped[bytes.Index(flipped, []byte("9600"))] ^= 1
	require.Equal(t, http.StatusUnauthorized, post("paystack", flipped, header), "one flipped bit")
	var value map[string]any
	require.NoError(t, json.Unmarshal(body, &value))
	again, err := json.MarshalIndent(value, "", " ")
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, post("paystack", again, header), "the same value, written again")
	require.Equal(t, http.StatusUnauthorized, post("paystack", body, http.Header{}), "no signature")
	_, foreign := fake.SignedWebhook("sk_test_stranger", charge)
	require.Equal(t, http.StatusUnauthorized, post("paystack", body, foreign), "a stranger's key")

	event := []byte(`{"id":"evt_f21","object":"event","type":"payment_intent.created","livemode":false,"api_version":"2025-01-01","created":1,"data":{"object":{"id":"pi_1","object":"payment_intent"}}}`)
	old := http.Header{stripe.SignatureHeader: {stripe.Sign(stripeSecret, event, time.Now().Add(-6*time.Minute))}}
	require.Equal(t, http.StatusUnauthorized, post("stripe", event, old), "signed six minutes ago")
	require.Zero(t, w.count("select count(*) from billing.webhook_event"), "nothing of that is stored")

	require.Equal(t, http.StatusOK, post("paystack", body, header), "the first key")
	charge.TransactionID++
	body, header = fake.SignedWebhook(older, charge)
	require.Equal(t, http.StatusOK, post("paystack", body, header), "the second key")
	require.Equal(t, http.StatusOK, post("stripe", event, http.Header{stripe.SignatureHeader: {stripe.Sign(stripeSecret, event, time.Now())}}))
	require.Equal(t, 3, w.count("select count(*) from billing.webhook_event"))

	gateway.retire()
}
