package task

import (
	"time"

	"github.com/google/uuid"

	"makola/proto/contract"
)

// Unique makes the enqueue idempotent: a second one of the same task, tenant and key returns the first one's id and inserts nothing, however the first one ended.
// The key lives as long as the row (see Prune).
func Unique(key string) contract.Option { return func(o *contract.Options) { o.UniqueKey = key } }

// Delay postpones the first attempt by d, measured by the database's clock.
func Delay(d time.Duration) contract.Option { return func(o *contract.Options) { o.Delay = d } }

// RunAt postpones the first attempt until t.
func RunAt(t time.Time) contract.Option { return func(o *contract.Options) { o.RunAt = t } }

// ExpiresAt cancels the task if it has not started by t.
func ExpiresAt(t time.Time) contract.Option { return func(o *contract.Options) { o.ExpiresAt = t } }

// ForTenant binds the task to a business. Without it the context's tenant is taken (tenant.From), if there is one.
func ForTenant(id uuid.UUID) contract.Option { return func(o *contract.Options) { o.Tenant = id } }

// CreatedBy records the user on whose behalf the task runs.
func CreatedBy(user uuid.UUID) contract.Option {
	return func(o *contract.Options) { o.CreatedBy = user }
}

// CausedBy links the new task to the one that run belongs to. BATCH handlers say it, because their context stands for many tasks.
func CausedBy(run contract.Run) contract.Option {
	return func(o *contract.Options) { o.Parent, o.Root = run.ID, run.Root }
}

// WithID fixes the new task's id.
func WithID(id uuid.UUID) contract.Option { return func(o *contract.Options) { o.ID = id } }
