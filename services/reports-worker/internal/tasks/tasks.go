// Package tasks runs the tasks of reports-worker, one file per task. What a report says, and what becomes of it, is in pkg/reporting.
package tasks

import (
	"makola/pkg/postgres"
	"makola/pkg/storage"
	"makola/pkg/task"
	notificationspb "makola/proto/makola/notifications/v1"
	reportspb "makola/proto/makola/reports/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// Reports runs the tasks of the queue reports. It is safe for concurrent use.
type Reports struct {
	// Instance names this process.
	Instance string
	// DB is where reports are recorded. Read is where they are read from, a snapshot each; nil is DB as well.
	DB, Read *postgres.DB
	// Files is where reports are kept.
	Files *storage.Files
	// Webhooks enqueues what the programs of businesses are told.
	Webhooks *webhookspb.Tasks
	// Mail enqueues mails, and Bell tells the gateways that there are notices.
	Mail *notificationspb.Tasks
	Bell *task.Queue
	// Tasks enqueues tasks of this queue: a sweep's, one for each schedule or business.
	Tasks *reportspb.Tasks
}

var _ reportspb.TasksHandler = (*Reports)(nil)
