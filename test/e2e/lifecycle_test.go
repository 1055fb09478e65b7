package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// TestEveryServiceStopsInOrder sends SIGTERM to each service while it has work, and expects that it drains and ends with 0 within its 30 seconds.
func TestEveryServiceStopsInOrder(t *testing.T) {
	t.Parallel()
	h := open(t, append(standIns, services...)...)
	shops := []*shop{h.register(), h.register()}
	var references []string
	for _, s := range shops {
		reference, page := s.buy("starter")
		h.press(page, "pay")
		references = append(references, reference)
	}
	for _, name := range services {
		p := h.processes[name]
		began := time.Now()
		require.Zero(t, p.Stop(), "exit code of %s", name)
		require.Less(t, time.Since(began), 30*time.Second, name)
		require.Contains(t, p.Output(), `"service stopped"`, name)
		require.NotContains(t, p.Output(), "panic:", name)
		require.NotContains(t, p.Output(), "WARNING: DATA RACE", name)
	}
	require.Zero(t, h.count("select count(*) from task.worker where stopped_at is null"), "every worker has said farewell")
	require.Zero(t, h.count("select count(*) from task.dead_letter"))
	require.Zero(t, h.count("select count(*) from task.task where state in ('running', 'failed')"))

	// The next processes finish what was left.
	var again []*stack.Process
	for _, name := range []string{"api-gateway", "billing-worker", "notifier"} {
		again = append(again, h.Start(name))
	}
	stack.Ready(t, again...)
	for i, s := range shops {
		s.eventually(references[i], "completed")
		require.Equal(t, "80.00", s.balance())
	}
	stack.Eventually(t, "nothing is left to do", func() bool { return h.count("select count(*) from task.task where state not in ('succeeded')") == 0 })
	h.requireBooks()
}

// TestServicesRefuseAnOldSchema starts each service on a database that lacks the newest migration.
func TestServicesRefuseAnOldSchema(t *testing.T) {
	t.Parallel()
	s := stack.New(t)
	_, err := s.DB.Admin().Exec(t.Context(), "delete from public.makola_schema_version where version_id = (select max(version_id) from public.makola_schema_version)")
	require.NoError(t, err)
	for _, name := range services {
		p := s.Start(name)
		require.Equal(t, 1, p.Exit(stack.Patience), name)
		require.Contains(t, p.Output(), "run `makola migrate`", name)
	}
}

// TestServicesListEveryFaultOfTheirConfiguration starts each service with nothing it needs and an impossible value, and then with every value impossible.
func TestServicesListEveryFaultOfTheirConfiguration(t *testing.T) {
	t.Parallel()
	paystack := []string{"PAYSTACK_BASE_URL=nowhere", "PAYSTACK_SECRET_KEYS=a b"}
	more := map[string][]string{"api-gateway": append(paystack, "JWT_KEYS=short", "PUBLIC_URL=nowhere"), "billing-worker": paystack, "notifier": {"SMTP_URL=nowhere", "MAIL_FROM=nobody", "APP_URL=nowhere"}}
	s := stack.New(t)
	for _, name := range services {
		missing := stack.Launch(t, stack.Program(t, name), name, []string{"SHUTDOWN_TIMEOUT=forever"})
		require.Equal(t, 1, missing.Exit(stack.Patience), name)
		for _, variable := range []string{"DATABASE_URL", "AMQP_URL", "SHUTDOWN_TIMEOUT"} {
			require.Contains(t, missing.Output(), variable, name)
		}
		impossible := append([]string{"ADMIN_ADDR=nowhere", "SHUTDOWN_TIMEOUT=1ms"}, more[name]...)
		wrong := s.Start(name, impossible...)
		require.Equal(t, 1, wrong.Exit(stack.Patience), name)
		for _, setting := range impossible {
			variable, _, _ := strings.Cut(setting, "=")
			require.Contains(t, wrong.Output(), variable, name)
		}
	}
}

// TestProductionRefusesTheSimulator starts the money services in production with what a developer's machine has.
func TestProductionRefusesTheSimulator(t *testing.T) {
	t.Parallel()
	s := stack.New(t)
	for _, name := range []string{"api-gateway", "billing-worker", "paystack-simulator", "mail-viewer"} {
		p := s.Start(name, "MAKOLA_ENV=production")
		require.NotZero(t, p.Exit(stack.Patience), name)
		if strings.HasPrefix(name, "api") || strings.HasPrefix(name, "billing") {
			require.Contains(t, p.Output(), "PAYSTACK_", name)
			require.NotContains(t, p.Output(), string(stack.PaystackKey), name)
		}
	}
}

// TestServersMayComeLaterAndGoInTheMiddle starts the services before PostgreSQL and RabbitMQ can be reached, lets them come, and takes each away once more.
func TestServersMayComeLaterAndGoInTheMiddle(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	database, _ := stack.NewLink(t, h.DB.URL(""))
	broker, brokerURL := stack.NewLink(t, h.Broker.URL)
	through := func(role string) string {
		u, err := url.Parse(h.DB.URL(role))
		require.NoError(t, err)
		u.Host = database.Addr
		return u.String()
	}
	simulator := h.Start("paystack-simulator")
	gateway := h.Start("api-gateway", "DATABASE_URL="+through("makola_gateway"), "WEBHOOK_DATABASE_URL="+through("makola_webhook"), "AMQP_URL="+brokerURL)
	worker := h.Start("billing-worker", "DATABASE_URL="+through("makola_billing"), "AMQP_URL="+brokerURL)
	stack.Ready(t, simulator)
	for _, p := range []*stack.Process{gateway, worker} {
		stack.Eventually(t, p.Name+" lives and is not ready", func() bool {
			return p.Get("/livez") == http.StatusOK && p.Get("/readyz") == http.StatusServiceUnavailable
		})
	}

	database.Join()
	stack.Ready(t, gateway) // which does without the broker: rows wait for it
	require.Equal(t, http.StatusServiceUnavailable, worker.Get("/readyz"))
	ama := h.register()
	reference, page := ama.buy("starter")
	h.press(page, "pay")
	stack.Eventually(t, "the webhook is stored without the broker", func() bool {
		return h.count("select count(*) from task.task where args->>'payment_reference' = $1", reference) == 1
	})

	broker.Join()
	stack.Ready(t, worker)
	ama.eventually(reference, "completed")

	broker.Cut()
	reference, page = ama.buy("starter")
	h.press(page, "pay")
	stack.Eventually(t, "the worker says that it is not ready", func() bool { return worker.Get("/readyz") == http.StatusServiceUnavailable })
	broker.Join()
	stack.Ready(t, worker)
	ama.eventually(reference, "completed")

	database.Cut()
	stack.Eventually(t, "the gateway says that it is not ready", func() bool { return gateway.Get("/readyz") == http.StatusServiceUnavailable })
	refused := post(t, h, signed(t, "AI-WHILE-DOWN", 3600))
	require.Equal(t, http.StatusServiceUnavailable, refused.Status, refused.Text)
	require.Equal(t, http.StatusOK, gateway.Get("/livez"))
	database.Join()
	stack.Ready(t, gateway, worker)
	reference, page = ama.buy("starter")
	h.press(page, "pay")
	ama.eventually(reference, "completed")
	require.Equal(t, "140.00", ama.balance())
	require.True(t, gateway.Running() && worker.Running())
	h.requireBooks()
}
