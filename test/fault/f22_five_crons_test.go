package fault

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// clock gives the role of cron a clock of the test's: unqualified calls of clock_timestamp() find this one first. It begins just after a slot of ten minutes has,
// wherever the real one stands, so that no slot begins by itself while the test counts them.
const clock = `
create table fault.clock (ahead interval not null);
insert into fault.clock select to_timestamp(ceil(extract(epoch from now()) / 600) * 600) + interval '1 second' - now();
create function fault.clock_timestamp() returns timestamptz language sql as 'select pg_catalog.clock_timestamp() + (select ahead from fault.clock)';
grant usage on schema fault to makola_cron;
grant select on fault.clock to makola_cron;
do $$ begin execute format('alter role makola_cron in database %I set search_path = fault, pg_catalog, public', current_database()); end $$;
`

// TestF22 runs five cron processes through eight slots, and kills two of them at each slot, while they look. Then all are down for three hours.
// Every slot becomes one task, or one record of why not.
func TestF22FiveCronsTwoKilledAndThreeHoursDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(clock)
	start := func(round int) (crons []*victim) {
		for i := range 5 {
			crons = append(crons, w.service(fmt.Sprintf("cron %d.%d", round, i), "services/cron", []string{"DATABASE_URL=" + w.url("makola_cron")}))
		}
		return crons
	}
	const slot = "to_timestamp(floor(extract(epoch from fault.clock_timestamp()) / 600) * 600)" // of reconcile-payments: every ten minutes
	dealt := func() bool {
		return w.count("select count(*) from cron.run where job = 'reconcile-payments' and slot = "+slot) == 1
	}
	crons := start(1)
	w.await("the first slot is dealt with", dealt)
	for range 8 {
		w.exec("update task.task set state = 'succeeded', finished_at = now() where state = 'pending'") // as a worker would
		w.exec("update fault.clock set ahead = ahead + interval '10 minutes'")
		first := w.pick(len(crons))
		for _, i := range []int{first, (first + 1 + w.pick(len(crons)-1)) % len(crons)} {
			before := crons[i].starts()
			crons[i].kill() // its successor looks at once, and races with the other's
			w.await("the supervisor starts it again", func() bool { return crons[i].starts() > before })
		}
		w.await("the slot is dealt with", dealt)
	}
	for _, c := range crons {
		c.retire()
	}
	w.exec("update task.task set state = 'succeeded', finished_at = now() where state = 'pending'")
	const ran = "select count(*) from cron.run where job = 'reconcile-payments' and task_id is not null"
	runs := w.count(ran)
	require.Equal(t, 9, runs, "one per slot")
	once := w.count("select count(*) from cron.run where job = 'cleanup-expired-ai-transactions' and task_id is not null")
	w.exec("update fault.clock set ahead = ahead + interval '3 hours'")
	for _, c := range start(2) {
		w.await("all five have looked", func() bool { return c.has("schedule is active") })
	}
	w.await("the slot after the downtime is dealt with", dealt)
	w.mu.Lock()
	victims := w.victims
	w.mu.Unlock()
	for _, c := range victims {
		c.retire()
	}
	require.Equal(t, runs+1, w.count(ran), "the current slot runs, those before it are skipped by policy")
	require.GreaterOrEqual(t, w.count("select count(*) from cron.run where job = 'reconcile-payments' and skipped like 'missed%'"), 17)
	require.Equal(t, once+1, w.count("select count(*) from cron.run where job = 'cleanup-expired-ai-transactions' and task_id is not null"), "of a job that catches up, all missed slots become one run")
	require.Zero(t, w.count("select count(*) from cron.run r where task_id is not null and not exists (select from task.task t where t.id = r.task_id)"))
	require.Equal(t, runs+1, w.count("select count(*) from task.task where name = 'ai_features.reconcile_payments'"), "a task per run and no other")
	require.Zero(t, w.count(`select count(*) from (select slot - lag(slot) over (order by slot) gap from cron.run where job = 'reconcile-payments') g where gap <> interval '10 minutes'`), "no slot is missing")
	require.Positive(t, crons[0].deaths()+crons[1].deaths()+crons[2].deaths()+crons[3].deaths()+crons[4].deaths())
}
