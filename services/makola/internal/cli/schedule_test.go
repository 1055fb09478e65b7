package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/cron"
)

// declare writes a table down as cron does, at an instant.
func (r *rig) declare(at time.Time) {
	r.t.Helper()
	require.NoError(r.t, r.pg.Open("makola_cron").InSystem(r.t.Context(), func(tx *gorm.DB) error {
		return cron.Declare(tx, []cron.Definition{
			{Name: "verify-ledger", Task: "ai_features.verify_ledger", Timing: cron.Timing{Every: 24 * time.Hour, Offset: 3 * time.Hour}},
			{Name: "monthly", Task: "inventory.self_test", Timing: cron.Timing{Expression: "30 0 1 * *", Zone: "Africa/Accra"}, Missed: cron.All, Overlap: cron.Allow},
			{Name: "early", Task: "inventory.not_yet", Timing: cron.Timing{Every: time.Minute}, Missed: cron.Skip, Waits: true},
		}, at)
	}))
}

func TestScheduleListShowsEveryJobAndWhetherCronRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	code, out, errs := r.run("schedule", "list")
	require.Equal(t, exitOK, code)
	require.Contains(t, errs, "no cron has ever run on this database")
	require.NotContains(t, out, "verify-ledger")

	r.declare(time.Now().Add(-3 * time.Minute))
	_, _, errs = r.run("schedule", "list")
	require.Contains(t, errs, "no cron runs: nothing is scheduled")

	r.declare(time.Now().Add(time.Hour)) // whatever this test takes
	id := uuid.New()
	r.exec(`insert into task.task (id, name, queue, state, started_at, finished_at) values ($1, 'x', 'ai_features', 'succeeded', '2026-11-26T03:00:01Z', '2026-11-26T03:00:02.5Z')`, id)
	r.exec(`insert into cron.run (job, slot, task_id, created_at) values ('verify-ledger', '2026-11-26T03:00:00Z', $1, '2026-11-26T03:00:00Z')`, id)
	r.exec(`insert into cron.run (job, slot, skipped) values ('verify-ledger', now() - interval '1 minute', 'paused: by ama, busy')`)
	lines := strings.Split(r.ok("schedule", "list"), "\n")
	require.Regexp(t, `^verify-ledger +ai_features.verify_ledger +every day at 03:00 UTC +active +\d{4}-\d\d-\d\d 03:00 +2026-11-26 03:00 +completed +1.5s +1$`, lines[1])
	require.Regexp(t, `^monthly .*30 0 1 \* \* by the clock of Africa/Accra +active +\d{4}-\d\d-01 00:30 +- +- +- +0$`, lines[2])
	require.Regexp(t, `^early .*waiting +- `, lines[3])
	list := decode[[]jobLine](r, "schedule", "list")
	require.Equal(t, []string{"verify-ledger", "monthly", "early"}, []string{list[0].Name, list[1].Name, list[2].Name})
	require.InDelta(t, 1.5, *list[0].Last.Seconds, 0.001)
}

func TestScheduleExplainSaysWhatAJobDoesAndWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.declare(time.Now())
	r.ok("schedule", "pause", "monthly", "--reason", "the books are being closed")
	r.exec(`insert into cron.run (job, slot, skipped) values ('monthly', '2026-11-01T00:30:00Z', 'missed: no cron ran')`)
	out := r.ok("schedule", "explain", "monthly")
	for _, want := range []string{
		"SelfTest proves that tasks reach inventory-worker", "30 0 1 * * by the clock of Africa/Accra", "Slots that pass while no cron runs are all made up for, the latest 48 at most.",
		"A slot runs also while the run before it is unfinished.", "by operator:ama: the books are being closed", "will not run", "slot 2026-11-01 00:30", "missed: no cron ran",
	} {
		require.Contains(t, out, want)
	}
	x := decode[explained](r, "schedule", "explain", "monthly")
	require.Len(t, x.Slots, 5)
	for i, slot := range x.Slots {
		require.Equal(t, []int{1, 0, 30}, []int{slot.Day(), slot.Hour(), slot.Minute()})
		require.True(t, i == 0 || slot.After(x.Slots[i-1]))
	}
	require.Equal(t, "paused", x.State)
	require.Contains(t, r.ok("schedule", "explain", "early"), "nothing implements it yet")
	code, _, errs := r.run("schedule", "explain", "no-such-job")
	require.Equal(t, exitNotFound, code)
	require.Contains(t, errs, "The schedule has no job of this name")
}

func TestSchedulePauseAndResume(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.declare(time.Now())
	code, _, errs := r.run("schedule", "pause", "verify-ledger")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "say why with --reason")
	require.Equal(t, "verify-ledger is paused\n", r.ok("schedule", "pause", "verify-ledger", "--reason", "restore"))
	code, _, errs = r.run("schedule", "pause", "verify-ledger", "--reason", "restore")
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, "paused already")
	require.Equal(t, "operator:ama", decode[[]jobLine](r, "schedule", "list")[0].PausedBy)
	require.Equal(t, "verify-ledger is active\n", r.ok("schedule", "resume", "verify-ledger", "--reason", "done", "--actor", "kofi"))
	code, _, errs = r.run("schedule", "resume", "verify-ledger", "--reason", "done")
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, "is not paused")
	for _, command := range []string{"pause", "resume", "run"} {
		code, _, _ = r.run("schedule", command, "no-such-job", "--reason", "x")
		require.Equal(t, exitNotFound, code)
	}
	log := decode[[]map[string]any](r, "audit", "--entity", "schedule", "--id", "verify-ledger")
	require.Len(t, log, 2)
	require.Equal(t, []any{"schedule.resumed", "operator:kofi", map[string]any{"reason": "done"}, nil}, []any{log[0]["action"], log[0]["actor"], log[0]["changes"], log[0]["tenant_id"]})
}

func TestScheduleRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.declare(time.Now())
	r.ok("schedule", "pause", "verify-ledger", "--reason", "restore")
	first := decode[map[string]any](r, "schedule", "run", "verify-ledger", "--reason", "after the restore", "--key", "k")
	require.Equal(t, "queued", first["status"])
	require.Equal(t, first["task"], decode[map[string]any](r, "schedule", "run", "verify-ledger", "--reason", "again", "--key", "k")["task"])
	require.Equal(t, 1, r.count(`select count(*) from task.task where id = $1 and name = 'ai_features.verify_ledger' and tenant_id is null`, first["task"]))
	code, _, errs := r.run("schedule", "run", "verify-ledger", "--reason", "again")
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, first["task"])
	code, _, errs = r.run("schedule", "run", "early", "--reason", "x")
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, "waits for a task")

	// No worker runs here, so a run that is waited for does not end.
	code, out, errs := r.run("schedule", "run", "monthly", "--reason", "x", "--wait", "1ms")
	require.Equal(t, exitUnwell, code)
	require.Contains(t, out, "is queued")
	require.Contains(t, errs, "has not ended within 1ms")
	r.exec(`update task.task set state = 'failed', error = 'no luck', finished_at = now() where id = $1`, first["task"])
	code, _, errs = r.run("schedule", "run", "verify-ledger", "--reason", "x", "--key", "k", "--wait", "1m")
	require.Equal(t, exitUnwell, code)
	require.Contains(t, errs, "is failed: no luck")
	r.exec(`update task.task set state = 'succeeded', result = '{"n": 3}' where id = $1`, first["task"])
	require.Contains(t, r.ok("schedule", "run", "verify-ledger", "--reason", "x", "--key", "k", "--wait", "1m"), `is completed: {"n": 3}`)
}
