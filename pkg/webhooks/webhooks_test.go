package webhooks_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/outbound"
	"makola/pkg/webhooks"
)

func TestAnEventIsKeptForThoseWhoWantToKnow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.emit(w.gateway, w.report(w.shop), w.report(w.other))
	require.Zero(t, w.count(`select count(*) from webhooks.event`)+w.count(`select count(*) from task.task`), "nobody listens")

	one, _ := w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	two, _ := w.register(w.shop, w.ears.URL+"/two", webhooks.KindReportReady, webhooks.KindStockLow)
	w.register(w.other, w.ears.URL, webhooks.KindStockLow)
	for _, role := range []string{"makola_gateway", "makola_billing", "makola_inventory", "makola_reports"} {
		before := w.count(`select count(*) from webhooks.delivery`)
		w.emit(w.pg.Open(role), w.report(w.shop), w.report(w.other), webhooks.Event{Tenant: w.other, At: time.Now(), Data: webhooks.StockLow{}})
		require.Equal(t, before+3, w.count(`select count(*) from webhooks.delivery`), role)
	}
	list := w.deliveries(w.shop)
	require.Len(t, list, 8)
	require.Equal(t, list[0].Event, list[1].Event, "one event, two endpoints")
	require.ElementsMatch(t, []uuid.UUID{one.ID, two.ID}, []uuid.UUID{list[0].Endpoint, list[1].Endpoint})
	require.Equal(t, 12, w.count(`select count(*) from task.task t join webhooks.delivery d on t.args ->> 'delivery_id' = d.id::text and t.tenant_id = d.tenant_id where t.name = 'webhooks.deliver_event' and t.queue = 'webhooks'`))
	require.Len(t, w.deliveries(w.other), 4)

	_, err := w.pg.Admin().Exec(t.Context(), `update webhooks.endpoint set state = 'DISABLED', reason = 'OWNER', disabled_at = now()`)
	require.NoError(t, err)
	w.emit(w.gateway, w.report(w.shop))
	require.Len(t, w.deliveries(w.shop), 8, "a disabled endpoint is not told")
}

func TestAnEventThatIsRolledBackNeverWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	require.ErrorIs(t, w.as(w.gateway, w.shop, func(ctx context.Context, tx *gorm.DB) error {
		require.NoError(t, webhooks.Emit(ctx, tx, w.tasks, []webhooks.Event{w.report(w.shop)}))
		return io.ErrUnexpectedEOF
	}), io.ErrUnexpectedEOF)
	require.Zero(t, w.count(`select count(*) from webhooks.event`)+w.count(`select count(*) from task.task`))
}

func TestADeliveryIsSignedAsTheConventionHasIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, secret := w.register(w.shop, w.ears.URL+"/hook?token=x", webhooks.KindReportReady)
	require.Zero(t, w.count(`select count(*) from webhooks.endpoint where endpoint::text like '%' || $1 || '%' or secret = convert_to($1, 'utf8')`, secret), "no row holds the secret")
	w.emit(w.gateway, w.report(w.shop))
	d := w.deliveries(w.shop)[0]
	_, c := w.attempt(d.ID, 1)
	require.Equal(t, webhooks.OutcomeDelivered, c.Outcome)
	got := w.ears.all()
	require.Len(t, got, 1)
	require.NoError(t, verify(t, secret, got[0]))
	require.Error(t, verify(t, "whsec_"+strings.Repeat("A", 43)+"=", got[0]))
	require.Equal(t, d.Event.String(), got[0].header.Get("Webhook-Id"))
	require.Equal(t, "application/json", got[0].header.Get("Content-Type"))
	var body map[string]any
	require.NoError(t, json.Unmarshal(got[0].body, &body))
	require.Equal(t, d.Event.String(), body["id"])
	require.Equal(t, "report.ready", body["type"])
	require.Contains(t, string(got[0].body), "sales <&>.csv", "nothing is escaped that need not be")
	now := w.delivery(d.ID)
	require.Equal(t, webhooks.Delivered, now.State)
	require.Equal(t, string(got[0].body), now.Body)
	require.Len(t, now.Log, 1)
	require.Equal(t, 204, now.Log[0].Status)
	require.NotNil(t, now.EndedAt)
	require.Nil(t, now.NextAttemptAt)

	// For a day the secret before signs as well, and the one before that does not.
	secrets := []string{secret}
	for range 2 {
		require.NoError(t, w.as(w.gateway, w.shop, func(_ context.Context, tx *gorm.DB) error {
			now, fresh, err := w.endpoints.Rotate(tx, w.who(), e.ID)
			secrets = append(secrets, fresh)
			require.WithinDuration(t, time.Now().Add(webhooks.Overlap), *now.RotatedUntil, time.Hour)
			return err
		}))
		w.emit(w.gateway, w.report(w.shop))
		w.attempt(w.deliveries(w.shop)[0].ID, 1)
		got = w.ears.all()
		last := got[len(got)-1]
		require.Len(t, strings.Fields(last.header.Get("Webhook-Signature")), 2)
		n := len(secrets)
		require.NoError(t, verify(t, secrets[n-1], last))
		require.NoError(t, verify(t, secrets[n-2], last))
		if n > 2 {
			require.Error(t, verify(t, secrets[n-3], last))
		}
	}
	w.exec(`update webhooks.endpoint set previous_until = now() - interval '1 second'`)
	w.emit(w.gateway, w.report(w.shop))
	w.attempt(w.deliveries(w.shop)[0].ID, 1)
	got = w.ears.all()
	require.NoError(t, verify(t, secrets[2], got[len(got)-1]))
	require.Error(t, verify(t, secrets[1], got[len(got)-1]), "its day is over")
}

func TestAnAttemptIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop))
	w.ears.says(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "7200")
		http.Error(rw, "busy, Bearer abcdef", http.StatusServiceUnavailable)
	})
	d := w.deliveries(w.shop)[0]
	_, c := w.attempt(d.ID, 1)
	require.Equal(t, webhooks.OutcomeRetrying, c.Outcome)
	b, _ := w.attempt(d.ID, 1)
	require.Equal(t, webhooks.OutcomeSuperseded, b.Over)
	now := w.delivery(d.ID)
	require.Equal(t, webhooks.Pending, now.State)
	require.Len(t, now.Log, 1)
	require.Equal(t, "busy, …", now.Log[0].Answer)
	require.Equal(t, 503, *now.LastStatus)
	require.Equal(t, 1, w.count(`select count(*) from task.task where args ->> 'attempt' = '2' and available_at - created_at between interval '119 minutes' and interval '121 minutes'`), "it asked for two hours")
	require.Len(t, w.ears.all(), 1)

	// Two workers made the second attempt, and the slower one comes too late.
	w.ears.says(nil)
	var slow webhooks.Beginning
	require.NoError(t, w.as(w.notifier, w.shop, func(_ context.Context, tx *gorm.DB) (err error) {
		slow, err = webhooks.Begin(tx, w.keys, d.ID, 2)
		return err
	}))
	_, c = w.attempt(d.ID, 2)
	require.Equal(t, webhooks.OutcomeDelivered, c.Outcome)
	require.NoError(t, w.as(w.notifier, w.shop, func(ctx context.Context, tx *gorm.DB) error {
		c, err := slow.Conclude(ctx, tx, w.tasks, webhooks.Answer{Status: 500}, time.Now())
		require.Equal(t, webhooks.OutcomeSuperseded, c.Outcome)
		return err
	}))
	require.Equal(t, webhooks.Delivered, w.delivery(d.ID).State)
	require.Len(t, w.delivery(d.ID).Log, 2)
}

func TestATestIsTriedOnceAndChangesNothingAboutItsEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, secret := w.register(w.shop, w.ears.URL, webhooks.KindStockLow)
	no := false
	test := func() (d *webhooks.Delivery) {
		require.NoError(t, w.as(w.gateway, w.shop, func(ctx context.Context, tx *gorm.DB) (err error) {
			d, err = webhooks.SendTest(ctx, tx, w.tasks, e.ID, time.Now())
			return err
		}))
		return d
	}
	require.NoError(t, w.as(w.gateway, w.shop, func(_ context.Context, tx *gorm.DB) error {
		_, err := w.endpoints.Change(tx, w.who(), e.ID, webhooks.Wish{Enabled: &no})
		return err
	}))
	d := test()
	_, c := w.attempt(d.ID, 1)
	require.Equal(t, webhooks.OutcomeDelivered, c.Outcome, "also at one that is disabled")
	require.NoError(t, verify(t, secret, w.ears.all()[0]))
	require.Contains(t, string(w.ears.all()[0].body), `"type":"webhook.test"`)
	for _, status := range []int{500, 410} {
		w.ears.says(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
		d = test()
		_, c = w.attempt(d.ID, 1)
		require.Equal(t, webhooks.Conclusion{Outcome: webhooks.OutcomeFailed}, c)
		require.Equal(t, 1, w.count(`select count(*) from webhooks.endpoint where failures = 0 and reason = 'OWNER'`))
	}
}

func TestNothingIsSentIntoThePrivateNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	port := w.ears.URL[strings.LastIndexByte(w.ears.URL, ':'):]
	strict := webhooks.NewSender(outbound.Config{AllowPlainHTTP: true}, 4) // so that nothing but the address stands in the way
	t.Cleanup(strict.Close)
	for _, host := range []string{
		"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "[fd00:ec2::254]", "[fe80::1]", "[64:ff9b::7f00:1]",
		"localhost", // a name that resolves to a private address
	} {
		w.emit(w.gateway, w.report(w.shop))
		d := w.deliveries(w.shop)[0]
		w.exec(`update webhooks.endpoint set url = $1`, "http://"+host+port+"/") // as if its name had resolved to something else when it was registered
		var b webhooks.Beginning
		require.NoError(t, w.as(w.notifier, w.shop, func(_ context.Context, tx *gorm.DB) (err error) {
			b, err = webhooks.Begin(tx, w.keys, d.ID, 1)
			return err
		}))
		answer, err := strict.Send(t.Context(), b.Attempt, time.Now())
		require.NoError(t, err)
		require.Equal(t, "address is not on the public internet", answer.Error, host)
		require.Zero(t, answer.Status)
	}
	require.Empty(t, w.ears.all())

	https := webhooks.NewSender(outbound.Config{AllowNetworks: loopback.AllowNetworks}, 4)
	t.Cleanup(https.Close)
	w.exec(`update webhooks.endpoint set url = $1`, w.ears.URL)
	w.emit(w.gateway, w.report(w.shop))
	var b webhooks.Beginning
	require.NoError(t, w.as(w.notifier, w.shop, func(_ context.Context, tx *gorm.DB) (err error) {
		b, err = webhooks.Begin(tx, w.keys, w.deliveries(w.shop)[0].ID, 1)
		return err
	}))
	answer, err := https.Send(t.Context(), b.Attempt, time.Now())
	require.NoError(t, err)
	require.Equal(t, "only https is allowed", answer.Error)

	// A redirect is an answer like another, and not followed.
	w.ears.says(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://169.254.169.254/latest/meta-data", http.StatusTemporaryRedirect)
	})
	_, c := w.attempt(w.deliveries(w.shop)[0].ID, 1)
	require.Equal(t, webhooks.OutcomeRetrying, c.Outcome)
	require.Equal(t, 307, *w.delivery(w.deliveries(w.shop)[0].ID).LastStatus)
	require.Len(t, w.ears.all(), 1)
}

func TestAnAnswerThatIsTooLongOrNoneIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	try := func() *webhooks.Delivery {
		w.emit(w.gateway, w.report(w.shop))
		id := w.deliveries(w.shop)[0].ID
		w.attempt(id, 1)
		w.exec(`update webhooks.endpoint set failures = 0, failing_since = null, retry_at = null`)
		return w.delivery(id)
	}
	w.ears.says(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(make([]byte, 100<<10)) })
	require.Equal(t, webhooks.Delivered, try().State, "what stands beneath 200 does not matter")
	w.ears.says(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "9999999")
		_, _ = rw.Write([]byte("x"))
	})
	require.Equal(t, webhooks.Delivered, try().State, "however much of it is announced")
	w.ears.says(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	require.Equal(t, "connection failed", try().Log[0].Error)
	w.exec(`update webhooks.endpoint set url = 'https://no-such-host.invalid/'`)
	d := try()
	require.Equal(t, "host name not found", d.Log[0].Error)
	require.Nil(t, d.LastStatus)
}

func TestADeliveryWhoseTaskIsGoneCanBeSentAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop))
	old := w.deliveries(w.shop)[0].ID
	replay := func() (err error) {
		return w.as(w.gateway, w.shop, func(ctx context.Context, tx *gorm.DB) error {
			_, err := webhooks.Replay(ctx, tx, w.tasks, w.who(), old)
			return err
		})
	}
	require.ErrorIs(t, replay(), webhooks.ErrStillPending)
	w.exec(`update webhooks.delivery set next_attempt_at = now() - interval '61 minutes'`)
	require.NoError(t, replay())
	require.Equal(t, webhooks.Cancelled, w.delivery(old).State)
	b, _ := w.attempt(old, 1)
	require.Equal(t, webhooks.OutcomeCancelled, b.Over, "its task, should there be one, does nothing")
	old = w.deliveries(w.shop)[0].ID
	_, c := w.attempt(old, 1)
	require.Equal(t, webhooks.OutcomeDelivered, c.Outcome)
	w.exec(`update webhooks.event set created_at = now() - $1::interval`, webhooks.Keep+time.Minute)
	require.ErrorIs(t, replay(), webhooks.ErrDeliveryNotFound, "the event would be deleted while it is tried again")
}

func TestABusinessAsksForThirtyTestsAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop))
	test := func() error {
		return w.as(w.gateway, w.shop, func(ctx context.Context, tx *gorm.DB) error {
			_, err := webhooks.SendTest(ctx, tx, w.tasks, e.ID, time.Now())
			return err
		})
	}
	require.NoError(t, test())
	w.exec(`insert into webhooks.delivery (tenant_id, id, event_id, endpoint_id, kind, cause)
		select tenant_id, ('ffffffff-ffff-7fff-8000-' || lpad(to_hex(n), 12, '0'))::uuid, event_id, endpoint_id, 'webhook.test', 'TEST'
		  from webhooks.delivery, generate_series(1, $1::int) n where cause = 'EVENT'`, webhooks.MostAsked) // ids of the last minute, however slow this machine is
	require.ErrorIs(t, test(), webhooks.ErrTooOften)
	require.ErrorIs(t, w.as(w.gateway, w.shop, func(ctx context.Context, tx *gorm.DB) error {
		_, err := webhooks.Replay(ctx, tx, w.tasks, w.who(), w.deliveries(w.shop)[0].ID)
		return err
	}), webhooks.ErrTooOften)
}
