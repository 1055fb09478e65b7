package task

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"makola/pkg/celery"
	"makola/pkg/rabbit"
)

// Results to foreign clients are best effort, after the commit and before the ack. The row is the durable truth; a redelivered finished task answers again.

func (w *Worker) answerSuccess(ctx context.Context, c *claimed, result string) {
	if c.origin.answers() {
		w.answer(ctx, c.origin, celery.Success(c.origin.ID, json.RawMessage(result), c.children))
	}
}

func (w *Worker) answerFailure(ctx context.Context, c *claimed, v verdict, cause error) {
	if !c.origin.answers() {
		return
	}
	id := c.origin.ID
	switch {
	case v.state == Pending:
		w.answer(ctx, c.origin, celery.Retry(id, "RuntimeError", "builtins", []any{cause.Error()}, ""))
	case v.state == Cancelled && v.kind == KindExpired:
		w.answer(ctx, c.origin, celery.Revoked(id, "expired"))
	case v.state == Cancelled:
		w.answer(ctx, c.origin, celery.Revoked(id, "revoked"))
	default:
		class, module := exceptionOf(v, cause)
		says := cause.Error()
		if v.kind == KindUnknownTask {
			says = c.name
		}
		w.answer(ctx, c.origin, celery.Failure(id, class, module, []any{says}, ""))
	}
}

// exceptionOf names the Python exception that stands for a failed attempt.
func exceptionOf(v verdict, cause error) (class, module string) {
	switch {
	case v.state == Pending:
		return "RuntimeError", "builtins"
	case v.kind == KindUnknownTask:
		return "NotRegistered", "celery.exceptions"
	case v.kind == KindInvalidArguments:
		return "TypeError", "builtins"
	case errors.Is(cause, errTimeLimit):
		return "TimeLimitExceeded", "billiard.exceptions"
	case v.kind == KindPermanent:
		return "ValueError", "builtins"
	default:
		return "RuntimeError", "builtins"
	}
}

// answerAgain repeats the stored result of a task that was finished already: the first answer may have been lost with the process that gave it.
func (w *Worker) answerAgain(ctx context.Context, c *claimed) {
	if !c.origin.answers() {
		return
	}
	switch c.state {
	case Succeeded:
		w.answerSuccess(ctx, c, string(c.result))
	case Failed, Cancelled:
		v := verdict{state: c.state}
		cause := errors.New("task did not succeed")
		if c.errorKind != nil {
			v.kind = *c.errorKind
		}
		if c.err != nil {
			cause = errors.New(*c.err)
		}
		w.answerFailure(ctx, c, v, cause)
	case Pending, Published, Running: // not finished: nothing to repeat
	}
}

// rejectedClass is the exception of a message that could not be decoded.
const rejectedClass = "ValueError"

// answerReject tells a client whose message could not even be decoded, if it said where it listens.
func (w *Worker) answerReject(ctx context.Context, m *celery.Message, reject *celery.RejectError) {
	if m == nil || m.ID == "" || m.ReplyTo == "" || m.IgnoreResult {
		return
	}
	o := &origin{ID: m.ID, ReplyTo: m.ReplyTo, CorrelationID: m.CorrelationID}
	w.answer(ctx, o, celery.Failure(m.ID, rejectedClass, "builtins", []any{reject.Error()}, ""))
}

func (w *Worker) answer(ctx context.Context, o *origin, r celery.Result) {
	if w.queue.pub == nil { // Inline: no broker, nobody to answer
		return
	}
	correlation := o.CorrelationID
	if correlation == "" {
		correlation = o.ID
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := w.queue.pub.PublishBestEffort(ctx, rabbit.Publishing{Exchange: "", Key: o.ReplyTo, Msg: r.Publishing(correlation)})
	if err != nil {
		slog.InfoContext(ctx, "result not sent to its client; the task row has it", "error", err)
	}
}
