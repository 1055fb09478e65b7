package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"makola/pkg/money"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/task"
	aifeatures "makola/proto/makola/ai_features/v1"
	"makola/services/api-gateway/internal/webhook"
)

const key = paystack.SimulatorSecretKey

// gate is a running webhook endpoint on a database of its own.
type gate struct {
	url       string
	admin     *pgx.Conn // for one goroutine at a time
	db        *postgres.DB
	committer *webhook.Committer
	client    *http.Client
}

func newGate(t testing.TB) *gate {
	t.Helper()
	pg := postgrestest.New(t)
	g := &gate{admin: pg.Admin(), db: pg.Open("makola_webhook")}
	g.committer = webhook.NewCommitter(g.db, aifeatures.NewTasks(task.NewQueue(g.db, nil, task.QueueConfig{})), nil, prometheus.NewRegistry())
	g.committer.Patience = time.Minute // what a busy machine takes is no failure
	require.NoError(t, g.committer.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() { _ = g.committer.Stop(context.WithoutCancel(t.Context())) })
	g.serve(t, webhook.NewHandler("paystack", newProvider(t), g.committer).Handle)
	return g
}

func newProvider(t testing.TB) *paystack.Client {
	t.Helper()
	provider, err := paystack.New(paystack.Config{BaseURL: "https://api.paystack.co", SecretKeys: []paystack.SecretKey{key, "sk_test_older"}})
	require.NoError(t, err)
	return provider
}

func (g *gate) serve(t testing.TB, handle gin.HandlerFunc) {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.POST("/hook", handle)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	g.url = server.URL + "/hook"
	g.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	t.Cleanup(g.client.CloseIdleConnections)
}

func charge(n int64) (body []byte, header http.Header) {
	return fake.SignedWebhook(key, fake.Charge{TransactionID: n, Reference: fmt.Sprintf("AI-%d", n), Amount: money.FromMinor(9600, money.GHS), PaidAt: time.Now()})
}

func (g *gate) post(ctx context.Context, body []byte, header http.Header) (status int, answer string, got http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header = header.Clone()
	res, err := g.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), res.Header, err
}

func (g *gate) count(t testing.TB, table string) (n int) {
	t.Helper()
	require.NoError(t, g.admin.QueryRow(t.Context(), "select count(*) from "+table).Scan(&n))
	return n
}

func TestAnEventIsStoredWithItsTaskAndAnsweredOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	body, header := charge(1)
	for _, want := range []string{`{"status":"queued"}`, `{"status":"duplicate"}`} {
		status, answer, _, err := g.post(t.Context(), body, header)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, want, answer)
	}
	var reference, args, stored string
	require.NoError(t, g.admin.QueryRow(t.Context(), `
		select e.reference, t.args::text, convert_from(e.body, 'utf8') from billing.webhook_event e join task.task t on t.args ->> 'event_id' = e.id::text
		 where e.trusted and e.status = 'succeeded' and e.amount_minor = 9600 and e.currency = 'GHS' and t.tenant_id is null`).Scan(&reference, &args, &stored))
	require.Equal(t, "AI-1", reference)
	require.Contains(t, args, `"AI-1"`)
	require.Equal(t, string(body), stored, "byte by byte")
	require.Equal(t, 1, g.count(t, "task.task"))
}

//nolint:tparallel // the cases share one gate and are counted together
func TestWhatIsNotGenuineIsRefusedAndStoresNothing(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	body, header := charge(1)
	flipped := bytes.Clone(body)
	flipped[len(flipped)/2] ^= 1
	without := header.Clone()
	without.Del(paystack.SignatureHeader)
	huge := bytes.Repeat([]byte(" "), webhook.MaxBodyBytes+1)
	signedHuge, signedJunk := header.Clone(), header.Clone()
	signedHuge.Set(paystack.SignatureHeader, paystack.Sign(key, huge))
	signedJunk.Set(paystack.SignatureHeader, paystack.Sign(key, []byte("{")))
	strange := header.Clone()
	strange.Set(paystack.SignatureHeader, paystack.Sign("sk_test_somebody", body))
	for _, tc := range []struct {
		name   string
		body   []byte
		header http.Header
		status int
		code   string
	}{
		{"one flipped bit", flipped, header, http.StatusUnauthorized, "bad_signature"},
		{"no signature", body, without, http.StatusUnauthorized, "bad_signature"},
		{"another key's signature", body, strange, http.StatusUnauthorized, "bad_signature"},
		{"an empty body", nil, header, http.StatusUnauthorized, "bad_signature"},
		{"more than 1 MiB", huge, signedHuge, http.StatusRequestEntityTooLarge, "too_large"},
		{"signed, but not an event", []byte("{"), signedJunk, http.StatusBadRequest, "malformed_event"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, answer, got, err := g.post(t.Context(), tc.body, tc.header)
			require.NoError(t, err)
			require.Equal(t, tc.status, status, answer)
			require.Equal(t, "application/problem+json", got.Get("Content-Type"))
			require.Contains(t, answer, tc.code)
		})
	}
	require.Zero(t, g.count(t, "billing.webhook_event"))
	require.Zero(t, g.count(t, "task.task"))
}

func TestASecondSecretAndAChunkedBodyAreAccepted(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	body, header := fake.SignedWebhook("sk_test_older", fake.Charge{Reference: "AI-2", Amount: money.FromMinor(1, money.GHS)})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url, io.MultiReader(bytes.NewReader(body))) // no length: chunked
	require.NoError(t, err)
	req.Header = header
	res, err := g.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestAnEventThatIsNotAChargeIsKeptAndCausesNothing(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	body, header := fake.SignedWebhook(key, fake.Charge{Event: "customer.created", Reference: "AI-3", Amount: money.FromMinor(1, money.GHS)})
	status, _, _, err := g.post(t.Context(), body, header)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 1, g.count(t, "billing.webhook_event where state = 'ignored' and finished_at is not null"))
	require.Zero(t, g.count(t, "task.task"))
}

func TestTheSameWebhookAHundredTimesAtOnceIsStoredOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	body, header := charge(7)
	answers := make([]string, 100)
	group, ctx := errgroup.WithContext(t.Context())
	for i := range answers {
		group.Go(func() error {
			status, answer, _, err := g.post(ctx, body, header)
			answers[i] = fmt.Sprint(status, " ", answer)
			return err
		})
	}
	require.NoError(t, group.Wait())
	seen := map[string]int{}
	for _, a := range answers {
		seen[a]++
	}
	require.Equal(t, map[string]int{`200 {"status":"queued"}`: 1, `200 {"status":"duplicate"}`: 99}, seen)
	require.Equal(t, 1, g.count(t, "billing.webhook_event"))
	require.Equal(t, 1, g.count(t, "task.task"))
}

func TestOneBadEventDoesNotHarmItsNeighbours(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	_, err := g.admin.Exec(t.Context(), `alter table billing.webhook_event add constraint poison check (reference <> 'AI-14')`)
	require.NoError(t, err)
	statuses := make([]int, 40)
	group, ctx := errgroup.WithContext(t.Context())
	for i := range statuses {
		group.Go(func() (err error) {
			body, header := charge(int64(i + 1))
			statuses[i], _, _, err = g.post(ctx, body, header)
			return err
		})
	}
	require.NoError(t, group.Wait())
	for i, status := range statuses {
		want := http.StatusOK
		if i == 13 {
			want = http.StatusServiceUnavailable
		}
		require.Equal(t, want, status, i)
	}
	require.Equal(t, 39, g.count(t, "task.task"))
}

func TestAnUnreachableDatabaseIsAnsweredWith503(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	require.NoError(t, g.db.Close())
	body, header := charge(1)
	status, answer, got, err := g.post(t.Context(), body, header)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NotEmpty(t, got.Get("Retry-After"))
	require.Contains(t, answer, "not_stored")
	require.False(t, strings.Contains(answer, "sql"), answer)
}

func TestAStoppedCommitterRefusesAndFinishesWhatWaits(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	group, ctx := errgroup.WithContext(t.Context())
	accepted := make([]int, 50)
	for i := range accepted {
		group.Go(func() error {
			body, header := charge(int64(i + 1))
			status, _, _, err := g.post(ctx, body, header)
			accepted[i] = status
			return err
		})
	}
	require.NoError(t, g.committer.Stop(t.Context()))
	require.NoError(t, group.Wait())
	ok := 0
	for _, status := range accepted {
		if status == http.StatusOK {
			ok++
			continue
		}
		require.Equal(t, http.StatusServiceUnavailable, status)
	}
	require.Equal(t, ok, g.count(t, "billing.webhook_event"), "what was answered with 200 is stored, and nothing else")
	body, header := charge(99)
	status, answer, got, err := g.post(t.Context(), body, header)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, answer, "busy")
	require.Equal(t, "5", got.Get("Retry-After"))
}

func TestAClientThatHangsUpDoesNotLoseTheEvent(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	lock, err := g.admin.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "lock table billing.webhook_event in exclusive mode")
	require.NoError(t, err)
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	answer := make(chan error, 1)
	go func() {
		body, header := charge(1)
		_, _, _, err := g.post(ctx, body, header)
		answer <- err
	}()
	require.Eventually(t, func() bool {
		var waiting bool
		err := lock.QueryRow(t.Context(), "select exists (select from pg_locks where relation = 'billing.webhook_event'::regclass and not granted)").Scan(&waiting)
		return err == nil && waiting
	}, time.Minute, 5*time.Millisecond)
	hangUp()
	require.Error(t, <-answer)
	require.NoError(t, lock.Commit(t.Context()))
	require.Eventually(t, func() bool { return g.count(t, "task.task") == 1 }, time.Minute, 10*time.Millisecond)
}
