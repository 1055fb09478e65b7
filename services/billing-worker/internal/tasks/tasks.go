// Package tasks runs the tasks of billing-worker, one file per task. The rules are in pkg/billing; here is what becomes of a task.
package tasks

import (
	"time"

	"makola/pkg/assist"
	"makola/pkg/payments"
	"makola/pkg/postgres"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
)

// defaultProvider is meant by a message that names none, as the Django application's do.
const defaultProvider = "paystack"

// AIFeatures runs the tasks of the queue ai_features. It is safe for concurrent use.
type AIFeatures struct {
	// DB is for LONG tasks, which begin their own short transactions.
	DB *postgres.DB
	// Providers are the configured payment providers by name.
	Providers map[string]payments.Provider
	// Policy says whether a signed webhook is evidence enough. The zero policy is payments.VerifyEvidence.
	Policy payments.VerifyPolicy
	// Tasks and Mail enqueue what follows; Subscriptions takes over what is about the other product.
	Tasks         *aifeatures.Tasks
	Mail          *notificationspb.Tasks
	Subscriptions *subscriptionspb.Tasks
	// Webhooks enqueues what the programs of businesses are told.
	Webhooks *webhookspb.Tasks
	// Bell rings for whoever watches the notices of a business. Nil rings for nobody.
	Bell *task.Queue
	// PlatformEmail is told of each payment that waits for a person, and of providers that are down. Empty is nobody.
	PlatformEmail string
	// Assist answers questions and describes products, on Lanes.
	Assist *assist.Model
	Lanes  *Lanes
}

// Subscriptions runs the tasks of the queue subscriptions. It is safe for concurrent use.
type Subscriptions struct {
	// DB, Providers and Policy are as for AIFeatures.
	DB        *postgres.DB
	Providers map[string]payments.Provider
	Policy    payments.VerifyPolicy
	// Tasks and Mail enqueue what follows; Credits takes over what is about the other product.
	Tasks   *subscriptionspb.Tasks
	Mail    *notificationspb.Tasks
	Credits *aifeatures.Tasks
	// Webhooks, Bell and PlatformEmail are as for AIFeatures.
	Webhooks      *webhookspb.Tasks
	Bell          *task.Queue
	PlatformEmail string
	// Now is the clock that periods are held against; nil is the machine's. A test of a year does not take one.
	Now func() time.Time
}

var (
	_ aifeatures.TasksHandler      = (*AIFeatures)(nil)
	_ subscriptionspb.TasksHandler = (*Subscriptions)(nil)
)
