// Package contract is the seam between generated task stubs and the task engine (makola/pkg/task).
//
// It holds types only, so that the contracts module stays a leaf: a program may publish tasks or implement them
// knowing nothing but this package and the generated one. The engine implements Enqueuer and Registrar.
package contract

import (
	"context"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"
)

// ID identifies one task for its whole life: the primary key of its row, the id of its messages, and the address a client polls.
// It is a UUIDv7 for tasks born here; a task of a foreign publisher keeps the id it came with.
type ID = uuid.UUID

// Mode says how the worker runs a task; see the engine's documentation for what each promises.
type Mode int

const (
	// ModeShort runs one task in one transaction that also finishes its row. The handler may touch the database only.
	ModeShort Mode = iota + 1
	// ModeBatch runs everything the queue holds (up to Descriptor.BatchSize) in one transaction. The database only.
	ModeBatch
	// ModeLong runs without a transaction, guarded by a lease; for whatever waits for a network or a file.
	ModeLong
)

// String names the mode as the contracts do: SHORT, BATCH or LONG.
func (m Mode) String() string {
	switch m {
	case ModeShort:
		return "SHORT"
	case ModeBatch:
		return "BATCH"
	case ModeLong:
		return "LONG"
	default:
		return "UNKNOWN"
	}
}

// Descriptor is what a contract says about one task. Generated code declares one per method; nothing changes it afterwards.
type Descriptor struct {
	// Name is the task's name on the wire, for example "reports.generate_sales_report".
	Name string
	// Aliases are further names under which messages are accepted. They are never published.
	Aliases []string
	// Queue is the queue the task travels on; it is the part of Name before the first dot.
	Queue string
	// Mode decides which of the three handler shapes the task has.
	Mode Mode
	// Timeout bounds one attempt.
	Timeout time.Duration
	// CommitTimeout bounds the transaction that writes what a LONG task brought; zero means the engine's own bound.
	CommitTimeout time.Duration
	// MaxAttempts is how often the task may be tried in all, the first time included.
	MaxAttempts int
	// BackoffBase and BackoffCap bound the wait before attempt n+1: min(BackoffBase * 2^(n-1), BackoffCap), with jitter.
	BackoffBase, BackoffCap time.Duration
	// BatchSize is the most tasks one BATCH call receives; zero elsewhere.
	BatchSize int
	// NewArgs and NewResult make empty messages of the task's argument and result types.
	NewArgs, NewResult func() proto.Message
}

// Enqueuer inserts task rows. Implementations must refuse a tx that is not inside a transaction: a task is born with the change that causes it, or not at all.
type Enqueuer interface {
	Enqueue(ctx context.Context, tx *gorm.DB, d *Descriptor, args proto.Message, opts ...Option) (ID, error)
}

// Options are the per-call choices of an enqueue; the zero value means none. The engine offers constructors for each Option.
type Options struct {
	// UniqueKey, when set, makes a second enqueue of the same task with the same tenant and key return the first one's ID.
	UniqueKey string
	// Delay postpones the first attempt, measured by the database's clock. RunAt, when set, wins over Delay.
	Delay time.Duration
	RunAt time.Time
	// ExpiresAt cancels the task if it has not started by then.
	ExpiresAt time.Time
	// Tenant binds the task to a business when the transaction itself is not bound to exactly one.
	Tenant uuid.UUID
	// CreatedBy is the user on whose behalf the task runs.
	CreatedBy uuid.UUID
	// Parent and Root link the new task to its cause. A handler that is called for one task need not set them: the engine does.
	Parent, Root ID
	// ID fixes the new task's id, for callers that must know it before the transaction begins. Zero means a new UUIDv7.
	ID ID
}

// Option sets one of Options.
type Option func(*Options)

// Run is what a handler may know of the task it works for. A Run is valid only during its handler call and is safe for concurrent use.
type Run struct {
	// ID is the task's id; it is the natural idempotency key for effects outside the database.
	ID ID
	// Root is the task that began the chain of causes this task stands in; its own id when it began one.
	Root ID
	// Tenant is the business the task belongs to; uuid.Nil for platform tasks.
	Tenant uuid.UUID
	// Attempt counts from 1.
	Attempt int
	// MaxAttempts is the attempt after which a retryable error becomes final.
	MaxAttempts int
	// CreatedAt is when the task was accepted.
	CreatedAt time.Time
	// Slot is the beginning of the schedule's slot that the run stands for, in UTC. Zero for tasks that no schedule asked for.
	Slot time.Time
	// Progress records how far the work has come, for whoever polls the task. LONG handlers only; it never blocks. Nil elsewhere.
	Progress func(done, total int64, note string)
}

// Commit is the second half of a LONG handler: it runs inside the transaction that finishes the task, and is the handler's only chance to write.
type Commit[R proto.Message] func(tx *gorm.DB) (R, error)

// Item is one task of a BATCH call. The handler sets Result or Err on each; an item left with neither succeeds with an empty result.
type Item[A, R proto.Message] struct {
	Run  Run
	Args A

	Result R
	// Err fails this item alone. Its neighbours' writes are kept, so the handler must not have written anything for this item.
	Err error
}

// AnyItem is an Item whose types are known only to the generated code around it.
type AnyItem struct {
	Run    Run
	Args   proto.Message
	Result proto.Message
	Err    error
}

// Handler is one registered task with its types erased. Exactly one of the three functions is set, the one its Mode names.
type Handler struct {
	Descriptor *Descriptor
	Short      func(ctx context.Context, tx *gorm.DB, args proto.Message) (proto.Message, error)
	Batch      func(ctx context.Context, tx *gorm.DB, items []*AnyItem) error
	Long       func(ctx context.Context, run Run, args proto.Message) (func(tx *gorm.DB) (proto.Message, error), error)
}

// Registrar collects handlers. Registering a name or alias twice is a programmer's mistake and panics.
type Registrar interface {
	Register(h Handler)
}
