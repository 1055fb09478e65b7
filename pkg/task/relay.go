package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"makola/pkg/celery"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
)

// relay publishes pending tasks until ctx ends. A crash anywhere publishes again, which workers tell apart by the row.
func (q *Queue) relay(ctx context.Context) {
	tick := time.NewTicker(q.cfg.PollInterval)
	defer tick.Stop()
	for {
		n, err := q.relayOnce(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, errBrokerDown) {
			slog.WarnContext(ctx, "relay could not publish; tasks stay pending", "error", err)
		}
		if err == nil && n == relayBatch {
			continue // more is waiting
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
			if err != nil { // ringing does not mend a broken broker
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		case <-tick.C:
		}
	}
}

const claimPendingSQL = `select id, tenant_id, name, queue, args, attempt, expires_at, parent_id, root_id, origin
from task.task where state = 'pending' and available_at <= now() order by available_at, id limit $1 for update skip locked`

// errBrokerDown is not logged here: the connection's supervisor does, once, and readiness shows it.
var errBrokerDown = errors.New("broker not reachable")

// relayOnce publishes one batch and returns its size. The rows stay locked until every confirm has come and their new state is committed.
func (q *Queue) relayOnce(ctx context.Context) (int, error) {
	if err := q.conn.Ready(ctx); err != nil {
		return 0, fmt.Errorf("%w: %w", errBrokerDown, err)
	}
	if q.conn.Blocked() {
		return 0, fmt.Errorf("%w: %w", errBrokerDown, rabbit.ErrBlocked)
	}
	var ids []uuid.UUID
	var msgs []rabbit.Publishing
	tx, err := q.db.BeginQuery(ctx, postgres.Scope{System: true}, claimPendingSQL, func(rows pgx.Rows) error {
		for rows.Next() {
			id, msg, err := scanPending(rows)
			if err != nil {
				return err
			}
			ids, msgs = append(ids, id), append(msgs, msg)
		}
		return rows.Err()
	}, relayBatch)
	if err != nil {
		return 0, fmt.Errorf("claim pending tasks: %w", err)
	}
	defer tx.Rollback()
	if len(ids) == 0 {
		return 0, nil
	}
	errs := q.pub.PublishBatch(ctx, msgs)
	crash("relay.after_confirm") // F3: between confirm and COMMIT
	var done, failed, invalid []uuid.UUID
	var reasons []string
	for i, err := range errs {
		switch {
		case err == nil:
			done = append(done, ids[i])
		case errors.Is(err, rabbit.ErrInvalid):
			invalid = append(invalid, ids[i])
			slog.ErrorContext(ctx, "task cannot be carried by AMQP", "task_id", ids[i], "error", err)
		default:
			failed, reasons = append(failed, ids[i]), append(reasons, err.Error())
		}
	}
	var st []postgres.Statement
	if len(invalid) > 0 {
		st = append(st, postgres.Statement{SQL: `update task.task set state = 'failed', error = 'AMQP cannot carry its message', error_kind = 'permanent', finished_at = clock_timestamp() where id = any($1)`, Args: []any{invalid}})
	}
	if len(done) > 0 {
		st = append(st, postgres.Statement{SQL: `update task.task set state = 'published', published_at = clock_timestamp() where id = any($1)`, Args: []any{done}})
	}
	if len(failed) > 0 {
		// An outage is everybody's; the pause between attempts on one row grows to a minute and is not counted against the task.
		st = append(st, postgres.Statement{SQL: `update task.task t set publish_errors = publish_errors + 1, error = v.reason,
			available_at = clock_timestamp() + least(60, power(2, least(publish_errors, 6))) * (0.8 + 0.4 * random()) * interval '1 s'
			from unnest($1::uuid[], $2::text[]) v(id, reason) where t.id = v.id`, Args: []any{failed, reasons}})
	}
	if err := tx.CommitWith(st...); err != nil {
		return 0, fmt.Errorf("mark %d tasks published: %w", len(done), err)
	}
	q.metrics.published.Add(float64(len(done)))
	q.announcePublished(ids, msgs, errs)
	q.metrics.publishErrors.Add(float64(len(failed)))
	if len(failed) > 0 {
		return len(ids), fmt.Errorf("%d of %d tasks not published, the first because: %s", len(failed), len(ids), reasons[0])
	}
	return len(ids), nil
}

// scanPending turns a pending row into the message that announces it.
func scanPending(rows pgx.Rows) (uuid.UUID, rabbit.Publishing, error) {
	var (
		id                  uuid.UUID
		tenantID, par, root *uuid.UUID
		name, queue         string
		args, rawOrigin     []byte
		attempt             int
		expires             *time.Time
	)
	if err := rows.Scan((*[16]byte)(&id), &tenantID, &name, &queue, &args, &attempt, &expires, &par, &root, &rawOrigin); err != nil {
		return id, rabbit.Publishing{}, fmt.Errorf("read pending task: %w", err)
	}
	m := celery.Message{ID: id.String(), Task: name, Kwargs: args, Retries: attempt - 1, Expires: expires, Headers: map[string]any{}}
	if tenantID != nil {
		m.Headers["tenant"] = tenantID.String()
	}
	if par != nil {
		m.ParentID = par.String()
	}
	m.RootID = m.ID
	if root != nil {
		m.RootID = root.String()
	}
	if o, err := parseOrigin(rawOrigin); err != nil {
		return id, rabbit.Publishing{}, err
	} else if o != nil {
		o.restore(&m)
	}
	msg, err := celery.Encode(m)
	if err != nil {
		return id, rabbit.Publishing{}, fmt.Errorf("encode task %s: %w", id, err)
	}
	msg.MessageId = id.String() // tells returned messages apart
	return id, rabbit.Publishing{Exchange: rabbit.ExchangeTasks, Key: queue, Msg: msg}, nil
}

// origin is what a foreign publisher's message said beyond name and arguments, kept so that the task can be published again, answered and continued.
type origin struct {
	ID            string             `json:"id"` // as the publisher wrote it; it need not be a UUID
	Args          json.RawMessage    `json:"args,omitempty"`
	ReplyTo       string             `json:"reply_to,omitempty"`
	CorrelationID string             `json:"correlation_id,omitempty"`
	IgnoreResult  bool               `json:"ignore_result,omitempty"`
	HardLimitMS   int64              `json:"hard_limit_ms,omitempty"`
	Chain         []celery.Signature `json:"chain,omitempty"`
	Callbacks     []celery.Signature `json:"callbacks,omitempty"`
	Errbacks      []celery.Signature `json:"errbacks,omitempty"`
}

func originOf(m *celery.Message) *origin {
	return &origin{ID: m.ID, Args: m.Args, ReplyTo: m.ReplyTo, CorrelationID: m.CorrelationID, IgnoreResult: m.IgnoreResult,
		HardLimitMS: m.HardLimit.Milliseconds(), Chain: m.Chain, Callbacks: m.Callbacks, Errbacks: m.Errbacks}
}

func parseOrigin(raw []byte) (*origin, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	o := &origin{}
	if err := json.Unmarshal(raw, o); err != nil {
		return nil, fmt.Errorf("read origin of task: %w", err)
	}
	return o, nil
}

func (o *origin) restore(m *celery.Message) {
	m.ID, m.Args, m.ReplyTo, m.CorrelationID, m.IgnoreResult = o.ID, o.Args, o.ReplyTo, o.CorrelationID, o.IgnoreResult
	m.Chain, m.Callbacks, m.Errbacks = o.Chain, o.Callbacks, o.Errbacks
	m.HardLimit = time.Duration(o.HardLimitMS) * time.Millisecond
}

// answers reports whether somebody waits for a result.
func (o *origin) answers() bool { return o != nil && o.ReplyTo != "" && !o.IgnoreResult }

var errNotAcked = errors.New("delivery left unacknowledged")
