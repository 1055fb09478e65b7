// Package tasks runs the tasks of inventory-worker, one file per task. The rules are in pkg/inventory and pkg/sales; here is what becomes of a task.
package tasks

import (
	"context"
	"errors"

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
