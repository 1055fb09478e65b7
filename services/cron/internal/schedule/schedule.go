// Package schedule turns a table of jobs into tasks, once per job and slot.
//
// Time is cut into slots: a job's slot begins every Every, shifted by Offset from the epoch, in UTC. Every replica of cron reads the database's
// clock, computes which slots are due, and inserts the run's row and the task in one transaction. The row's key (job, slot) is the fence: of
// any number of replicas one inserts it. No leader is needed.
package schedule

import (
	"encoding/json"
	"time"

	"makola/pkg/cron"
)

// Missed says what becomes of slots that passed while no cron ran.
type Missed = cron.Missed

// Overlap says what happens when a job's slot begins while its previous run is unfinished.
type Overlap = cron.Overlap

// The policies, as the table has them; see package cron.
const (
	Once   = cron.Once
	Skip   = cron.Skip
	All    = cron.All
	Forbid = cron.Forbid
	Allow  = cron.Allow
)

// Entry is one line of the table.
type Entry struct {
	// Name is the job's name: the key of its runs, so it is never changed and never used again for another job.
	Name string
	// Task is the canonical name of the task that a run enqueues.
	Task string
	// Args is the task's arguments as a JSON object; empty means none.
	Args string
	// Every is the length of a slot. Offset shifts the slots from midnight (for a week: from Thursday, the epoch's day), in UTC,
	// which is the time zone of most businesses, Africa/Accra, all year. For a business elsewhere it is another time of day: a task that means seven o'clock at
	// every shop fans out with task.EachDayAt or task.EachWeekAt, and then Every must be a day or a week.
	Every, Offset time.Duration
	// Expression, instead of Every, names the dates of the slots and their time of day, such as "30 2 1 * *", by the clock of Zone: see cron.Timing.
	Expression, Zone string
	Missed           Missed
	Overlap          Overlap
	// Waits is true while nothing implements the task: the entry is not run. It must become false when the contract declares the task; Check insists.
	Waits bool
}

const (
	day = 24 * time.Hour
	// sevenOClock lets a mail about the day arrive before the shop opens.
	sevenOClock = 7 * time.Hour
	// accra is the zone of most businesses, and of dates that are the platform's own.
	accra = "Africa/Accra"
)

// timing is when the entry's slots begin.
func (e Entry) timing() cron.Timing {
	return cron.Timing{Every: e.Every, Offset: e.Offset, Expression: e.Expression, Zone: e.Zone}
}

// definition is the entry as operators see it.
func (e Entry) definition() cron.Definition {
	return cron.Definition{Name: e.Name, Task: e.Task, Args: json.RawMessage(e.Args), Timing: e.timing(), Missed: e.Missed, Overlap: e.Overlap, Waits: e.Waits}
}

// Table returns the schedule: every job there is.
func Table() []Entry {
	return []Entry{
		// The fourteen jobs that the Django application scheduled, with its intervals.
		{Name: "cleanup-inactive-users", Task: "accounts.cleanup_inactive_users", Every: day},
		{Name: "generate-user-activity-report", Task: "accounts.generate_user_activity_report", Expression: "0 7 * * MON", Zone: accra},
		{Name: "check-subscription-renewals", Task: "accounts.check_subscription_renewals", Every: time.Hour},
		{Name: "check-stock-alerts", Task: "inventory.check_stock_levels", Every: 30 * time.Minute, Missed: Skip},
		{Name: "release-expired-stock-reservations", Task: "sales.release_expired_reservations", Every: 15 * time.Minute, Missed: Skip},
		{Name: "cleanup-expired-ai-transactions", Task: "ai_features.cleanup_expired_ai_transactions", Every: 2 * time.Hour},
		{Name: "check-low-ai-credits", Task: "ai_features.check_low_ai_credits", Every: 6 * time.Hour},
		{Name: "cleanup-expired-subscriptions", Task: "subscriptions.cleanup_expired_subscriptions", Every: day},
		{Name: "cleanup-expired-stock-reservations", Task: "sales.cleanup_expired_stock_reservations", Every: 15 * time.Minute, Missed: Skip},
		{Name: "check-payment-gateway-health", Task: "subscriptions.check_payment_gateway_health", Every: 5 * time.Minute, Missed: Skip},
		{Name: "send-subscription-expiry-reminders", Task: "subscriptions.send_subscription_expiry_reminders", Every: day, Offset: sevenOClock},
		{Name: "send-low-stock-alerts", Task: "inventory.send_low_stock_alert", Every: 6 * time.Hour},
		{Name: "check-expiring-products", Task: "inventory.check_expiring_products", Every: day, Offset: sevenOClock},
		{Name: "send-stock-movement-report", Task: "inventory.send_stock_movement_report", Expression: "0 7 * * MON", Zone: accra},

		// Jobs that Makola adds.
		{Name: "expire-invitations", Task: "accounts.expire_invitations", Every: day},
		{Name: "reconcile-payments", Task: "ai_features.reconcile_payments", Every: 10 * time.Minute, Missed: Skip},
		{Name: "reconcile-subscription-payments", Task: "subscriptions.reconcile_payments", Every: 10 * time.Minute, Offset: 5 * time.Minute, Missed: Skip},
		{Name: "check-trial-expirations", Task: "subscriptions.check_trial_expirations", Every: day, Offset: sevenOClock},
		{Name: "process-trial-expirations", Task: "subscriptions.process_trial_expirations", Every: time.Hour},
		{Name: "process-auto-renewals", Task: "subscriptions.process_auto_renewals", Every: day, Offset: 6 * time.Hour},
		{Name: "generate-monthly-invoices", Task: "subscriptions.generate_monthly_invoices", Every: day, Offset: 6*time.Hour + 20*time.Minute},
		{Name: "send-payment-reminders", Task: "subscriptions.send_payment_reminders", Every: day, Offset: sevenOClock},
		{Name: "check-usage-limits", Task: "subscriptions.check_usage_limits", Every: time.Hour, Offset: 10 * time.Minute, Missed: Skip},
		{Name: "cleanup-old-webhook-events", Task: "subscriptions.cleanup_old_webhook_events", Expression: "0 3 * * MON", Zone: accra},
		{Name: "compare-payments", Task: "ai_features.compare_payments", Every: day, Offset: 2 * time.Hour},
		{Name: "expire-credits", Task: "ai_features.expire_credits", Every: day, Offset: 5 * time.Minute},
		{Name: "verify-ledger", Task: "ai_features.verify_ledger", Every: day, Offset: 3 * time.Hour},
		{Name: "verify-stock", Task: "inventory.verify_stock", Every: day, Offset: 3*time.Hour + 20*time.Minute},
		{Name: "delete-import-files", Task: "inventory.delete_import_files", Every: day, Offset: 4 * time.Hour},
		{Name: "verify-receivables", Task: "sales.verify_receivables", Every: day, Offset: 3*time.Hour + 40*time.Minute},
		{Name: "cleanup-old-exports", Task: "reports.cleanup_old_exports", Every: day, Offset: 4 * time.Hour},
		{Name: "run-scheduled-exports", Task: "reports.check_and_run_scheduled_exports", Every: 5 * time.Minute, Missed: Skip},
		{Name: "retry-failed-exports", Task: "reports.retry_failed_exports", Every: time.Hour, Offset: 30 * time.Minute, Missed: Skip},
		{Name: "send-export-summary", Task: "reports.send_export_summary_report", Expression: "0 7 * * MON", Zone: accra},
	}
}
