package schedule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheShippedTableIsSound(t *testing.T) {
	t.Parallel()
	jobs, err := Check(Table(), Catalogue())
	require.NoError(t, err)
	active := map[string]bool{}
	for _, j := range jobs {
		active[j.Name] = true
	}
	added := []string{"reconcile-payments", "reconcile-subscription-payments", "compare-payments", "expire-credits", "verify-ledger", "expire-invitations", "verify-stock", "verify-receivables", "delete-import-files", "cleanup-old-exports", "run-scheduled-exports", "retry-failed-exports", "send-export-summary",
		"check-trial-expirations", "process-trial-expirations", "process-auto-renewals", "generate-monthly-invoices",
		"send-payment-reminders", "check-usage-limits", "cleanup-old-webhook-events"}
	require.Len(t, Waiting(Table()), len(Table())-len(jobs))
	intervals := map[string]time.Duration{}
	for _, e := range Table() {
		intervals[e.Name] = e.Every
		if e.Expression != "" { // as the interval that it stands for
			intervals[e.Name] = e.Next(e.Next(start)).Sub(e.Next(start))
		}
		require.Equal(t, e.Waits, !active[e.Name], e.Name)
	}
	for _, name := range added {
		require.True(t, active[name], name)
		delete(intervals, name)
	}
	require.Equal(t, map[string]time.Duration{
		"cleanup-inactive-users": 86400 * time.Second, "generate-user-activity-report": 604800 * time.Second,
		"check-subscription-renewals": 3600 * time.Second, "check-stock-alerts": 1800 * time.Second,
		"release-expired-stock-reservations": 900 * time.Second, "cleanup-expired-ai-transactions": 7200 * time.Second,
		"check-low-ai-credits": 21600 * time.Second, "cleanup-expired-subscriptions": 86400 * time.Second,
		"cleanup-expired-stock-reservations": 900 * time.Second, "check-payment-gateway-health": 300 * time.Second,
		"send-subscription-expiry-reminders": 86400 * time.Second, "send-low-stock-alerts": 21600 * time.Second,
		"check-expiring-products": 86400 * time.Second, "send-stock-movement-report": 604800 * time.Second,
	}, intervals, "the fourteen intervals of the Django application")
}

func TestAFaultyTableIsRefused(t *testing.T) {
	t.Parallel()
	good := Entry{Name: "a", Task: "accounts.send_welcome_email", Args: `{"user_id": "x"}`, Every: time.Hour}
	with := func(change func(*Entry)) []Entry {
		e := good
		change(&e)
		return []Entry{e}
	}
	tests := map[string]struct {
		table []Entry
		want  string
	}{
		"an unknown task":                  {with(func(e *Entry) { e.Task = "accounts.no_such" }), `job "a": no contract declares task "accounts.no_such"`},
		"a test's task":                    {with(func(e *Entry) { e.Task = "selftest.noop" }), `no contract declares task "selftest.noop"`},
		"an unknown argument":              {with(func(e *Entry) { e.Args = `{"user": "x"}` }), `do not fit task "accounts.send_welcome_email"`},
		"an argument of the wrong type":    {with(func(e *Entry) { e.Args = `{"user_id": 7}` }), `do not fit`},
		"an argument that is missing":      {with(func(e *Entry) { e.Args = "" }), `job "a": task "accounts.send_welcome_email" needs the argument user_id`},
		"an argument that is null":         {with(func(e *Entry) { e.Args = `{"user_id": null}` }), `needs the argument user_id`},
		"arguments that are no object":     {with(func(e *Entry) { e.Args = `[` }), `do not fit`},
		"a name twice":                     {[]Entry{good, good}, `job "a" is in the table twice`},
		"no name":                          {with(func(e *Entry) { e.Name = "" }), "it has no name"},
		"no interval":                      {with(func(e *Entry) { e.Every = 0 }), "make no sense"},
		"a name that is none":              {with(func(e *Entry) { e.Name = "A job" }), "its name is no name"},
		"an expression that is none":       {with(func(e *Entry) { e.Every, e.Expression, e.Zone = 0, "0 7 * *", accra }), `job "a": its expression "0 7 * *" is none`},
		"a zone that is none":              {with(func(e *Entry) { e.Every, e.Expression, e.Zone = 0, "0 7 * * *", "Accra" }), `its zone "Accra" does not exist`},
		"an interval and an expression":    {with(func(e *Entry) { e.Expression, e.Zone = "0 7 * * *", accra }), "both an interval and an expression"},
		"a shift longer than the slot":     {with(func(e *Entry) { e.Offset = time.Hour }), "make no sense"},
		"waiting for a task that has come": {with(func(e *Entry) { e.Waits = true }), "exists now: delete Waits"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jobs, err := Check(tt.table, Catalogue())
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, jobs)
		})
	}
	_, err := Check(append(tests["an unknown task"].table, tests["no name"].table...), Catalogue())
	require.ErrorContains(t, err, "no_such")
	require.ErrorContains(t, err, "no name", "every fault is listed")
}
