package webhooks_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/outbound"
	"makola/pkg/webhooks"
)

func TestAnEndpointThatIsGoneIsDisabledAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(w.shop, w.ears.URL, webhooks.KindReportReady)
	w.emit(w.gateway, w.report(w.shop))
	w.ears.says(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusGone) })
	_, c := w.attempt(w.deliveries(w.shop)[0].ID, 1)
	require.Equal(t, webhooks.OutcomeFailed, c.Outcome)
	require.Equal(t, webhooks.Gone, c.Disabled.Reason)
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
