package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	aifeatures "makola/proto/makola/ai_features/v1"
	"makola/test/stack"
)

// market is a world with the gateway, the billing worker and the provider's stand-in.
type market struct {
	*world
	gateway   string
	simulator string
	worker    *victim
}

// newMarket starts the programs; the billing worker's first incarnations die at the crash points.
func newMarket(t *testing.T, crashes ...string) *market {
	t.Helper()
	w := newWorld(t)
	w.channel(func(ch *amqp.Channel) { require.NoError(t, rabbit.Standard(rabbit.Queues()...).Declare(ch, false)) })
	m := &market{world: w, gateway: "http://" + stack.FreeAddr(t)}
	simulator := stack.FreeAddr(t)
	m.simulator = "http://" + simulator
	outside := []string{"PAYSTACK_BASE_URL=http://" + simulator, "PAYSTACK_SECRET_KEYS=" + string(paystack.SimulatorSecretKey),
		"OUTBOUND_ALLOW_NETWORKS=127.0.0.0/8", "OUTBOUND_ALLOW_PLAIN_HTTP=true"}
	w.service("simulator", "deploy/sandbox/paystack-simulator", []string{"LISTEN_ADDR=" + simulator, "PUBLIC_URL=http://" + simulator,
		"PAYSTACK_SECRET_KEY=" + string(paystack.SimulatorSecretKey), "WEBHOOK_URL=" + m.gateway + "/api/webhooks/paystack"})
	w.startGateway(m.gateway, outside...)
	m.worker = w.service("billing-worker", "services/billing-worker", append(outside, "DATABASE_URL="+w.url("makola_billing")), crashes...)
	w.await("gateway and simulator listen", func() bool {
		for _, url := range []string{m.gateway, "http://" + simulator + "/livez"} {
			resp, err := http.Get(url)
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
		}
		return true
	})
	return m
}

// startGateway runs the gateway at an address.
func (w *world) startGateway(address string, env ...string) *victim {
	w.t.Helper()
	return w.service("gateway", "services/api-gateway", append(env, "DATABASE_URL="+w.url("makola_gateway"), "WEBHOOK_DATABASE_URL="+w.url("makola_webhook"),
		"LISTEN_ADDR="+address[len("http://"):], "PUBLIC_URL="+address, "JWT_KEYS=test:test-only-test-only-test-only-test-only", "RATE_REQUESTS_PER_SECOND=10000"))
}

// shop is a registered business.
type shop struct {
	m     *market
	id    uuid.UUID
	token string
}

// post sends JSON and decodes the answer into answer, when that is not nil.
func (m *market) post(path, token string, body, answer any) int {
	m.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(m.t, err)
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, m.gateway+path, bytes.NewReader(raw))
	require.NoError(m.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", uuid.NewString())
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(m.t, err)
	defer resp.Body.Close()
	if answer != nil {
		require.NoError(m.t, json.NewDecoder(resp.Body).Decode(answer))
	}
	return resp.StatusCode
}

func (m *market) register(name string) *shop {
	m.t.Helper()
	var a struct {
		AccessToken string `json:"access_token"`
		Business    struct {
			ID uuid.UUID `json:"id"`
		} `json:"business"`
	}
	require.Equal(m.t, http.StatusCreated, m.post("/api/v1/auth/register", "", map[string]any{
		"email": name + "@example.com", "password": "correct horse battery", "name": name, "business_name": "The shop of " + name,
	}, &a))
	return &shop{m: m, id: a.Business.ID, token: a.AccessToken}
}

// buy begins a purchase of the starter package and returns its reference and what it costs.
func (s *shop) buy() (reference string, costs money.Amount) {
	s.m.t.Helper()
	var a struct {
		Reference string `json:"reference"`
	}
	require.Equal(s.m.t, http.StatusCreated, s.m.post("/api/v1/ai/credits/purchases", s.token, map[string]any{"package": "starter", "method": "mobile_money"}, &a))
	minor := s.m.count("select amount_expected from billing.credit_purchase where reference = $1 and tenant_id = $2", a.Reference, s.id)
	return a.Reference, money.FromMinor(int64(minor), money.GHS)
}

// deliver sends the same genuine webhook n times at once. Each must be answered by 200.
func (m *market) deliver(n int, c fake.Charge) {
	m.t.Helper()
	body, header := fake.SignedWebhook(paystack.SimulatorSecretKey, c)
	m.deliverRaw(n, body, header)
}

// giveBack sends the genuine webhook that says that the whole payment was refunded.
func (m *market) giveBack(reference string, amount money.Amount) {
	m.t.Helper()
	body := fmt.Appendf(nil, `{"event":"refund.processed","data":{"status":"processed","transaction_reference":%q,"refund_reference":"r-%s","amount":"%d","currency":%q}}`,
		reference, reference, amount.Minor, amount.Currency)
	m.deliverRaw(1, body, http.Header{"Content-Type": {"application/json"}, paystack.SignatureHeader: {paystack.Sign(paystack.SimulatorSecretKey, body)}})
}

func (m *market) deliverRaw(n int, body []byte, header http.Header) {
	m.t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	var g errgroup.Group
	codes := make([]int, n)
	for i := range n {
		g.Go(func() error {
			req, err := http.NewRequestWithContext(m.t.Context(), http.MethodPost, m.gateway+"/api/webhooks/paystack", bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.Header = header.Clone()
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			codes[i] = resp.StatusCode
			return resp.Body.Close()
		})
	}
	require.NoError(m.t, g.Wait())
	for _, code := range codes {
		require.Equal(m.t, http.StatusOK, code)
	}
}

// pay pays at the provider's page, in one of its modes.
func (m *market) pay(reference string, mode fake.Mode) {
	m.t.Helper()
	raw, err := json.Marshal(map[string]any{"reference": reference, "mode": mode})
	require.NoError(m.t, err)
	resp, err := http.Post(m.simulator+"/_control/pay", "application/json", bytes.NewReader(raw))
	require.NoError(m.t, err)
	require.NoError(m.t, resp.Body.Close())
	require.Equal(m.t, http.StatusOK, resp.StatusCode)
}

// reconcile lets payments be old enough, and runs the reconciler as cron does.
func (m *market) reconcile() {
	m.t.Helper()
	m.exec("update billing.credit_purchase set created_at = created_at - interval '11 minutes' where status = 'pending' and checked_at is null")
	require.NoError(m.t, m.db.InSystem(m.t.Context(), func(tx *gorm.DB) error {
		_, err := aifeatures.NewTasks(m.queue).ReconcilePayments(m.t.Context(), tx, &aifeatures.ReconcilePaymentsArgs{})
		return err
	}))
}

// creditsOf is a shop's purchased and given credits, in hundredths.
func (m *market) creditsOf(s *shop) int {
	m.t.Helper()
	return m.count("select coalesce(sum(balance), 0) from billing.ledger_account where tenant_id = $1 and kind = 'credits'", s.id)
}

// close waits until the worker has nothing left to do, stops every program, and checks that each task ended once and that the books are right.
func (m *market) close() {
	m.t.Helper()
	m.await("every payment task ends", func() bool {
		return m.count("select count(*) from task.task where queue = 'ai_features' and state not in "+terminal) == 0
	})
	m.mu.Lock()
	victims := m.victims
	m.mu.Unlock()
	for _, v := range victims {
		v.retire()
	}
	require.Zero(m.t, m.count("select count(*) from task.task where queue = 'ai_features' and state <> 'succeeded'"))
	require.Zero(m.t, m.count("select count(*) from (select from fault.step s join task.task t on t.id = s.task_id where t.queue = 'ai_features' and s.after in "+terminal+" group by t.id having count(*) <> 1) x"))
	require.Zero(m.t, m.count("select count(*) from task.dead_letter"))
	operator, err := postgres.Open(m.t.Context(), postgres.Config{URL: m.url("makola_operator"), MaxConns: 1})
	require.NoError(m.t, err)
	defer operator.Close()
	require.NoError(m.t, operator.InSystem(m.t.Context(), func(tx *gorm.DB) error {
		wrong, err := billing.VerifyLedger(tx)
		require.Empty(m.t, wrong)
		return err
	}))
}
