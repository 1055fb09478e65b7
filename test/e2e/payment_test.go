package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
	"makola/test/stack"
)

// TestOnePaymentFromRegistrationToReceipt is the product in one story.
func TestOnePaymentFromRegistrationToReceipt(t *testing.T) {
	t.Parallel()
	h := open(t, append(standIns, services...)...)

	ama := h.register()
	require.Equal(t, ama.Email, ama.get("/api/v1/auth/me").at("user", "email"))
	require.Equal(t, "50.00", ama.balance(), "the trial's credits")
	h.letter(ama.Email, "Welcome")

	packages, _ := ama.get("/api/v1/ai/credits/packages").at("items").([]any)
	require.Len(t, packages, 3)

	reference, page := ama.buy("value")
	require.Equal(t, http.StatusOK, call(t, http.MethodGet, page, nil).Status, "the page to pay on")
	h.press(page, "pay")
	ama.eventually(reference, "completed")
	require.Equal(t, "150.00", ama.balance(), "50 of the trial, 80 bought, 20 for free")

	entries, _ := ama.get("/api/v1/ai/credits/ledger").at("items").([]any)
	var deltas []string
	for _, e := range entries {
		line, _ := e.(map[string]any)
		deltas = append(deltas, text(line["kind"])+" "+text(line["source"])+" "+text(line["delta"]))
	}
	require.ElementsMatch(t, []string{"trial TRIAL 50.00", "purchase PURCHASE 80.00", "purchase BONUS 20.00"}, deltas)

	receipt := h.letter(ama.Email, reference)
	require.Contains(t, receipt.Text, "96.00")
	require.Contains(t, receipt.HTML, "96.00")
	stack.Eventually(t, "every task is finished", func() bool { return h.count("select count(*) from task.task where state not in ('succeeded')") == 0 })
	require.Equal(t, 1, len(h.letters(ama.Email, reference)), "one receipt")
	require.Equal(t, 1, len(h.letters(ama.Email, "Welcome")), "one welcome")
	for _, name := range []string{"api-gateway", "billing-worker"} {
		stack.Eventually(t, name+" shows the provider's breaker", func() bool {
			metrics := call(t, http.MethodGet, "http://"+h.processes[name].Admin+"/metrics", nil).Text
			return strings.Contains(metrics, "makola_payment_provider_breaker{provider=\"paystack\"} 0\n")
		})
	}
	h.requireBooks()
}

// requireBooks fails the test unless the ledger agrees with itself.
func (h *house) requireBooks() {
	h.t.Helper()
	require.NoError(h.t, h.DB.Open("makola_operator").InSystem(context.WithoutCancel(h.t.Context()), func(tx *gorm.DB) error {
		faults, err := billing.VerifyLedger(tx)
		require.Empty(h.t, faults)
		return err
	}))
}

// TestWhatCustomersAndProvidersDo tries the other buttons of the checkout page, and what no page offers.
func TestWhatCustomersAndProvidersDo(t *testing.T) {
	t.Parallel()
	h := open(t, "paystack-simulator", "mail-viewer", "api-gateway", "billing-worker", "notifier")
	t.Cleanup(h.requireBooks)

	t.Run("paying twice credits once", func(t *testing.T) {
		t.Parallel()
		h := h.in(t)
		ama := h.register()
		reference, page := ama.buy("starter")
		h.press(page, "twice")
		ama.eventually(reference, "completed")
		stack.Eventually(t, "both webhooks are delivered", func() bool {
			return strings.Count(call(t, http.MethodGet, "http://"+h.Simulator+"/_control/deliveries", nil).Text, `"reference":"`+reference+`"`) == 2
		})
		require.Equal(t, "80.00", ama.balance())
		require.Equal(t, 1, h.count("select count(*) from billing.ledger_transfer where tenant_id = $1 and kind = 'purchase'", ama.ID))
	})

	t.Run("a declined payment leaves the purchase payable", func(t *testing.T) {
		t.Parallel()
		h := h.in(t)
		ama := h.register()
		reference, page := ama.buy("starter")
		h.press(page, "fail")
		require.Equal(t, "pending", ama.status(reference))
		h.press(page, "pay")
		ama.eventually(reference, "completed")
		require.Equal(t, "80.00", ama.balance())
	})

	t.Run("a lost webhook is found by the reconciler", func(t *testing.T) {
		t.Parallel()
		h := h.in(t)
		ama := h.register()
		reference, page := ama.buy("starter")
		h.press(page, "lose")
		require.Equal(t, "pending", ama.status(reference))
		// The reconciler waits ten minutes before it asks; the purchase is made that old.
		_, err := h.look.Exec(t.Context(), "update billing.credit_purchase set created_at = created_at - interval '11 minutes' where reference = $1", reference)
		require.NoError(t, err)
		h.reconcile()
		ama.eventually(reference, "completed")
		require.Equal(t, "80.00", ama.balance())
		h.letter(ama.Email, reference)
	})

	for _, mode := range []string{"wrong_amount", "wrong_currency"} {
		t.Run(mode+" goes to review and credits nothing", func(t *testing.T) {
			t.Parallel()
			h := h.in(t)
			ama := h.register()
			reference, _ := ama.buy("starter")
			h.play(reference, mode)
			ama.eventually(reference, "review")
			require.Equal(t, "50.00", ama.balance())
			require.Equal(t, 1, h.count("select count(*) from billing.payment_review where reference = $1", reference))
		})
	}

	t.Run("a payment for a reference that nobody knows is kept and tried again", func(t *testing.T) {
		t.Parallel()
		h := h.in(t)
		a := post(t, h, signed(t, billing.ReferencePrefix+"NOBODY", 3600))
		require.Equal(t, http.StatusOK, a.Status, a.Text)
		stack.Eventually(t, "it waits for its next attempt", func() bool {
			return h.count("select count(*) from task.task where args->>'payment_reference' = $1 and state = 'pending' and attempt > 1", billing.ReferencePrefix+"NOBODY") == 1
		})
	})
}

// reconcile enqueues the task that cron enqueues every ten minutes, as cron does.
func (h *house) reconcile() {
	h.t.Helper()
	db := h.DB.Open("makola_cron")
	tasks := aifeatures.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	require.NoError(h.t, db.InSystem(h.t.Context(), func(tx *gorm.DB) error {
		_, err := tasks.ReconcilePayments(h.t.Context(), tx, &aifeatures.ReconcilePaymentsArgs{})
		return err
	}))
}

// TestTaskStatus polls a task as the browser does.
func TestTaskStatus(t *testing.T) {
	t.Parallel()
	h := open(t, "paystack-simulator", "api-gateway", "billing-worker")
	ama, kofi := h.register(), h.register()
	reference, page := ama.buy("starter")
	h.press(page, "pay")
	ama.eventually(reference, "completed")

	var id uuid.UUID // of the receipt, which is the shop's own task
	stack.Eventually(t, "the receipt's task is finished", func() bool {
		return h.look.QueryRow(t.Context(), "select id from task.task where tenant_id = $1 and name = 'ai_features.send_credit_purchase_notification' and state = 'succeeded'", ama.ID).Scan(&id) == nil
	})
	for _, path := range []string{"/api/tasks/" + id.String() + "/status/", "/api/tasks/" + id.String() + "/status", "/api/v1/tasks/" + id.String()} {
		a := ama.get(path)
		require.Equal(t, "completed", a.at("status"), path)
		require.Equal(t, id.String(), a.at("task_id"))
		require.NotEmpty(t, a.Header.Get("ETag"))
		require.Empty(t, a.Header.Get("Retry-After"), "it has ended")
		again := ama.do(http.MethodGet, path, nil, "If-None-Match", a.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.Status, again.Text)

		stranger := kofi.do(http.MethodGet, path, nil)
		require.Equal(t, http.StatusNotFound, stranger.Status, "another business's task does not exist")
		require.Contains(t, stranger.Header.Get("Content-Type"), "application/problem+json")
		require.NotContains(t, stranger.Text, ama.ID.String())
		require.Equal(t, http.StatusUnauthorized, call(t, http.MethodGet, "http://"+h.Gateway+path, nil).Status)
	}
	require.Equal(t, http.StatusNotFound, kofi.do(http.MethodDelete, "/api/v1/tasks/"+id.String(), nil).Status)
	require.Equal(t, http.StatusNotFound, ama.do(http.MethodGet, "/api/v1/tasks/"+uuid.NewString(), nil).Status)
	require.Equal(t, http.StatusNotFound, kofi.do(http.MethodGet, "/api/v1/ai/credits/purchases/"+reference, nil).Status)

	// notifier does not run, so the mail waits and can be cancelled before it starts.
	var mail uuid.UUID
	require.NoError(t, h.look.QueryRow(t.Context(), "select id from task.task where tenant_id = $1 and name = 'notifications.send_email'", ama.ID).Scan(&mail))
	waiting := ama.get("/api/tasks/" + mail.String() + "/status/")
	require.Equal(t, "queued", waiting.at("status"))
	require.NotEmpty(t, waiting.Header.Get("Retry-After"))
	require.Equal(t, http.StatusNoContent, ama.do(http.MethodDelete, "/api/v1/tasks/"+mail.String(), nil).Status)
	require.Equal(t, "cancelled", ama.get("/api/tasks/"+mail.String()+"/status/").at("status"))
}
