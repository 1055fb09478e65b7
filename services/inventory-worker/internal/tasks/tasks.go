// Package tasks runs the tasks of inventory-worker, one file per task. The rules are in pkg/inventory and pkg/sales; here is what becomes of a task.
package tasks

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	inventorypb "makola/proto/makola/inventory/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	salespb "makola/proto/makola/sales/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// Inventory runs the tasks of the queue inventory. It is safe for concurrent use.
type Inventory struct {
	// Instance names this process.
	Instance string
	// Tasks and Mail enqueue what follows.
	Tasks *inventorypb.Tasks
	Mail  *notificationspb.Tasks
	// Webhooks enqueues what the programs of businesses are told.
	Webhooks *webhookspb.Tasks
	// Bell tells the gateways that there are notices.
	Bell *task.Queue
	// Imports is what the imports of products and of stock need.
	Imports *Imports
}

// Sales runs the tasks of the queue sales. It is safe for concurrent use.
type Sales struct {
	// Tasks enqueues what follows.
	Tasks *salespb.Tasks
	// Imports is what the import of customers needs.
	Imports *Imports
}

var (
	_ inventorypb.TasksHandler = (*Inventory)(nil)
	_ salespb.TasksHandler     = (*Sales)(nil)
)

// statuses that several tasks answer with.
const (
	fannedOut   = "fanned_out"
	inactive    = "inactive"
	sent        = "sent"
	noRecipient = "no_recipient"
)

// forBusiness works for the business that the arguments name. A task of a business works for that one and for no other; a platform task, such as an old publisher's, is
// bound to it here. active is false for a business that does not take part any more: its tasks do nothing.
func forBusiness(ctx context.Context, tx *gorm.DB, business string) (_ context.Context, _ *gorm.DB, id uuid.UUID, active bool, err error) {
	id, err = uuid.Parse(business)
	if err != nil {
		return ctx, tx, id, false, task.Permanent(errors.New("business_id is not a UUID"))
	}
	own, ok := tenant.From(ctx)
	switch {
	case ok && own != id:
		return ctx, tx, id, false, task.Permanent(errors.New("business_id is not the task's business"))
	case !ok:
		if err := postgres.BindTenants(tx, []uuid.UUID{id}); err != nil {
			return ctx, tx, id, false, err
		}
		ctx = tenant.With(ctx, id)
	}
	tx = tx.WithContext(ctx)
	active, err = task.TenantActive(ctx, tx)
	return ctx, tx, id, active, err
}

// forAll reports whether a task without business_id is the sweep that becomes one task per business. A business's own task has to name it.
func forAll(ctx context.Context, business *string) (bool, error) {
	if business != nil {
		return false, nil
	}
	if _, ok := tenant.From(ctx); ok {
		return false, task.Permanent(errors.New("business_id is required in a task of a business"))
	}
	return true, nil
}
