package stack

import (
	"testing"

	"makola/pkg/chat/fake"
	"makola/pkg/payments/paystack"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
)

// The secrets that the programs of a stack share.
const (
	// PaystackKey signs webhooks and authenticates calls to the simulator.
	PaystackKey = paystack.SimulatorSecretKey
	// JWTKeys sign access tokens.
	JWTKeys = "test:test-only-test-only-test-only-test-only"
	// DownloadKeys sign the links to the files of reports.
	DownloadKeys = "test-only-download-test-only-download-test-only"
	// UnsubscribeKeys sign the links by which readers turn off mails.
	UnsubscribeKeys = "test-only-unsubscribe-test-only-unsubscribe"
	// WebhookSecretKeys encrypt the secrets of webhook endpoints.
	WebhookSecretKeys = "test-only-webhooks-test-only-webhooks"
)

// Stack is one test's own Makola: a migrated database, a virtual host with the whole topology, and the programs the test starts.
type Stack struct {
	DB     *postgrestest.Database
	Broker *rabbittest.Broker
	// Gateway, Simulator, Mail and SMTP are the addresses of the API, the Paystack simulator, the mail viewer and its SMTP side, whether or not they run yet.
	Gateway, Simulator, Mail, SMTP string

	t testing.TB
}

// New makes a stack without running programs.
func New(t testing.TB) *Stack {
	t.Helper()
	s := &Stack{t: t, DB: postgrestest.New(t), Broker: rabbittest.New(t)}
	if err := s.Broker.Declare(t, rabbit.Standard(rabbit.Queues()...), false); err != nil {
		t.Fatalf("declare topology: %v", err)
	}
	s.Gateway, s.Simulator, s.Mail, s.SMTP = FreeAddr(t), FreeAddr(t), FreeAddr(t), FreeAddr(t)
	return s
}

// Start builds and runs the program with the stack's environment and the variables given, which win. It does not wait until it is ready.
func (s *Stack) Start(name string, env ...string) *Process {
	s.t.Helper()
	return s.StartBuilt(Program(s.t, name), name, env...)
}

// StartBuilt is Start for a program that was built already, perhaps with tags of its own.
func (s *Stack) StartBuilt(path, name string, env ...string) *Process {
	s.t.Helper()
	admin := FreeAddr(s.t)
	p := Launch(s.t, path, name, append(s.Env(name, admin), env...))
	p.Admin = admin
	switch name {
	case "api-gateway":
		p.Addr = s.Gateway
	case "paystack-simulator":
		p.Addr, p.Admin, p.readyAt = s.Simulator, s.Simulator, "/livez"
	case "mail-viewer":
		p.Addr, p.Admin, p.readyAt = s.Mail, s.Mail, "/livez"
	}
	return p
}

// Role returns the database role that a service logs in as.
func Role(service string) string {
	switch service {
	case "api-gateway":
		return "makola_gateway"
	case "billing-worker":
		return "makola_billing"
	case "inventory-worker":
		return "makola_inventory"
	case "reports-worker":
		return "makola_reports"
	case "notifier":
		return "makola_notifier"
	case "cron":
		return "makola_cron"
	default:
		return "makola_operator"
	}
}

// Env returns the whole environment of a program in this stack.
func (s *Stack) Env(name, admin string) []string {
	env := []string{"MAKOLA_ENV=development"}
	add := func(variable, value string) { env = append(env, variable+"="+value) }
	outside := func() {
		add("PAYSTACK_BASE_URL", "http://"+s.Simulator)
		add("PAYSTACK_SECRET_KEYS", string(PaystackKey))
		add("OUTBOUND_ALLOW_NETWORKS", "127.0.0.0/8")
		add("OUTBOUND_ALLOW_PLAIN_HTTP", "true")
	}
	switch name {
	case "paystack-simulator":
		add("LISTEN_ADDR", s.Simulator)
		add("PUBLIC_URL", "http://"+s.Simulator)
		add("PAYSTACK_SECRET_KEY", string(PaystackKey))
		add("WEBHOOK_URL", "http://"+s.Gateway+"/api/webhooks/paystack")
		add("FLUTTERWAVE_WEBHOOK_URL", "http://"+s.Gateway+"/api/webhooks/flutterwave")
		add("STRIPE_WEBHOOK_URL", "http://"+s.Gateway+"/api/webhooks/stripe")
		return env
	case "mail-viewer":
		add("LISTEN_ADDR", s.Mail)
		add("SMTP_ADDR", s.SMTP)
		return env
	}
	add("ADMIN_ADDR", admin)
	add("DATABASE_URL", s.DB.URL(Role(name)))
	add("AMQP_URL", s.Broker.URL)
	add("AMQP_DECLARE", "false")
	add("AMQP_BACKOFF_MAX", "1s") // a test has less time than a service
	switch name {
	case "api-gateway":
		add("LISTEN_ADDR", s.Gateway)
		add("PUBLIC_URL", "http://"+s.Gateway)
		add("JWT_KEYS", JWTKeys)
		add("UNSUBSCRIBE_KEYS", UnsubscribeKeys)
		add("DOWNLOAD_KEYS", DownloadKeys)
		add("WEBHOOK_SECRET_KEYS", WebhookSecretKeys)
		add("WEBHOOK_DATABASE_URL", s.DB.URL("makola_webhook"))
		add("AI_ENABLED", "true")
		outside()
	case "billing-worker":
		outside()
		add("AI_URL", "http://"+s.Simulator+"/ai/v1")
		add("AI_KEY", fake.DefaultKey)
		add("AI_MODEL", fake.Model)
		add("AI_TIMEOUT", "1m") // a busy machine is no slow model
		add("AI_ALLOW_NETWORKS", "127.0.0.0/8")
	case "notifier":
		add("SMTP_URL", "smtp://"+s.SMTP)
		add("MAIL_FROM", "Makola <no-reply@makola.example>")
		add("PUBLIC_URL", "http://"+s.Gateway)
		add("UNSUBSCRIBE_KEYS", UnsubscribeKeys)
		add("DOWNLOAD_KEYS", DownloadKeys)
		add("WEBHOOK_SECRET_KEYS", WebhookSecretKeys)
		add("OUTBOUND_ALLOW_NETWORKS", "127.0.0.0/8")
		add("OUTBOUND_ALLOW_PLAIN_HTTP", "true")
	}
	return env
}
