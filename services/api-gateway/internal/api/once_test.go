package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/accounts"
	"makola/pkg/payments"
	"makola/pkg/payments/paystack"
	"makola/services/api-gateway/internal/once"
)

const anyBody = `{"package":"value"}`

func TestAnAnswerIsGivenAgainByWhicheverGateway(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	first := g.do("POST", purchases, s.access, anyBody, once.Header, "k-1").is(t, 201, "")
	require.Empty(t, first.Header.Get(once.Replayed))
	for _, gateway := range []*gateway{g, g.replica()} {
		again := gateway.do("POST", purchases, s.access, anyBody, once.Header, "k-1").is(t, 201, "")
		require.Equal(t, string(first.raw), string(again.raw), "byte for byte")
		require.Equal(t, "true", again.Header.Get(once.Replayed))
		for _, name := range []string{"Location", "Content-Type"} {
			require.Equal(t, first.Header.Get(name), again.Header.Get(name))
		}
		require.NotEqual(t, first.Header.Get("X-Request-Id"), again.Header.Get("X-Request-Id"))
	}
	g.do("POST", purchases, s.access, anyBody+" ", once.Header, "k-1").is(t, 422, "idempotency_key_reused")
	require.Equal(t, 1, g.count(`select count(*) from billing.credit_purchase`))

	// A key is a person's own: a colleague's is another one, in the same business.
	g.exec(`insert into accounts.user (id, email, name, password_hash) values ('0198f3a0-0000-7000-8000-00000000000a', 'esi@example.com', 'Esi', 'x')`)
	g.exec(`insert into accounts.membership (tenant_id, user_id, role) values ($1, '0198f3a0-0000-7000-8000-00000000000a', 'ADMIN')`, s.business)
	esi := g.token(shop{user: "0198f3a0-0000-7000-8000-00000000000a", business: s.business}, accounts.Admin, time.Now())
	g.do("POST", purchases, esi, anyBody, once.Header, "k-1").is(t, 201, "")
	require.Equal(t, 2, g.count(`select count(*) from billing.credit_purchase`))
}

func TestARefusalIsGivenAgainToo(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	const stranger = `{"package":"value","callback_url":"https://evil.example/x"}`
	g.do("POST", purchases, s.access, stranger, once.Header, "k").is(t, 422, "invalid")
	again := g.do("POST", purchases, s.access, stranger, once.Header, "k").is(t, 422, "invalid")
	require.Equal(t, "true", again.Header.Get(once.Replayed))
	// What the description forbids, and who may not ask, is refused before a key is looked at.
	g.do("POST", purchases, s.access, `{"package":"gold"}`, once.Header, "j").is(t, 422, "invalid")
	g.do("POST", purchases, g.token(s, accounts.Staff, time.Now()), anyBody, once.Header, "j").is(t, 403, "permission_missing")
	require.Equal(t, 1, g.count(`select count(*) from gateway.idempotent_request`))
	g.do("POST", purchases, s.access, anyBody, once.Header, "j").is(t, 201, "")
	req, err := http.NewRequestWithContext(t.Context(), "POST", g.url+purchases, strings.NewReader(anyBody))
	require.NoError(t, err)
	req.Header = http.Header{"Authorization": {"Bearer " + s.access}, "Content-Type": {"application/json"}, once.Header: {"a", "b"}}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 422, res.StatusCode, "two keys are none")
	require.Equal(t, 1, g.count(`select count(*) from billing.credit_purchase`))
}

// The provider fails, the process dies after its commit, the answer is lost: asking again goes on with the purchase that was made.
func TestWhatWasBegunIsFinishedUnderTheSameKey(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(broken.Close)
	right := g.server.Providers[paystack.Name]
	g.server.Providers[paystack.Name] = client(t, broken.URL)
	g.do("POST", purchases, s.access, anyBody, once.Header, "k").is(t, 503, "provider_unavailable")
	require.Equal(t, 1, g.count(`select count(*) from gateway.idempotent_request where status is null and subject_id is not null and held_until <= now()`), "not kept, and free at once")
	g.server.Providers[paystack.Name] = right
	first := g.do("POST", purchases, s.access, anyBody, once.Header, "k").is(t, 201, "")
	require.Empty(t, first.Header.Get(once.Replayed))

	// As a crash leaves it: made, not answered, and held by nobody who lives.
	g.exec(`update gateway.idempotent_request set status = null, headers = null, body = null, held_until = now() + interval '50 s'`)
	held := g.do("POST", purchases, s.access, anyBody, once.Header, "k").is(t, 409, "request_in_progress")
	require.Equal(t, "1", held.Header.Get("Retry-After"))
	g.exec(`update gateway.idempotent_request set held_until = now()`)
	again := g.do("POST", purchases, s.access, anyBody, once.Header, "k").is(t, 201, "")
	require.Equal(t, first.text("reference"), again.text("reference"))
	require.Equal(t, 1, g.count(`select count(*) from billing.credit_purchase`))
}

func TestOfManyAtOnceOneIsWorkedOn(t *testing.T) {
	t.Parallel()
	g := open(t)
	other := g.replica()
	s := g.register("ama")
	entered, goOn := make(chan struct{}, 20), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-goOn
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":true,"message":"ok","data":{"authorization_url":"https://checkout.example/x","access_code":"x","reference":"x"}}`))
	}))
	t.Cleanup(slow.Close)
	for _, gw := range []*gateway{g, other} {
		gw.server.Providers[paystack.Name] = client(t, slow.URL)
	}
	answers := make(chan int, 20)
	var wg sync.WaitGroup
	ask := func(gw *gateway) {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), "POST", gw.url+purchases, strings.NewReader(anyBody))
			if err != nil {
				return
			}
			req.Header = http.Header{"Authorization": {"Bearer " + s.access}, "Content-Type": {"application/json"}, once.Header: {"race"}}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				answers <- 0
				return
			}
			_ = res.Body.Close()
			answers <- res.StatusCode
		})
	}
	for range 5 {
		ask(g)
		ask(other)
	}
	<-entered
	for range 9 {
		require.Equal(t, http.StatusConflict, <-answers, "the first one is being worked on")
	}
	close(goOn)
	require.NotEqual(t, http.StatusConflict, <-answers)
	wg.Wait()
	require.Empty(t, entered, "the provider was asked once")
	require.Equal(t, 1, g.count(`select count(*) from billing.credit_purchase`))
}

func TestAPanicLetsTheKeyGo(t *testing.T) {
	t.Parallel()
	g := open(t)
	s := g.register("ama")
	right := g.server.Providers[paystack.Name]
	g.server.Providers[paystack.Name] = struct{ payments.Provider }{} // panics once the purchase is recorded
	g.do("POST", purchases, s.access, anyBody, once.Header, "k").is(t, 500, "internal")
	g.server.Providers[paystack.Name] = right
	g.do("POST", purchases, s.access, anyBody, once.Header, "k").is(t, 201, "")
	require.Equal(t, 1, g.count(`select count(*) from billing.credit_purchase`))
}
