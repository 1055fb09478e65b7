package task

import (
	"encoding/json"
	"time"

	"makola/pkg/celery"
)

// Watch is how monitors of Celery's kind look on while a worker works. Both functions are called in the middle of the work: they must be cheap and never wait.
type Watch struct {
	// Wanted reports whether anybody wants to know of tasks at the moment.
	Wanted func() bool
	// Tell takes one event.
	Tell func(celery.Event)
}

// watched reports whether events are worth making.
func (w *Worker) watched() bool { return w.cfg.Watch != nil && w.cfg.Watch.Wanted() }

// wireID is the task's id as its publisher wrote it, and as monitors know it.
func (c *claimed) wireID() string {
	if c.origin != nil && c.origin.ID != "" {
		return c.origin.ID
	}
	return c.id.String()
}

// watchSuccess tells monitors of a task that succeeded.
func (w *Worker) watchSuccess(c *claimed, result string, started time.Time) {
	if w.watched() {
		w.cfg.Watch.Tell(celery.TaskSucceeded(time.Now(), c.wireID(), json.RawMessage(result), time.Since(started)))
	}
}

// watchFailure tells monitors of an attempt that did not succeed. Nothing is told when the row was settled by somebody else meanwhile: that one tells.
func (w *Worker) watchFailure(c *claimed, v verdict, cause error) {
	if c.moot || !w.watched() {
		return
	}
	class, _ := exceptionOf(v, cause)
	switch v.state {
	case Pending:
		w.cfg.Watch.Tell(celery.TaskRetried(time.Now(), c.wireID(), class, clip(cause.Error())))
	case Cancelled:
		w.cfg.Watch.Tell(celery.TaskRevoked(time.Now(), c.wireID(), c.begun && v.kind == KindCancelled, v.kind == KindExpired))
	default:
		w.watchFailed(c.wireID(), c.begun, class, cause)
	}
}

// watchFailed tells monitors of a task that failed for good. One that never ran is told to have started: so do Python's workers when the arguments do not fit, and Flower counts as
// waiting what was received and did not start.
func (w *Worker) watchFailed(id string, begun bool, class string, cause error) {
	if !w.watched() {
		return
	}
	now := time.Now()
	if !begun {
		w.cfg.Watch.Tell(celery.TaskStarted(now, id))
	}
	w.cfg.Watch.Tell(celery.TaskFailed(now, id, class, clip(cause.Error())))
}

// watchFinished tells monitors of a task that somebody cancelled in the database before its message came here. What a remote control command revoked has been told of already,
// and a message that comes again may have been.
func (w *Worker) watchFinished(j *job, c *claimed) {
	if j.hold == nil || j.delivery.Redelivered || c.state != Cancelled || c.errorKind == nil || *c.errorKind != KindCancelled || w.revoked.has(c.id) {
		return
	}
	w.watchFailure(c, verdict{state: Cancelled, kind: KindCancelled}, errCancelled)
}
