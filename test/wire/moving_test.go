package wire

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"makola/pkg/rabbit"
	"makola/pkg/rabbit/rabbittest"
	"makola/test/stack"
)

// guide is the page that an application's people follow.
func guide(t *testing.T) string {
	t.Helper()
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "docs/moving-from-celery.md")
}

// moving runs part of the guide and returns what it printed.
func moving(t *testing.T, what, broker string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := python(t, "moving.py", what, broker, guide(t))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("run the guide's %s: %v\n%s", what, err, stderr.String())
	}
	return stdout.String()
}

// applicationUser are the permissions that the guide gives the application's broker user.
var applicationUser = [3]string{`^(celery|[0-9a-f-]{36})$`, `^(amq\.default|tasks|celery|[0-9a-f-]{36})$`, `^(celery|[0-9a-f-]{36})$`}

// TestTheGuidesPythonRuns runs every fence of docs/moving-from-celery.md against our worker, as the broker user that it describes.
func TestTheGuidesPythonRuns(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	u := applicationUser
	if got := moving(t, "fences", e.broker.User(t, u[0], u[1], u[2])); got != "done\n" {
		t.Errorf("the guide's Python printed %q", got)
	}
	if n := e.count("select count(*) from task.task where tenant_id = '0193f5a0-7c3e-7000-8000-0123456789ab' and state = 'succeeded'"); n != 1 {
		t.Errorf("%d tasks ran for the business of the header, want 1", n)
	}
}

// TestSettingsDoWhatTheGuideSays tries each row of the guide's table.
func TestSettingsDoWhatTheGuideSays(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	strays := rabbit.Topology{Queues: []rabbit.Queue{{Name: "celery", Durable: true}}} // a stock client declares it just so
	if err := e.broker.Declare(t, strays, false); err != nil {
		t.Fatal(err)
	}
	rows, dead, strayed := 0, 0, 0
	for line := range strings.Lines(moving(t, "settings", e.amqp)) {
		rows++
		var row struct{ Settings, Call, Says, Saw string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		says, _, _ := strings.Cut(row.Says, " ")
		says = strings.Trim(says, ":,")
		switch says {
		case "dead":
			dead++
			says = "sent"
		case "strays":
			strayed++
			says = "sent"
		case "lost":
			says = "sent"
		case "ValueError":
			dead++
		}
		if row.Saw != says {
			t.Errorf("%s, %s: the guide says %q, and it was %q", row.Settings, row.Call, row.Says, row.Saw)
		}
	}
	if rows < 16 || dead != 3 || strayed != 1 {
		t.Errorf("the table has %d rows, %d of them for dead letters, %d for strays", rows, dead, strayed)
	}
	rabbittest.Eventually(t, "what cannot be a task is recorded", func() bool { return e.count("select count(*) from task.dead_letter") == dead })
	rabbittest.Eventually(t, "what strays lies in the client's own queue", func() bool { return e.broker.Depth(t, "celery") == strayed })
	if n := e.count("select count(*) from task.task where state <> 'succeeded'"); n != 0 {
		t.Errorf("%d tasks did not succeed", n)
	}
}
