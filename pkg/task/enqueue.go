package task

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/celery"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
	"makola/proto/contract"
)

// MaxArgsBytes is the most a task's arguments may weigh as JSON. Larger data belongs in a table or a file whose id travels instead: the broker copies every byte to every replica.
const MaxArgsBytes = 256 << 10

// Enqueue inserts a task in tx. The row becomes visible, and is published, when tx commits; when it rolls back the task never existed.
//
// All tasks enqueued in one transaction are inserted by one statement that travels with COMMIT, so calling it in a loop is cheap; the price is that a refusal by the
// database (a duplicate WithID, say) is reported by the commit. Tasks with a Unique key are inserted at once.
//
// Errors: postgres.ErrNoTransaction when tx is not inside a transaction; arguments larger than MaxArgsBytes.
func (q *Queue) Enqueue(ctx context.Context, tx *gorm.DB, d *contract.Descriptor, args proto.Message, opts ...contract.Option) (contract.ID, error) {
	if err := postgres.RequireTx(tx); err != nil {
		return contract.ID{}, fmt.Errorf("enqueue %s: %w", d.Name, err)
	}
	var o contract.Options
	for _, opt := range opts {
		opt(&o)
	}
	raw, err := celery.ProtoToKwargs(args)
	if err != nil {
		return contract.ID{}, fmt.Errorf("enqueue %s: encode arguments: %w", d.Name, err)
	}
	if len(raw) > MaxArgsBytes {
		return contract.ID{}, fmt.Errorf("enqueue %s: arguments weigh %d bytes and %d are allowed; store the data and pass its id", d.Name, len(raw), MaxArgsBytes)
	}
	r := newRow(ctx, d, o, raw)
	if o.UniqueKey != "" {
		if g, ok := ctx.Value(gatherKey{}).(*gather); ok {
			return r.id, g.add(q, r)
		}
		return q.insertUnique(tx, r)
	}
	b := postgres.Local(tx, bufferKey{}, func() *buffer { return &buffer{} })
	if b == nil {
		return contract.ID{}, fmt.Errorf("enqueue %s: %w", d.Name, postgres.ErrNoTransaction)
	}
	if len(b.ids) == 0 {
		postgres.AtCommit(tx, b)
	}
	b.add(r)
	q.wakeAfter(tx)
	return r.id, nil
}

// row is a task about to be inserted.
type row struct {
	id, tenant, createdBy, parent, root pgtype.UUID
	name, queue                         string
	args                                string
	uniqueKey                           *string
	delayMS                             int64
	runAt, expiresAt                    *time.Time
}

type newTask struct {
	row
	id uuid.UUID
}

func newRow(ctx context.Context, d *contract.Descriptor, o contract.Options, args json.RawMessage) newTask {
	n := newTask{id: o.ID}
	if n.id == uuid.Nil {
		n.id = uuid.Must(uuid.NewV7())
	}
	n.row = row{id: pgUUID(n.id), name: d.Name, queue: d.Queue, args: string(args), delayMS: o.Delay.Milliseconds()}
	if o.Tenant == uuid.Nil {
		o.Tenant, _ = tenant.From(ctx)
	}
	n.tenant, n.createdBy = pgUUID(o.Tenant), pgUUID(o.CreatedBy)
	n.parent, n.root = pgUUID(o.Parent), pgUUID(o.Root)
	if parent, ok := runFrom(ctx); ok && o.Parent == uuid.Nil {
		n.parent, n.root = pgUUID(parent.ID), pgUUID(parent.root)
	}
	if o.UniqueKey != "" {
		n.uniqueKey = &o.UniqueKey
	}
	if !o.RunAt.IsZero() {
		n.runAt = &o.RunAt
	}
	if !o.ExpiresAt.IsZero() {
		n.expiresAt = &o.ExpiresAt
	}
	return n
}

// pgUUID is id as pgx encodes it fastest; the zero id is NULL.
func pgUUID(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

const insertSQL = `insert into task.task (id, tenant_id, created_by, parent_id, root_id, name, queue, args, unique_key, available_at, expires_at)
select v.id, v.tenant, v.created_by, v.parent, v.root, v.name, v.queue, v.args::jsonb, v.unique_key, coalesce(v.run_at, now() + v.delay_ms * interval '1 ms'), v.expires_at
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::timestamptz[], $12::timestamptz[])
  as v(id, tenant, created_by, parent, root, name, queue, args, unique_key, delay_ms, run_at, expires_at)`

// insertUniqueSQL is insertSQL without the tasks whose keys are taken.
const insertUniqueSQL = insertSQL + ` on conflict (name, tenant_id, unique_key) where unique_key is not null do nothing`

// insertOneSQL is insertSQL for a lone task: half the work for the server.
const insertOneSQL = `insert into task.task (id, tenant_id, created_by, parent_id, root_id, name, queue, args, unique_key, available_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, coalesce($11, now() + $10::bigint * interval '1 ms'), $12)`

// buffer gathers the tasks of one transaction, column by column.
type buffer struct {
	ids, tenants, createdBy, parents, roots []pgtype.UUID
	names, queues, args                     []string
	uniqueKeys                              []*string
	delays                                  []int64
	runAts, expires                         []*time.Time
}

type (
	bufferKey struct{}
	wakeKey   struct{}
)

func (b *buffer) add(n newTask) {
	r := n.row
	b.ids, b.tenants, b.createdBy = append(b.ids, r.id), append(b.tenants, r.tenant), append(b.createdBy, r.createdBy)
	b.parents, b.roots = append(b.parents, r.parent), append(b.roots, r.root)
	b.names, b.queues, b.args = append(b.names, r.name), append(b.queues, r.queue), append(b.args, r.args)
	b.uniqueKeys, b.delays = append(b.uniqueKeys, r.uniqueKey), append(b.delays, r.delayMS)
	b.runAts, b.expires = append(b.runAts, r.runAt), append(b.expires, r.expiresAt)
}

func (b *buffer) values() []any {
	return []any{b.ids, b.tenants, b.createdBy, b.parents, b.roots, b.names, b.queues, b.args, b.uniqueKeys, b.delays, b.runAts, b.expires}
}

// Statements implements postgres.Deferred: one statement inserts the tasks of any number of transactions.
func (b *buffer) Statements(others ...postgres.Deferred) []postgres.Statement {
	all := b
	if len(others) > 0 {
		all = &buffer{}
		all.append(b)
		for _, o := range others {
			all.append(o.(*buffer)) //nolint:forcetypeassert // postgres.Deferred promises the same type
		}
	}
	if len(all.ids) == 1 {
		return []postgres.Statement{{SQL: insertOneSQL, Args: []any{all.ids[0], all.tenants[0], all.createdBy[0], all.parents[0], all.roots[0],
			all.names[0], all.queues[0], all.args[0], all.uniqueKeys[0], all.delays[0], all.runAts[0], all.expires[0]}}}
	}
	return []postgres.Statement{{SQL: insertSQL, Args: all.values()}}
}

func (b *buffer) append(o *buffer) {
	b.ids, b.tenants, b.createdBy = append(b.ids, o.ids...), append(b.tenants, o.tenants...), append(b.createdBy, o.createdBy...)
	b.parents, b.roots = append(b.parents, o.parents...), append(b.roots, o.roots...)
	b.names, b.queues, b.args = append(b.names, o.names...), append(b.queues, o.queues...), append(b.args, o.args...)
	b.uniqueKeys, b.delays = append(b.uniqueKeys, o.uniqueKeys...), append(b.delays, o.delays...)
	b.runAts, b.expires = append(b.runAts, o.runAts...), append(b.expires, o.expires...)
}

// reset empties b and keeps its memory.
func (b *buffer) reset() {
	b.ids, b.tenants, b.createdBy, b.parents, b.roots = b.ids[:0], b.tenants[:0], b.createdBy[:0], b.parents[:0], b.roots[:0]
	b.names, b.queues, b.args, b.uniqueKeys = b.names[:0], b.queues[:0], b.args[:0], b.uniqueKeys[:0]
	b.delays, b.runAts, b.expires = b.delays[:0], b.runAts[:0], b.expires[:0]
}

func (q *Queue) insertUnique(tx *gorm.DB, n newTask) (contract.ID, error) {
	var b buffer
	b.add(n)
	inserted, err := postgres.Exec(tx, insertUniqueSQL, b.values()...)
	if err != nil {
		return contract.ID{}, fmt.Errorf("enqueue %s once for key %q: %w", n.name, *n.uniqueKey, err)
	}
	if inserted == 1 {
		q.wakeAfter(tx)
		return n.id, nil
	}
	var existing uuid.UUID
	err = postgres.QueryRow(tx, `select id from task.task where name = $1 and tenant_id is not distinct from $2 and unique_key = $3`, n.name, n.tenant, *n.uniqueKey).Scan(&existing)
	if err != nil {
		return contract.ID{}, fmt.Errorf("find the task that holds key %q of %s: %w", *n.uniqueKey, n.name, err)
	}
	return existing, nil
}

// wakeAfter rings the local relay once when tx has committed.
func (q *Queue) wakeAfter(tx *gorm.DB) {
	postgres.Local(tx, wakeKey{}, func() *struct{} {
		postgres.AfterCommit(tx, q.Wake)
		return &struct{}{}
	})
}
