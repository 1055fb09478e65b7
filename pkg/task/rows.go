package task

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"makola/pkg/celery"
	"makola/proto/contract"
)

// claimed is a task row as a worker sees it while it holds the row's lock.
type claimed struct {
	id, root        uuid.UUID
	tenant          *uuid.UUID
	name            string
	state           State
	attempt         int
	args            json.RawMessage
	createdAt       time.Time
	expired         bool
	suspect         bool
	cancelRequested bool
	leaseLive       bool
	fence           int64
	workerID        *uuid.UUID
	holders         []uuid.UUID
	origin          *origin
	result          json.RawMessage
	err             *string
	uniqueKey       *string
	errorKind       *string
	// children are the ids of the continuations that this run inserted, as the client knows them.
	children []string
	// begun is set once the handler has been called, moot when somebody else settled the row before this run could.
	begun, moot bool
}

// claimColumns are what every claim reads, in scanClaimed's order.
const claimColumns = `t.id, coalesce(t.root_id, t.id), t.tenant_id, t.name, t.state, t.attempt, t.args, t.created_at, coalesce(t.expires_at <= now(), false), t.suspect,
	t.cancel_requested, coalesce(t.lease_until > now(), false), t.fence, t.worker_id, t.holders, t.origin, t.result, t.error, t.error_kind, t.unique_key`

func scanClaimed(rows pgx.Rows) (*claimed, error) {
	c := &claimed{}
	var rawOrigin []byte
	err := rows.Scan((*[16]byte)(&c.id), (*[16]byte)(&c.root), &c.tenant, &c.name, &c.state, &c.attempt, &c.args, &c.createdAt, &c.expired, &c.suspect,
		&c.cancelRequested, &c.leaseLive, &c.fence, &c.workerID, &c.holders, &rawOrigin, &c.result, &c.err, &c.errorKind, &c.uniqueKey)
	if err != nil {
		return nil, fmt.Errorf("read task row: %w", err)
	}
	c.origin, err = parseOrigin(rawOrigin)
	return c, err
}

// decode builds the task's arguments from the row, which is the truth; the message only announced it.
func (c *claimed) decode(d *contract.Descriptor) (proto.Message, error) {
	args := d.NewArgs()
	m := &celery.Message{Task: c.name, Kwargs: c.args}
	if c.origin != nil {
		m.Args = c.origin.Args
	}
	if err := celery.ArgsToProto(m, args); err != nil {
		return nil, Permanent(fmt.Errorf("arguments of %s: %w", c.name, err))
	}
	return args, nil
}

func (c *claimed) run(d *contract.Descriptor) contract.Run {
	r := contract.Run{ID: c.id, Root: c.root, Attempt: c.attempt, MaxAttempts: d.MaxAttempts, CreatedAt: c.createdAt}
	if c.tenant != nil {
		r.Tenant = *c.tenant
	} else if c.uniqueKey != nil {
		_, r.Slot = parseSlot(*c.uniqueKey)
	}
	return r
}

// encodeResult turns a handler's result into what the row keeps; a nil result is {}.
func encodeResult(m proto.Message) (string, error) {
	raw, err := celery.ProtoToResult(m)
	if err != nil {
		return "", fmt.Errorf("encode result: %w", err)
	}
	return string(raw), nil
}

// HistoryEntry is one thing that happened to a task besides its normal course: a failed attempt, a crash, a replay. Ordered by time.
type HistoryEntry struct {
	At      time.Time `json:"at"`
	Event   string    `json:"event"`
	Attempt int       `json:"attempt"`
	Kind    string    `json:"kind,omitempty"`
	Error   string    `json:"error,omitempty"`
	By      string    `json:"by,omitempty"`
}

// maxErrorBytes bounds what one failed attempt leaves in the row; handlers' errors may quote what they were given.
const maxErrorBytes = 2000

func clip(s string) string {
	if len(s) > maxErrorBytes {
		return strings.ToValidUTF8(s[:maxErrorBytes], "") + "…" // the cut may go through a letter
	}
	return s
}
