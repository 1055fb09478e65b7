package task

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"makola/pkg/celery"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/proto/contract"
)

// identify reads id and name of a task message without looking at its body.
func identify(d rabbit.Delivery) (id, name string) {
	id, _ = d.Headers["id"].(string)
	name, _ = d.Headers["task"].(string)
	return id, name
}

// runForeign takes in a message that has no row yet: it inserts the row and runs the task, or records why it cannot become one. Nothing is ever discarded.
// Rows of our own that reach a worker which does not know them are failed here as well.
func (w *Worker) runForeign(ctx context.Context, j *job, _ bool) error {
	m, err := celery.Decode(&j.delivery.Delivery, celery.Limits{BodyBytes: w.cfg.MaxBodyBytes})
	if err != nil {
		reject, ok := errors.AsType[*celery.RejectError](err)
		if !ok {
			return fmt.Errorf("%w: %w", errNotAcked, err)
		}
		if err := w.bury(ctx, j.delivery.RoutingKey, reject.Reason, reject.Detail, j.delivery); err != nil {
			return err
		}
		if j.hold != nil {
			id, _ := identify(j.delivery)
			w.watchFailed(id, false, rejectedClass, reject)
		}
		w.answerReject(ctx, m, reject)
		return nil
	}
	row, err := w.foreignRow(m, j.delivery.RoutingKey)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotAcked, err)
	}
	inserted, err := w.insertForeign(ctx, row)
	switch {
	case postgres.IsRefusal(err):
		return w.bury(ctx, j.delivery.RoutingKey, "refused", "the database refused the task: "+err.Error(), j.delivery)
	case err != nil:
		return fmt.Errorf("%w: insert task %s: %w", errNotAcked, row.id, err)
	case !inserted && row.state == Failed:
		return w.failUnknown(ctx, row)
	case row.state == Failed:
		w.metrics.observe("unknown", row.kind, time.Now())
		slog.ErrorContext(ctx, "message cannot be run", "task_id", row.id, "task", m.Task, "kind", row.kind, "error", row.reason)
		v, cause := verdict{state: Failed, kind: row.kind}, errors.New(row.reason)
		w.watchFailure(row.claimed(), v, cause)
		w.answerFailure(ctx, row.claimed(), v, cause)
		return nil
	case row.state == Pending:
		return nil // has a time of its own; the relay brings it then
	}
	j.id, j.handler = row.id, w.handlers[m.Task]
	return w.runHere(ctx, j)
}

// runHere runs a job in the lane that took it in.
func (w *Worker) runHere(ctx context.Context, j *job) error {
	switch j.handler.Descriptor.Mode {
	case contract.ModeBatch:
		return w.runBatch(ctx, j.handler, []*job{j}, false)
	case contract.ModeLong:
		return w.runLong(ctx, j, false)
	default:
		return w.runShort(ctx, j, false)
	}
}

// foreign is a message on its way to becoming a row.
type foreign struct {
	id           uuid.UUID
	name, queue  string
	tenant       *uuid.UUID
	parent, root *uuid.UUID
	args         json.RawMessage
	state        State
	kind, reason string
	eta, expires *time.Time
	origin       *origin
}

func (f *foreign) claimed() *claimed {
	return &claimed{id: f.id, root: f.id, name: f.name, tenant: f.tenant, attempt: 1, origin: f.origin}
}

// foreignRow decides what a well-formed message becomes: published (run now), pending (has an eta) or failed (unknown task, arguments that do not fit, a continuation we cannot keep).
func (w *Worker) foreignRow(m *celery.Message, queue string) (*foreign, error) {
	f := &foreign{
		id: celery.TaskUUID(m.ID), name: m.Task, queue: queue, state: Published, eta: m.ETA, expires: m.Expires, args: json.RawMessage("{}"),
		origin: originOf(m),
	}
	if len(m.Kwargs) > 0 {
		f.args = m.Kwargs
	}
	if t, ok := m.Headers["tenant"].(string); ok {
		if id, err := uuid.Parse(t); err == nil {
			f.tenant = &id
		}
	}
	if m.ParentID != "" {
		id := celery.TaskUUID(m.ParentID)
		f.parent = &id
	}
	if m.RootID != "" {
		id := celery.TaskUUID(m.RootID)
		f.root = &id
	}
	fail := func(kind, reason string) { f.state, f.kind, f.reason = Failed, kind, reason }
	h := w.handlers[m.Task]
	if h == nil {
		fail(KindUnknownTask, fmt.Sprintf("no handler for task %q on queue %s", m.Task, queue))
		return f, nil
	}
	if err := m.Unsupported(); err != nil {
		fail(KindChain, err.Error())
		return f, nil
	}
	f.name, f.queue = h.Descriptor.Name, h.Descriptor.Queue
	args := h.Descriptor.NewArgs()
	if err := celery.ArgsToProto(m, args); err != nil {
		fail(KindInvalidArguments, err.Error())
		return f, nil
	}
	canonical, err := celery.ProtoToKwargs(args)
	if err != nil {
		return nil, fmt.Errorf("encode arguments of %s: %w", m.ID, err)
	}
	f.args, f.origin.Args = canonical, nil
	if m.ETA != nil && time.Until(*m.ETA) > 0 && f.state == Published {
		f.state = Pending
	}
	return f, nil
}

func (w *Worker) insertForeign(ctx context.Context, f *foreign) (inserted bool, err error) {
	raw, err := json.Marshal(f.origin)
	if err != nil {
		return false, fmt.Errorf("encode origin: %w", err)
	}
	tx, err := w.db.Begin(ctx, postgres.Scope{System: true})
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	var kind, reason *string
	if f.state == Failed {
		kind, reason = &f.kind, &f.reason
	}
	n, err := tx.Exec(`insert into task.task (id, tenant_id, name, queue, state, args, available_at, expires_at, published_at, finished_at, parent_id, root_id, origin, error, error_kind)
		values ($1, $2, $3, $4, $5::text, $6::jsonb, coalesce($7, now()), $8, case when $5::text = 'published' then now() end, case when $5::text = 'failed' then now() end, $9, $10, $11, $12, $13)
		on conflict do nothing`,
		f.id, f.tenant, f.name, f.queue, string(f.state), string(f.args), f.eta, f.expires, f.parent, f.root, string(raw), reason, kind)
	if err != nil {
		return false, err
	}
	return n == 1, tx.Commit()
}

// failUnknown fails a row of our own whose task this worker does not know: a publisher newer than every worker, or a wrong queue. The row may still look pending,
// because the message can be faster than the relay's commit; the update then waits for it.
func (w *Worker) failUnknown(ctx context.Context, f *foreign) error {
	n, err := w.sweepExec(ctx, `update task.task set state = 'failed', error = $2, error_kind = $3, finished_at = clock_timestamp() where id = $1 and state in ('pending', 'published')`, f.id, f.reason, f.kind)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotAcked, err)
	}
	if n > 0 {
		w.watchFailure(f.claimed(), verdict{state: Failed, kind: f.kind}, errors.New(f.reason))
	}
	slog.ErrorContext(ctx, "message cannot be run", "task_id", f.id, "task", f.name, "kind", f.kind, "error", f.reason)
	return nil
}

// keptPayload is how much of a message that could not become a task is kept; enough to see what it was, and to replay all but the absurd.
const keptPayload = 256 << 10

// bury records a message that cannot become a task.
func (w *Worker) bury(ctx context.Context, queue, reason, detail string, d rabbit.Delivery) error {
	headers, err := json.Marshal(printable(d.Headers))
	if err != nil || len(headers) > keptPayload {
		headers = []byte(`{"error": "headers could not be kept"}`)
	}
	id, name := identify(d)
	payload := d.Body[:min(len(d.Body), keptPayload)]
	if len(payload) < len(d.Body) {
		sum := sha256.Sum256(d.Body)
		detail += "; only the first part is kept, sha256 of all " + hex.EncodeToString(sum[:])
	}
	_, err = w.db.Pool().Exec(ctx, `insert into task.dead_letter (id, queue, reason, detail, message_id, task_name, headers, payload, size_bytes) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		uuid.Must(uuid.NewV7()), queue, reason, clip(text(detail)), clip(text(id)), clip(text(name)), string(headers), payload, len(d.Body))
	if err != nil {
		return fmt.Errorf("%w: record dead letter: %w", errNotAcked, err)
	}
	w.metrics.buried.WithLabelValues(queue).Inc()
	slog.ErrorContext(ctx, "message recorded as dead letter", "queue", queue, "reason", reason, "detail", clip(detail))
	return nil
}
