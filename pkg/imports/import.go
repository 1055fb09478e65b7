package imports

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
	"makola/pkg/problem"
	"makola/pkg/tabular"
	"makola/pkg/task"
	"makola/pkg/tenant"
)

// Kind is what a file's rows are.
type Kind string

// The kinds.
const (
	Products     Kind = "PRODUCTS"
	Customers    Kind = "CUSTOMERS"
	OpeningStock Kind = "OPENING_STOCK"
)

// What may become of a file with faults, and of rows that name something that is there already.
const (
	Abort  = "ABORT"
	Skip   = "SKIP"
	Refuse = "FAULT"
	Update = "UPDATE"
)

// Status is how an import stands by its own row. Its task knows more while it is Pending.
type Status string

// The statuses.
const (
	Pending   Status = "PENDING"
	Completed Status = "COMPLETED"
	Rejected  Status = "REJECTED"
	Checked   Status = "CHECKED"
)

// MostUnderWay is how many imports of one business may be under way at once: their writes take turns anyway.
const MostUnderWay = 3

// FilePurpose begins the keys of uploaded files, and FileLife is how long they are kept. Life is how long an import is, with its faults: the policy of its table says the same.
const (
	FilePurpose = "imports"
	FileLife    = 7 * 24 * time.Hour
	Life        = 180 * 24 * time.Hour
)

// pruneBatch is how many imports one Prune deletes at most. Each has up to MaxFaults faults.
const pruneBatch = 1000

var (
	// ErrNotFound reports an import that does not exist, or is another business's.
	ErrNotFound = problem.New(problem.NotFound, "import_not_found", "There is no such import.")
	// ErrTooMany reports a business with as many imports under way as it may have.
	ErrTooMany = problem.Later(problem.Conflict, "imports_under_way", "Other imports are under way. Wait until one of them has ended.", 10*time.Second)
)

// Import is one uploaded file.
type Import struct {
	ID                  uuid.UUID
	Kind                Kind
	OnError, OnExisting string
	// Location is where opening stock lies; the zero id for other kinds.
	Location uuid.UUID
	DryRun   bool
	FileName string
	FileKey  string
	FileSize int64
	// SHA256 is of the file, in hexadecimal digits.
	SHA256    string
	Task      uuid.UUID
	CreatedBy uuid.UUID
	Actor     string
	CreatedAt time.Time
	Status    Status
	Format    string
	Ignored   []string

	Rows, Created, Updated, Skipped, Faults int64
	FinishedAt                              *time.Time

	// TaskState, TaskError and Progress are the task's; empty once the task is forgotten.
	TaskState task.State
	TaskError string
	Progress  *task.Progress
}

const columns = `i.id, i.kind, i.on_error, i.on_existing, i.location_id, i.dry_run, i.file_name, i.file_key, i.file_size, i.file_sha256, i.task_id, i.created_by, i.actor, i.created_at,
	i.status, i.format, i.ignored, i.rows, i.created, i.updated, i.skipped, i.faults, i.finished_at, coalesce(t.state, ''), coalesce(t.error, ''), t.progress`

// from joins the task, which says how an import that is pending fares.
const from = ` from imports.import i left join task.task t on t.id = i.task_id `

func list(tx *gorm.DB, what, query string, args ...any) (all []*Import, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			i := &Import{}
			var location uuid.NullUUID
			var progress []byte
			if err := rows.Scan(&i.ID, &i.Kind, &i.OnError, &i.OnExisting, &location, &i.DryRun, &i.FileName, &i.FileKey, &i.FileSize, &i.SHA256, &i.Task, &i.CreatedBy, &i.Actor, &i.CreatedAt,
				&i.Status, &i.Format, &i.Ignored, &i.Rows, &i.Created, &i.Updated, &i.Skipped, &i.Faults, &i.FinishedAt, &i.TaskState, &i.TaskError, &progress); err != nil {
				return err
			}
			if len(progress) > 0 {
				if err := json.Unmarshal(progress, &i.Progress); err != nil {
					return fmt.Errorf("read progress of import %s: %w", i.ID, err)
				}
			}
			i.Location = location.UUID
			all = append(all, i)
		}
		return rows.Err()
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return all, nil
}

// ByID returns an import of the business that tx is bound to. Errors: ErrNotFound.
func ByID(tx *gorm.DB, id uuid.UUID) (*Import, error) {
	return one(tx, `select `+columns+from+`where i.id = $1`, id)
}

func one(tx *gorm.DB, query string, args ...any) (*Import, error) {
	found, err := list(tx, "read import", query, args...)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return found[0], nil
}

// List pages through the imports of the business that tx is bound to, newest first, from before the import with that id on.
func List(tx *gorm.DB, before uuid.UUID, limit int) ([]*Import, error) {
	return list(tx, "list imports", `select `+columns+from+`where i.tenant_id = any ((select app.tenants())::uuid[]) and ($1::uuid is null or i.id < $1) order by i.id desc limit $2`,
		nonZero(before), limit)
}

// underWaySQL finds the imports that have not ended and whose task has not either.
const underWaySQL = from + `where i.tenant_id = $1 and i.status = 'PENDING' and t.state in ('pending', 'published', 'running')`

// Room refuses when the business that tx is bound to has as many imports under way as it may have. Errors: ErrTooMany.
func Room(tx *gorm.DB) error {
	owner, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return postgres.ErrNoTenant
	}
	var n int
	if err := postgres.QueryRow(tx, `select count(*)`+underWaySQL, owner).Scan(&n); err != nil {
		return fmt.Errorf("count imports under way: %w", err)
	}
	if n >= MostUnderWay {
		return ErrTooMany
	}
	return nil
}

// Create records an import whose file is stored, with the task that works on it. The same file for the same purpose while the first is under way is the first: same is then
// that import, nothing is recorded, and begin is not called. begin enqueues the task and returns its id. Errors: ErrTooMany; whatever begin returns.
func Create(tx *gorm.DB, who audit.Entry, i Import, begin func() (uuid.UUID, error)) (made *Import, same bool, err error) {
	// Two of them take turns, so that each sees the other.
	if _, err := postgres.Exec(tx, `select pg_advisory_xact_lock(hashtextextended('imports.create ' || $1::uuid::text, 0))`, who.Tenant); err != nil {
		return nil, false, fmt.Errorf("take turns creating imports: %w", err)
	}
	first, err := one(tx, `select `+columns+underWaySQL+` and i.file_sha256 = $2 and i.kind = $3 and i.on_error = $4 and i.on_existing = $5 and i.location_id is not distinct from $6 and i.dry_run = $7
		order by i.id limit 1`, who.Tenant, i.SHA256, i.Kind, i.OnError, i.OnExisting, nonZero(i.Location), i.DryRun)
	if !errors.Is(err, ErrNotFound) {
		return first, err == nil, err
	}
	if err := Room(tx); err != nil {
		return nil, false, err
	}
	if i.Task, err = begin(); err != nil {
		return nil, false, err
	}
	_, err = postgres.Exec(tx, `
		insert into imports.import (id, tenant_id, kind, on_error, on_existing, location_id, dry_run, file_name, file_key, file_size, file_sha256, task_id, created_by, actor)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		i.ID, who.Tenant, i.Kind, i.OnError, i.OnExisting, nonZero(i.Location), i.DryRun, clip(i.FileName, 200), i.FileKey, i.FileSize, i.SHA256, i.Task, who.User, who.Actor)
	if err != nil {
		return nil, false, fmt.Errorf("record import: %w", err)
	}
	made, err = ByID(tx, i.ID)
	return made, false, err
}

// Lock returns an import that nobody else ends before tx does, and keeps the business's other imports from writing until then: two that write the same rows in different
// orders would wait for each other in a circle. Errors: ErrNotFound.
func Lock(tx *gorm.DB, id uuid.UUID) (*Import, error) {
	owner, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return nil, postgres.ErrNoTenant
	}
	if _, err := postgres.Exec(tx, `select pg_advisory_xact_lock(hashtextextended('imports.write ' || $1::uuid::text, 0))`, owner); err != nil {
		return nil, fmt.Errorf("take turns writing imports: %w", err)
	}
	return one(tx, `select `+columns+from+`where i.id = $1 for update of i`, id)
}

// Finish records what became of an import that Lock has found pending, with its faults, and writes the business's log.
func Finish(tx *gorm.DB, i *Import, status Status, out *Outcome) error {
	owner, ok := tenant.From(tx.Statement.Context)
	if !ok {
		return postgres.ErrNoTenant
	}
	ignored := make([]string, 0, min(len(out.Ignored), 20))
	for _, title := range out.Ignored[:min(len(out.Ignored), 20)] {
		ignored = append(ignored, clip(title, 100))
	}
	n, err := postgres.Exec(tx, `update imports.import set status = $3, format = $4, ignored = $5, rows = $6, created = $7, updated = $8, skipped = $9, faults = $10, finished_at = clock_timestamp()
		where tenant_id = $1 and id = $2 and status = 'PENDING'`, owner, i.ID, status, clip(out.Format, 200), ignored, out.Rows, out.Created, out.Updated, out.Skipped, out.Faults)
	if err != nil {
		return fmt.Errorf("finish import: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("finish import %s: it has ended before", i.ID)
	}
	var at, lines []int32
	var titles, values, reasons []string
	for k, f := range out.Kept {
		at, lines = append(at, int32(k+1)), append(lines, int32(f.Line))
		titles, values, reasons = append(titles, clip(f.Column, 200)), append(values, clip(f.Value, 100)), append(reasons, clip(f.Reason, 500))
	}
	_, err = postgres.Exec(tx, `insert into imports.fault (tenant_id, import_id, n, line, "column", value, reason)
		select $1, $2, f.n, f.line, f.title, f.value, f.reason from unnest($3::int[], $4::int[], $5::text[], $6::text[], $7::text[]) as f (n, line, title, value, reason)`,
		owner, i.ID, at, lines, titles, values, reasons)
	if err != nil {
		return fmt.Errorf("record faults of import: %w", err)
	}
	return audit.Record(tx, audit.Entry{
		Tenant: owner, User: i.CreatedBy, Actor: i.Actor, Action: "import." + strings.ToLower(string(status)), Entity: "import", EntityID: i.ID.String(),
		Changes: map[string]any{"kind": i.Kind, "file": i.FileName, "rows": out.Rows, "created": out.Created, "updated": out.Updated, "skipped": out.Skipped, "faults": out.Faults},
	})
}

// Prune deletes imports of all businesses whose time is over, the oldest first, with their faults, and returns how many those were. tx must be a platform transaction.
func Prune(tx *gorm.DB) (int64, error) {
	n, err := postgres.Exec(tx, `delete from imports.import where id in (select id from imports.import where created_at < now() - $1::interval order by created_at limit $2)`, Life, pruneBatch)
	if err != nil {
		return 0, fmt.Errorf("delete old imports: %w", err)
	}
	return n, nil
}

// Faults returns the first faults of an import, by line.
func Faults(tx *gorm.DB, id uuid.UUID, limit int) (all []tabular.Error, err error) {
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var f tabular.Error
			if err := rows.Scan(&f.Line, &f.Column, &f.Value, &f.Reason); err != nil {
				return err
			}
			all = append(all, f)
		}
		return rows.Err()
	}, `select line, "column", value, reason from imports.fault where import_id = $1 order by n limit $2`, id, limit)
	if err != nil {
		return nil, fmt.Errorf("read faults of import: %w", err)
	}
	return all, nil
}

// clip is at most so many characters of a text that PostgreSQL can hold.
func clip(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most-1]) + "…"
	}
	return s
}

func nonZero(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
