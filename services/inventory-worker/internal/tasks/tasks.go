// Package tasks runs the tasks of inventory-worker, one file per task.
package tasks

import inventorypb "makola/proto/makola/inventory/v1"

// Inventory runs the tasks of the queue inventory. It is safe for concurrent use.
type Inventory struct {
	// Instance names this process.
	Instance string
}

var _ inventorypb.TasksHandler = (*Inventory)(nil)
