package wire

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"makola/pkg/rabbit/rabbittest"
	"makola/test/stack"
)

// TestServicesAreSeenByWhoMayWatch runs every worker and Celery's program, each as the broker user that deploy/rabbitmq/definitions.sh makes for it.
func TestServicesAreSeenByWhoMayWatch(t *testing.T) {
	t.Parallel()
	s := stack.New(t)
	allowed, tags := permissions(t)
	watcher := allowed["makola_monitor"]
	start := func(service string) *stack.Process {
		u := allowed[stack.Role(service)]
		return s.Start(service, "AMQP_URL="+s.Broker.User(t, u[0], u[1], u[2]), "CELERY_NODE="+service+"@test")
	}
	p := start("reports-worker")
	others := []*stack.Process{start("billing-worker"), start("inventory-worker"), start("notifier")}
	stack.Ready(t, append(others, p)...)
	address := s.Broker.User(t, watcher[0], watcher[1], watcher[2], tags...)
	inspect(t, address, "reports-worker@test", "active_queues", contains(`"name": "reports"`))
	inspect(t, address, "reports-worker@test", "registered", contains(`"reports.generate_sales_report"`))
	for _, o := range others {
		inspect(t, address, o.Name+"@test", "ping", contains("pong"))
	}
	if got := control(t, address, "reports-worker@test", "shutdown"); !strings.Contains(got, "not allowed") {
		t.Errorf("shutdown is answered by %s", got)
	}
	dump := follow(t, python(t, "-m", "celery", "-b", address, "events", "--dump"))
	dump.until("reports-worker@test", "heartbeat")
	got := client(t, s.Broker.URL, "reports", call{Task: "reports.self_test", Kwargs: map[string]any{"note": "seen"}})[0]
	if got.Error != "" {
		t.Errorf("the client saw %s %v", got.Error, got.Args)
	}
	dump.until("reports-worker@test", "task succeeded", got.ID)
	if code := p.Stop(); code != 0 {
		t.Errorf("the worker exited with %d", code)
	}
	dump.until("reports-worker@test", "shutdown")
	if n := strings.Count(p.Output(), `"remote control command"`); n < 3 {
		t.Errorf("%d commands are in the worker's log", n)
	}
	if queues := s.Broker.Queues(t, address); !slices.Contains(queues, "reports") {
		t.Errorf("Flower's page of the broker would show %q", queues)
	}
	out, code := commandLine(t, address, "call", "reports.self_test", "--queue", "reports")
	if code == 0 || !strings.Contains(out, "ACCESS_REFUSED") {
		t.Errorf("who may watch may not send tasks: exit code %d, %s", code, out)
	}
}

// TestAWorkerRunsWithThePermissionsOfAnOlderRelease gives it a broker user that may take no part in monitoring.
func TestAWorkerRunsWithThePermissionsOfAnOlderRelease(t *testing.T) {
	t.Parallel()
	s := stack.New(t)
	p := s.Start("reports-worker", "AMQP_URL="+s.Broker.User(t, ``, `^(tasks|task\.events|amq\.default)$`, `^reports(\.dead)?$`))
	stack.Ready(t, p)
	got := client(t, s.Broker.URL, "reports", call{Task: "reports.self_test", Kwargs: map[string]any{"note": "unseen"}})[0]
	if got.Error != "" {
		t.Errorf("the client saw %s %v", got.Error, got.Args)
	}
	rabbittest.Eventually(t, "the log says what is missing", func() bool {
		return strings.Contains(p.Output(), `"connection":"reports-worker monitor"`) && strings.Contains(p.Output(), "this user lacks the permission")
	})
	if code := p.Stop(); code != 0 {
		t.Errorf("the worker exited with %d", code)
	}
}

// permissions are those of deploy/rabbitmq/definitions.sh, by user: configure, write, read; and the tags of makola_monitor.
func permissions(t *testing.T) (byUser map[string][3]string, tags []string) {
	t.Helper()
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	script := exec.CommandContext(t.Context(), filepath.Join(root, "deploy/rabbitmq/definitions.sh"))
	script.Env = os.Environ()
	for _, name := range []string{"ADMIN", "GATEWAY", "BILLING", "INVENTORY", "REPORTS", "NOTIFIER", "CRON", "OPERATOR", "MONITOR"} {
		script.Env = append(script.Env, "AMQP_PASSWORD_"+name+"=x")
	}
	raw, err := script.Output()
	if err != nil {
		t.Fatalf("definitions.sh: %v", err)
	}
	var all struct {
		Users       []struct{ Name, Tags string }
		Permissions []struct{ User, Configure, Write, Read string }
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for _, u := range all.Users {
		if u.Name == "makola_monitor" && u.Tags != "" {
			tags = strings.Split(u.Tags, ",")
		}
	}
	byUser = map[string][3]string{}
	for _, p := range all.Permissions {
		byUser[p.User] = [3]string{p.Configure, p.Write, p.Read}
	}
	return byUser, tags
}
