// Package task is the task engine: a task is a row, RabbitMQ is the doorbell.
//
// # Life of a task
//
//	pending ──relay, confirmed──▶ published ──claimed──▶ running ──▶ succeeded
//	   ▲                              │                     │
//	   └── again (available_at) ◀─────┴── retryable error ──┤
//	                                                        ├──▶ failed
//	cancelled ◀── before the start, or at a heartbeat ──────┘
//
// Queue.Enqueue inserts the row in the transaction of the change that causes it. The relay publishes pending rows and marks them published
// once the broker confirmed them. A Worker claims a row when its message arrives, runs the handler and finishes the row in the
// transaction that holds the handler's own writes. Deleting every queue in the broker loses no task: the sweeper publishes again
// what was published and never finished.
//
// # What is promised
//
//   - An accepted task ends in exactly one of succeeded, failed and cancelled. Failed tasks are the dead letters; they can be replayed.
//   - Delivery is at least once. A handler's database effect happens once, because it commits together with the row. Effects elsewhere
//     (mail, provider calls) need an idempotency key; Run.ID is one.
//   - No order between tasks.
//
// # Modes
//
// SHORT (short.go): one transaction locks the row, runs the handler and finishes the row; the row lock is the lease. BATCH (batch.go):
// the same for all that waits in the queue, split in halves around a task that fails the whole. LONG (long.go): claim in its own
// transaction, run without one under a lease with a heartbeat, finish with the handler's Commit where the fence is still ours.
//
// # One task for every tenant
//
// A platform task may enqueue one task for each active tenant (each.go): a fan-out, such as the schedule's sweeps over all businesses. It is one commit, keyed by the
// schedule's slot, so whatever dies or comes twice each tenant has one task per slot; with EachDayAt and EachWeekAt one per day or week of its own clock.
// A task that is enqueued for a tenant says itself what it thinks of one that has closed meanwhile (TenantActive).
//
// # Fairness
//
// Tasks stand in line: the relay publishes in the order of available_at and id, whoever they belong to, and a queue of the broker delivers in the order of publishing. So a tenant with
// many tasks, or a fan-out, goes before what is asked for later and never overtakes what was asked for before; nobody waits longer than in one line for all. Among the
// queues of the broker there is no line at all, and a fan-out delays the tasks of other queues only while the relays publish it. There is no fairer share than
// this between tenants; whoever must not wait has a queue, and a worker narrowed to it, of its own. Retries stand in line again from the time they wait for.
//
// # Events
//
// Whatever a person could see happen to a task of a tenant is announced on the exchange task.events (events.go), best effort and many at a time, so that live views need
// not poll. An event only rings; the row tells.
//
// # Crashes
//
// A message that the broker delivers again is a suspect (suspect.go): it is claimed in its own transaction, which records this
// process as holder, and runs alone. Three holders that died make it failed with kind crash_loop. First deliveries pay nothing for this.
//
// Messages that have no row yet come from foreign publishers, such as a Celery client; intake.go inserts them, or records what cannot become a task
// in task.dead_letter.
package task
