// Package tasks runs the tasks of reports-worker, one file per task.
package tasks

import reportspb "makola/proto/makola/reports/v1"

// Reports runs the tasks of the queue reports. It is safe for concurrent use.
type Reports struct {
	// Instance names this process.
	Instance string
}

var _ reportspb.TasksHandler = (*Reports)(nil)
