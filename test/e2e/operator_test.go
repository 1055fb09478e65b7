package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

// operator runs the operator's command with the rights that it has in production, and returns its exit code, what it printed and what it complained about.
func (h *house) operator(args ...string) (code int, printed, complaint string) {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), stack.Program(h.t, "makola"), args...)
	cmd.Env = []string{"USER=ama", "DATABASE_URL=" + h.DB.URL("makola_operator"), "AMQP_URL=" + h.operatorURL}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		require.NoError(h.t, err)
	}
	h.t.Logf("$ makola %s\n%s%s[%d]", strings.Join(args, " "), out.String(), errs.String(), code)
	return code, out.String(), errs.String()
}

// An operator looks whether all is well, runs a task and a job by hand, pauses the job, and sees a worker go.
func TestAnOperatorWatchesAndSteers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.operatorURL = h.Broker.User(t, "", `^(tasks|task\.events|amq\.default)$`, `^.*\.dead$`)
	processes := map[string]*stack.Process{}
	for _, name := range []string{"cron", "notifier", "billing-worker", "inventory-worker", "reports-worker"} {
		processes[name] = h.Start(name)
	}
	for _, p := range processes {
		stack.Ready(t, p)
	}
	stack.Eventually(t, "everybody answers", func() bool {
		code, _, _ := h.operator("ping")
		return code == 0
	})
	code, printed, complaint := h.operator("schedule", "list", "--output", "json")
	require.Zero(t, code, complaint)
	var jobs []struct{ Name, State string }
	require.NoError(t, json.Unmarshal([]byte(printed), &jobs))
	require.Greater(t, len(jobs), 20)
	h.done(`queue = 'inventory'`) // what the jobs' first slots made

	for _, task := range []string{"inventory.self_test", "reports.self_test"} { // a SHORT and a LONG one
		code, printed, _ = h.operator("call", task, "--arg", "note=hello", "--wait", "2m")
		require.Zero(t, code)
		require.Contains(t, printed, `"note": "hello"`)
	}
	for _, args := range [][]string{
		{"schedule", "pause", "verify-stock", "--reason", "a restore"}, {"schedule", "run", "verify-stock", "--reason", "after the restore", "--wait", "2m"}, {"schedule", "explain", "verify-stock"},
		{"schedule", "resume", "verify-stock", "--reason", "all is well"}, {"schedule", "list"}, {"active"}, {"scheduled"}, {"workers"}, {"queues"}, {"stats"}, {"registered"}, {"audit", "--platform"}, {"dead", "list"},
		{"registered", "inventory.check_expiring_products"}, {"ledger", "check"}, {"task", "list"},
	} {
		code, _, complaint = h.operator(args...)
		require.Zero(t, code, complaint)
	}
	require.Equal(t, 3, h.count(`select count(*) from audit.entry where entity = 'schedule' and entity_id = 'verify-stock' and actor = 'operator:ama'`))
	require.Equal(t, 1, h.count(`select count(*) from cron.request r join task.task t on t.id = r.task_id where r.job = 'verify-stock' and t.state = 'succeeded'`))

	require.Zero(t, processes["inventory-worker"].Stop())
	stack.Eventually(t, "it is missed", func() bool {
		code, printed, _ = h.operator("ping")
		return code == 6 && strings.Contains(printed, "queue inventory") && strings.Contains(printed, "MISSING")
	})
	code, _, complaint = h.operator("call", "inventory.self_test", "--arg", "note=hello", "--wait", "1ms")
	require.Equal(t, 6, code)
	require.Contains(t, complaint, "has not ended within 1ms")
}
