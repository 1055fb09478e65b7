package fault

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// witness makes the tables that the checker reads: what handlers did, how they should misbehave, and every change of every task's state.
const witness = `
create schema fault;
create table fault.effect (task_id uuid not null, pid int not null, at timestamptz not null default clock_timestamp());
create table fault.conduct (task_id uuid primary key, conduct text not null);
create table fault.step (task_id uuid not null, seq bigint generated always as identity, before text, after text not null);
create index on fault.effect (task_id);
create function fault.witness() returns trigger language plpgsql security definer as $$ begin
	insert into fault.step (task_id, before, after) values (new.id, case when tg_op = 'UPDATE' then old.state end, new.state);
	return new;
end $$;
create trigger witness_insert after insert on task.task for each row execute function fault.witness();
create trigger witness_update after update on task.task for each row when (old.state is distinct from new.state) execute function fault.witness();
grant usage on schema fault to makola_billing;
grant select, insert on fault.effect to makola_billing;
grant select on fault.conduct to makola_billing;
`

// outcome is how a task must end. The zero value is the rule: succeeded, at the first attempt.
type outcome struct {
	state    string // succeeded when empty
	kind     string // error_kind
	attempts int    // 1 when zero
	ends     int    // how often it may enter a terminal state: 1 when zero, 2 for a task that was replayed
}

const terminal = "('succeeded', 'failed', 'cancelled')"

// settle waits until every task has ended and the queue is empty.
func (w *world) settle() {
	w.t.Helper()
	w.await("every task ends", func() bool { return w.count("select count(*) from task.task where state not in "+terminal) == 0 })
	w.await("the queue drains", func() bool { return w.depth(queueName) == 0 })
}

// finish settles, stops every victim in the orderly way, and checks the whole history.
func (w *world) finish(deadLetters int) {
	w.t.Helper()
	w.settle()
	w.mu.Lock()
	victims := w.victims
	w.mu.Unlock()
	for _, v := range victims {
		v.retire()
	}
	// What a victim still held has gone back to its queue by now: second copies of tasks that have ended, nothing else.
	for _, id := range w.drain() {
		require.Equal(w.t, 1, w.count("select count(*) from task.task where id = $1 and state in "+terminal, id), "message of task %s left in the queue", id)
	}
	require.Zero(w.t, w.depth(queueName+".dead"), "messages left in the dead queue")
	w.checkHistory(deadLetters)
}

// drain takes what is left in the queue and returns the tasks' ids.
func (w *world) drain() (ids []string) {
	w.t.Helper()
	w.channel(func(ch *amqp.Channel) {
		for {
			d, ok, err := ch.Get(queueName, true)
			require.NoError(w.t, err)
			if !ok {
				return
			}
			id, _ := d.Headers["id"].(string)
			ids = append(ids, id)
		}
	})
	return ids
}

type past struct {
	id       uuid.UUID
	state    string
	kind     string
	attempts int
	effects  int
	ends     int    // changes into a terminal state
	revived  int    // changes out of one
	path     string // all its states in order
}

// checkHistory compares what happened to each task with what must have.
func (w *world) checkHistory(deadLetters int) {
	t := w.t
	t.Helper()
	rows, err := w.look.Query(t.Context(), `select t.id, t.state, coalesce(t.error_kind, ''), t.attempt,
			(select count(*) from fault.effect e where e.task_id = t.id), count(*) filter (where s.after in `+terminal+`),
			count(*) filter (where s.before in `+terminal+`), string_agg(s.after, ' ' order by s.seq)
		from task.task t left join fault.step s on s.task_id = t.id group by t.id`)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (p past, err error) {
		err = r.Scan(&p.id, &p.state, &p.kind, &p.attempts, &p.effects, &p.ends, &p.revived, &p.path)
		return p, err
	})
	require.NoError(t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	var faults []string
	seen := map[uuid.UUID]bool{}
	succeeded := 0
	for _, p := range all {
		seen[p.id] = true
		want, ours := w.accepted[p.id]
		if !ours && !w.doubtful[p.id] {
			faults = append(faults, fmt.Sprintf("task %s was never accepted", p.id))
		}
		if why := p.against(want); why != "" {
			faults = append(faults, fmt.Sprintf("task %s %s; it went %s", p.id, why, p.path))
		}
		if p.state == "succeeded" {
			succeeded++
		}
	}
	for id := range w.accepted {
		if !seen[id] {
			faults = append(faults, fmt.Sprintf("accepted task %s is gone", id))
		}
	}
	if stray := w.count("select count(*) from fault.effect where task_id not in (select id from task.task)"); stray != 0 {
		faults = append(faults, fmt.Sprintf("%d effects of tasks that do not exist", stray))
	}
	if n := w.count("select count(*) from task.dead_letter"); n != deadLetters {
		faults = append(faults, fmt.Sprintf("%d dead letters, want %d", n, deadLetters))
	}
	if len(faults) > 0 {
		t.Errorf("%d faults in the history of %d tasks:\n%s", len(faults), len(all), strings.Join(faults[:min(len(faults), 20)], "\n"))
	}
	t.Logf("%d tasks (%d in doubt at their commit), %d succeeded, %d resends, %d suspects, %d crashes", len(all), len(w.doubtful), succeeded,
		w.count("select coalesce(sum(resends), 0) from task.task"), w.count("select count(*) from task.task where suspect"),
		w.count("select count(*) from task.worker where stopped_at is null"))
}

// against says what is wrong with the task's end, or nothing.
func (p past) against(want outcome) string {
	if want.state == "" {
		want.state = "succeeded"
	}
	effects := 0
	if want.state == "succeeded" {
		effects = 1
	}
	switch {
	case p.state != want.state || p.kind != want.kind:
		return fmt.Sprintf("ended %s %q, want %s %q", p.state, p.kind, want.state, want.kind)
	case p.effects != effects:
		return fmt.Sprintf("had %d effects, want %d", p.effects, effects)
	case p.attempts != max(want.attempts, 1):
		return fmt.Sprintf("took %d attempts, want %d", p.attempts, max(want.attempts, 1))
	case p.ends != max(want.ends, 1) || p.revived != max(want.ends, 1)-1:
		return fmt.Sprintf("entered a terminal state %d times and left one %d times, want %d", p.ends, p.revived, max(want.ends, 1))
	}
	return ""
}
