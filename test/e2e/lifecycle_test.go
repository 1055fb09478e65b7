package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
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
	for _, name := range []string{"api-gateway", "billing-worker", "inventory-worker", "reports-worker", "notifier"} { // every worker: cron's first jobs are for all of them
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

// TestAGatewayDrains stops a gateway that has a stream and a half-sent request: both end well, and the client goes on at the other gateway where it was.
func TestAGatewayDrains(t *testing.T) {
	t.Parallel()
	h := open(t, "mail-viewer")
	elsewhere := stack.FreeAddr(t)
	gateway, other := h.Start("api-gateway", "DRAIN_WAIT=6s"), h.Start("api-gateway", "LISTEN_ADDR="+elsewhere)
	stack.Ready(t, gateway, other)
	ama := h.register() // its welcome waits: nobody consumes it yet
	items, ok := ama.get("/api/v1/tasks").at("items").([]any)
	require.True(t, ok)
	welcome, ok := items[0].(map[string]any)
	require.True(t, ok)
	id := text(welcome["task_id"])
	stream := func(gateway, last string) *bufio.Scanner {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+gateway+"/api/v1/tasks/"+id+"/events", http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+ama.token)
		req.Header.Set("Last-Event-ID", last)
		resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		t.Cleanup(func() { _ = resp.Body.Close() })
		return bufio.NewScanner(resp.Body)
	}
	// line reads up to a line that begins so, and returns its rest.
	line := func(s *bufio.Scanner, begin string) string {
		for s.Scan() {
			if rest, ok := strings.CutPrefix(s.Text(), begin); ok {
				return rest
			}
		}
		t.Fatalf("the stream ended before %q: %v", begin, s.Err())
		return ""
	}
	here := stream(h.Gateway, "")
	last := line(here, "id: ")
	require.Contains(t, line(here, "data: "), `"status":"queued"`)
	half, err := net.Dial("tcp", h.Gateway)
	require.NoError(t, err)
	t.Cleanup(func() { _ = half.Close() })
	body := `{"email":"nobody@example.com","password":"wrong"}`
	_, err = fmt.Fprintf(half, "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10])
	require.NoError(t, err)

	began := time.Now()
	gateway.Signal(syscall.SIGTERM)
	stack.Eventually(t, "readiness fails at once", func() bool { return gateway.Get("/readyz") == http.StatusServiceUnavailable })
	require.Equal(t, http.StatusOK, call(t, http.MethodGet, "http://"+h.Gateway+"/docs", nil).Status, "while requests are still served")
	for line(here, "event: ") != "bye" { // the task may have been published meanwhile
	}
	require.Contains(t, line(here, "data: "), "draining")
	for here.Scan() { // blank lines
		require.Empty(t, here.Text(), "and the stream ends")
	}
	_, err = fmt.Fprint(half, body[10:])
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(half), nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "the request under way is answered")
	require.Zero(t, gateway.Exit(35*time.Second))
	require.Less(t, time.Since(began), 30*time.Second)
	require.Contains(t, gateway.Output(), `"service stopped"`)

	there := stream(elsewhere, last)
	notifier := h.Start("notifier")
	stack.Ready(t, notifier)
	for status := ""; status != "completed"; {
		var seen struct{ Status string }
		require.NoError(t, json.Unmarshal([]byte(line(there, "data: ")), &seen))
		status = seen.Status
	}
	for there.Scan() { // to its end
	}
	require.NoError(t, there.Err())
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
