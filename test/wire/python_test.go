// Package wire proves that what we say on the wire is Celery's: real Celery clients and workers, written in Python, against our side.
//
// It needs a broker (MAKOLA_TEST_AMQP, MAKOLA_TEST_AMQP_API) and a Python with Celery: MAKOLA_TEST_PYTHON, or else /usr/bin/python3
// with Debian's python3-celery.
package wire

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for one thing to happen. Starting Python with Celery alone takes seconds on a busy machine.
const patience = 60 * time.Second

func python(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	name := os.Getenv("MAKOLA_TEST_PYTHON")
	if name == "" {
		name = "/usr/bin/python3"
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "C_FORCE_ROOT=1")
	cmd.Dir = "python"
	return cmd
}

// call is one call of the client; see python/client.py.
type call struct {
	Task    string         `json:"task,omitempty"`
	Args    []any          `json:"args,omitempty"`
	Kwargs  map[string]any `json:"kwargs,omitempty"`
	Options map[string]any `json:"options,omitempty"`
	Chain   []call         `json:"chain,omitempty"`
	// Immutable keeps a step of a chain from its predecessor's result.
	Immutable bool `json:"immutable,omitempty"`
}

// outcome is what the client saw of one call.
type outcome struct {
	ID     string          `json:"id"`
	Value  json.RawMessage `json:"value"`
	Error  string          `json:"error"`
	Module string          `json:"module"`
	Args   []string        `json:"args"`
	States []string        `json:"states"`
}

// client sends the calls with a stock Celery client and gives their outcomes in the same order.
func client(t *testing.T, broker, queue string, calls ...call) []outcome {
	t.Helper()
	input, err := json.Marshal(calls)
	if err != nil {
		t.Fatalf("encode calls: %v", err)
	}
	var stdout, stderr bytes.Buffer
	cmd := python(t, "client.py", broker, queue)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("Celery client (install python3-celery, or set MAKOLA_TEST_PYTHON): %v\n%s", err, stderr.String())
	}
	var out []outcome
	for line := range strings.Lines(stdout.String()) {
		var o outcome
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("read the client's line %q: %v", line, err)
		}
		out = append(out, o)
	}
	if len(out) != len(calls) {
		t.Fatalf("the client sent %d calls and saw %d outcomes", len(calls), len(out))
	}
	return out
}

// sendOnly sends the calls with a stock Celery client, to the queue selftest, and waits for none of them.
func sendOnly(t *testing.T, broker string, calls ...call) {
	t.Helper()
	input, err := json.Marshal(calls)
	if err != nil {
		t.Fatalf("encode calls: %v", err)
	}
	var stderr bytes.Buffer
	cmd := python(t, "client.py", broker, queue, "send")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("Celery client (install python3-celery, or set MAKOLA_TEST_PYTHON): %v\n%s", err, stderr.String())
	}
}

// startWorker starts a Python worker on queue and stops it when the test ends.
func startWorker(t *testing.T, broker, queue string, more ...string) {
	t.Helper()
	cmd := python(t, append([]string{"worker.py", broker, queue}, more...)...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Celery worker (install python3-celery, or set MAKOLA_TEST_PYTHON): %v", err)
	}
	t.Cleanup(func() {
		// t.Context ended before this, and with it the process was asked to stop; how it exits does not matter.
		if err := cmd.Wait(); err != nil {
			t.Logf("Celery worker: %v", err)
		}
	})
}
