package cli

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// openShop opens the books of a business with 50 trial credits, and returns it with a purchase of the value package.
func (r *rig) openShop() (uuid.UUID, *billing.Purchase) {
	r.t.Helper()
	id := uuid.Must(uuid.NewV7())
	var p *billing.Purchase
	require.NoError(r.t, r.pg.Open("makola_gateway").InTenant(tenant.With(r.t.Context(), id), func(tx *gorm.DB) (err error) {
		if err := billing.OpenTenant(tx, id, 50_00, time.Now()); err != nil {
			return err
		}
		p, err = billing.CreatePurchase(tx, billing.NewPurchase{Tenant: id, User: uuid.New(), Package: "value", Provider: "paystack", Method: "card", Now: time.Now()})
		return err
	}))
	return id, p
}

// report stores an event and lets it have its effect; again says how often the provider sends it a second time.
func (r *rig) report(e billing.Event, again int) {
	r.t.Helper()
	require.NoError(r.t, r.pg.Open("makola_billing").InSystem(r.t.Context(), func(tx *gorm.DB) error {
		redelivered := e
		for i := range again + 1 {
			if i > 0 {
				redelivered.ID = uuid.Must(uuid.NewV7())
			}
			if _, err := billing.RecordEvents(tx, []billing.Event{redelivered}); err != nil {
				return err
			}
		}
		found, err := billing.Events(tx, []uuid.UUID{e.ID})
		if err != nil {
			return err
		}
		_, err = billing.CreditBatch(r.t.Context(), tx, []billing.Evidence{found[e.ID].Evidence})
		return err
	}))
}

func event(p *billing.Purchase) billing.Event {
	return billing.Event{
		ID: uuid.Must(uuid.NewV7()), Provider: "paystack", DedupeKey: "charge.success:1:success", Type: "charge.success", Reference: p.Reference, Trusted: true,
		Body: []byte(`{"event":"charge.success","data":{"reference":"` + p.Reference + `","customer":{"email":"ama@example.com"}}}`), Status: payments.StatusSucceeded, Amount: p.Total, TransactionID: "1",
	}
}

// asked returns the arguments of the only task of that name.
func asked[T any](r *rig, name string) (args T) {
	r.t.Helper()
	var raw []byte
	require.NoError(r.t, r.look.QueryRow(r.t.Context(), "select args from task.task where name = $1", name).Scan(&raw))
	require.NoError(r.t, json.Unmarshal(raw, &args))
	return args
}

func TestOperatorsAskForChangesWithAReason(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, p := r.openShop()
	for _, args := range [][]string{
		{"credits", "grant", shop.String(), "5"}, {"credits", "grant", shop.String(), "0", "--reason", "x"}, {"credits", "grant", shop.String(), "many", "--reason", "x"},
		{"credits", "grant", "shop", "5", "--reason", "x"}, {"credits", "reverse", shop.String(), "x", "--reason", "x"}, {"credits", "refund", p.Reference},
		{"review", "approve", uuid.NewString()}, {"review", "approve", uuid.NewString(), "--reason", "x", "--credits", "-1"}, {"webhook", "replay", uuid.NewString()},
		{"ledger", "show", shop.String(), "--at", "yesterday"},
	} {
		code, _, _ := r.run(args...)
		require.Equal(t, exitUsage, code, args)
	}
	for _, args := range [][]string{
		{"credits", "refund", "AI-NONE", "--reason", "x"}, {"review", "approve", uuid.NewString(), "--reason", "x"}, {"review", "show", uuid.NewString()},
		{"webhook", "show", uuid.NewString()}, {"webhook", "replay", uuid.NewString(), "--reason", "x"},
	} {
		code, _, _ := r.run(args...)
		require.Equal(t, exitNotFound, code, args)
	}
	require.Zero(t, r.count("select count(*) from task.task"), "nothing is half done")

	for range 2 {
		require.Contains(t, r.ok("credits", "grant", shop.String(), "12.5", "--reason", "a gift", "--actor", "kofi", "--key", "march", "--wait", "0"), "is queued")
	}
	require.Equal(t, 1, r.count("select count(distinct args->>'grant_id') from task.task where name = 'ai_features.grant_credits' and tenant_id = $1 and args->>'actor' = 'kofi' and args->>'credits' = '12.50'", shop))
	r.ok("credits", "refund", p.Reference, "--reason", "asked for", "--wait", "0")
	require.Equal(t, map[string]string{"payment_reference": p.Reference, "actor": "ama", "reason": "asked for"}, asked[map[string]string](r, "ai_features.refund_purchase"))
	r.report(event(p), 0)
	for _, amount := range []string{"0", "-1", "96.01", "1.005", "much"} {
		code, _, errs := r.run("credits", "refund", p.Reference, "--reason", "a part", "--amount", amount)
		require.Equal(t, exitUsage, code, errs)
	}
	for range 2 {
		r.ok("credits", "refund", p.Reference, "--reason", "a part", "--amount", "20.50", "--wait", "0")
	}
	require.Equal(t, 1, r.count("select count(*) from task.task where name = 'ai_features.refund_purchase' and args->>'amount' = '20.50' and tenant_id = $1", shop))
	r.ok("credits", "reverse", shop.String(), uuid.Nil.String(), "--reason", "a mistake", "--wait", "0")
	require.Equal(t, "a mistake", asked[map[string]string](r, "ai_features.reverse_transfer")["reason"])
}

func TestTheReviewQueueIsWorked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, p := r.openShop()
	e := event(p)
	e.Amount.Minor--
	r.report(e, 0)
	list := decode[[]reviewLine](r, "review", "list")
	require.Len(t, list, 1)
	require.Equal(t, []string{"amount_mismatch", "GHS 96.00", "GHS 95.99", "review", "100.00"}, []string{list[0].Reason, list[0].Expected, list[0].Received, list[0].Purchase, list[0].Promised})
	id := list[0].ID.String()
	require.Empty(t, decode[[]reviewLine](r, "review", "list", "--after", id))
	require.Contains(t, r.ok("review", "show", id), "makola webhook show "+e.ID.String())
	code, _, errs := r.run("review", "approve", id, "--reason", "x", "--business", uuid.NewString())
	require.Equal(t, exitUsage, code, errs)
	r.ok("review", "approve", id, "--reason", "a pesewa", "--credits", "99", "--wait", "0")
	require.Equal(t, map[string]string{"review_id": id, "decision": "approve", "business_id": shop.String(), "credits": "99", "actor": "ama", "reason": "a pesewa"}, asked[map[string]string](r, "ai_features.resolve_review"))
}

func TestWebhooksAreShownWithoutPersonalDataAndReplayed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, p := r.openShop()
	e := event(p)
	r.report(e, 2)
	list := decode[[]map[string]any](r, "webhook", "list", "--state", "processed", "--reference", p.Reference)
	require.Len(t, list, 1)
	require.EqualValues(t, 2, list[0]["duplicates"])
	require.Empty(t, decode[[]map[string]any](r, "webhook", "list", "--provider", "stripe"))
	r.ok("webhook", "replay", e.ID.String(), "--reason", "to be sure", "--wait", "0")
	require.Equal(t, e.ID.String(), asked[map[string]string](r, "ai_features.process_webhook_event")["event_id"])
	require.Equal(t, 1, r.count("select count(*) from audit.entry where action = 'webhook.replayed' and actor = 'operator:ama' and entity_id = $1 and changes->>'reason' = 'to be sure'", e.ID.String()))
	shown := r.ok("webhook", "show", e.ID.String())
	for _, want := range []string{"covers the body", "duplicate, nothing done", p.Reference, "[removed]", "ai_features.process_webhook_event", "by operator:ama"} {
		require.Contains(t, shown, want)
	}
	require.NotContains(t, shown, "ama@example.com")
	story := decode[webhookStory](r, "webhook", "show", e.ID.String())
	require.Len(t, story.Again, 2)
	require.Len(t, story.Tasks, 1)
	require.NotContains(t, story.Body, "ama@example.com")
}

func TestLedgerShowExplainsABalance(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, p := r.openShop()
	before := time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
	r.report(event(p), 0)
	b := decode[struct {
		Spendable, Ledger money.Credits
		Entries           []struct {
			Kind  string        `json:"kind"`
			Delta money.Credits `json:"delta"`
			After money.Credits `json:"balance_after"`
		}
	}](r, "ledger", "show", shop.String())
	require.Equal(t, money.Credits(150_00), b.Spendable)
	require.Len(t, b.Entries, 3)
	require.Equal(t, []any{"purchase", money.Credits(20_00), money.Credits(150_00)}, []any{b.Entries[0].Kind, b.Entries[0].Delta, b.Entries[0].After})
	require.Equal(t, []any{"trial", money.Credits(50_00), money.Credits(50_00)}, []any{b.Entries[2].Kind, b.Entries[2].Delta, b.Entries[2].After})
	require.Contains(t, r.ok("ledger", "show", shop.String(), "--at", before), "ledger     0.00")

	require.Empty(t, decode[[]any](r, "ledger", "checks"))
	require.NoError(t, r.pg.Open("makola_billing").InSystem(t.Context(), func(tx *gorm.DB) error {
		_, err := billing.RecordLedgerCheck(tx)
		return err
	}))
	require.EqualValues(t, 0, decode[[]map[string]any](r, "ledger", "checks")[0]["faults"])
}

func TestACommandWaitsForItsTaskAndTellsWhyItWasRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	shop, _ := r.openShop()
	db := r.pg.Open("makola_billing")
	worker := task.NewInline(db, task.NewQueue(db, nil, task.QueueConfig{}))
	worker.Register(contract.Handler{Descriptor: aifeatures.GrantCreditsTask, Short: refuse})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r.t.Context().Err() == nil {
			if n, err := worker.Drain(r.t.Context()); err != nil || n > 0 {
				return
			}
		}
	}()
	code, _, errs := r.run("credits", "grant", shop.String(), "5", "--reason", "a gift")
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, "not today")
	<-done
}

func refuse(context.Context, *gorm.DB, proto.Message) (proto.Message, error) {
	return nil, task.Permanent(errors.New("not today"))
}
