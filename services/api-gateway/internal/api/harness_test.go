package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/assist"
	"makola/pkg/outbound"
	"makola/pkg/payments"
	"makola/pkg/payments/fake"
	"makola/pkg/payments/paystack"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/pkg/webhooks"
	accountspb "makola/proto/makola/accounts/v1"
	aifeatures "makola/proto/makola/ai_features/v1"
	inventorypb "makola/proto/makola/inventory/v1"
	reportspb "makola/proto/makola/reports/v1"
	salespb "makola/proto/makola/sales/v1"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
	webhookspb "makola/proto/makola/webhooks/v1"
	spec "makola/services/api-gateway/api"
	"makola/services/api-gateway/internal/api"
	"makola/services/api-gateway/internal/edge"
)

const (
	password = "correct horse battery"
	jwtKeys  = "test:0123456789abcdef0123456789abcdef"
	// webhookKey encrypts the secrets of endpoints.
	webhookKey = "webhook-key-webhook-key-webhook-key"
)

// covered remembers which operations and statuses the tests have seen, for TestMain.
var covered sync.Map

// TestMain fails a full run that left an operation of openapi.yaml unasked.
func TestMain(m *testing.M) {
	for _, kind := range []string{"text/event-stream", "application/pdf", "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"} {
		openapi3filter.RegisterBodyDecoder(kind, func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			raw, err := io.ReadAll(body)
			return string(raw), err
		})
	}
	code := m.Run()
	doc, err := spec.Load()
	if err != nil {
		panic(err)
	}
	partial := false
	for _, arg := range os.Args {
		partial = partial || strings.HasPrefix(arg, "-test.run=") || strings.HasPrefix(arg, "-test.bench=")
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if _, ok := covered.Load(op.OperationID); !ok && !partial && code == 0 && !strings.HasSuffix(op.OperationID, "Webhook") {
				fmt.Printf("no test asked %s %s\n", method, path)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// gateway is the real router on a real database, with a simulator of Paystack behind it.
type gateway struct {
	t        *testing.T
	url      string
	handler  http.Handler // what answers at url
	server   *api.Server
	queue    *task.Queue
	pg       *postgrestest.Database
	admin    *pgx.Conn
	paystack *httptest.Server
	doc      *openapi3.T
	files    string // the folder that uploads go to
}

// linkKey signs links to files.
const linkKey = "0123456789abcdef0123456789abcdef"

// open starts a gateway. change may alter the options.
func open(t *testing.T, change ...func(*api.Options, *api.Server)) *gateway {
	t.Helper()
	pg := postgrestest.New(t)
	simulator, err := fake.New(fake.Config{})
	require.NoError(t, err)
	t.Cleanup(simulator.Close)
	g := &gateway{t: t, pg: pg, admin: pg.Admin(), paystack: httptest.NewServer(simulator), files: t.TempDir()}
	t.Cleanup(g.paystack.Close)
	return g.replica(change...)
}

// replica starts another gateway on the same database.
func (g *gateway) replica(change ...func(*api.Options, *api.Server)) *gateway {
	t := g.t
	t.Helper()
	db := g.pg.Open("makola_gateway")
	g = &gateway{t: t, pg: g.pg, admin: g.admin, paystack: g.paystack, files: g.files, queue: task.NewQueue(db, nil, task.QueueConfig{})}
	provider, err := paystack.New(paystack.Config{
		BaseURL: g.paystack.URL, SecretKeys: []paystack.SecretKey{fake.DefaultSecretKey},
		Outbound: outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPlainHTTP: true, Timeout: 30 * time.Second},
	})
	require.NoError(t, err)
	keys, err := accounts.ParseKeys(jwtKeys)
	require.NoError(t, err)
	g.server = &api.Server{
		DB: db, Sessions: &accounts.Sessions{DB: db, Hasher: accounts.NewHasher(), Keys: keys}, Accounts: accountspb.NewTasks(g.queue), Credits: aifeatures.NewTasks(g.queue),
		Subscriptions: subscriptionspb.NewTasks(g.queue), Inventory: inventorypb.NewTasks(g.queue), Reports: reportspb.NewTasks(g.queue), Webhooks: webhookspb.NewTasks(g.queue),
		Providers: map[string]payments.Provider{paystack.Name: provider}, ProviderNames: []string{paystack.Name}, TrialCredits: 50_00, CallbackOrigins: []*url.URL{{Scheme: "https", Host: "shop.example.com"}},
	}
	secrets, err := webhooks.ParseKeys(webhookKey)
	require.NoError(t, err)
	g.server.Endpoints = &webhooks.Endpoints{Keys: secrets}
	options := api.Options{SignInPerMinute: 1000, RequestsPerSecond: 1000, Share: edge.NewShare(db)}
	options.Share.Patience = time.Minute // a machine that is busy must not make each gateway count for itself
	g.server.Answers = &api.Answers{
		Limits: assist.Limits{PerMinute: 1000, PerHour: 1000, PerDay: 1000, BusinessDay: 1000, BusinessMonth: 1000, PlatformMonth: 10_000}, Prices: assist.Prices{Input: 10_00, Output: 40_00},
	}
	g.server.Sales, g.server.Schedule, g.server.ImportBytes = salespb.NewTasks(g.queue), g.queue, 1<<20
	g.server.Files, err = storage.Open(t.Context(), storage.Config{URL: "file://" + g.files})
	require.NoError(t, err)
	g.server.Links, err = reporting.ParseLinkKeys(linkKey)
	require.NoError(t, err)
	g.server.PublicURL = "https://api.example.com"
	for _, fn := range change {
		fn(&options, g.server)
	}
	handler, err := api.NewRouter(g.server, options)
	require.NoError(t, err)
	g.handler = handler
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	g.url = server.URL
	g.doc, err = spec.Load()
	require.NoError(t, err)
	return g
}

// answer is what a request got.
type answer struct {
	*http.Response
	raw  []byte
	body map[string]any
}

// do sends a request and checks the answer against openapi.yaml. A body that is a string or bytes goes out as it is, anything else as JSON.
func (g *gateway) do(method, path, token string, body any, header ...string) *answer {
	g.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		require.NoError(g.t, err)
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, reader)
	require.NoError(g.t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	require.NoError(g.t, err)
	defer res.Body.Close()
	a := &answer{Response: res}
	var content io.Reader = res.Body
	if strings.HasPrefix(path, feed) && res.StatusCode == http.StatusOK {
		content = io.LimitReader(content, int64(len("retry: 2000\n\n"))) // it has no end
	}
	a.raw, err = io.ReadAll(content)
	require.NoError(g.t, err)
	if len(a.raw) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") {
		require.NoError(g.t, json.Unmarshal(a.raw, &a.body), "%s", a.raw)
	}
	g.conforms(req, a)
	return a
}

// conforms validates an answer, and every problem whatever the address.
func (g *gateway) conforms(req *http.Request, a *answer) {
	g.t.Helper()
	require.NotEmpty(g.t, a.Header.Get("X-Request-Id"))
	require.Equal(g.t, "nosniff", a.Header.Get("X-Content-Type-Options"))
	if a.StatusCode >= 400 && req.Method != http.MethodHead {
		require.Equal(g.t, "application/problem+json", a.Header.Get("Content-Type"), "%s", a.raw)
		require.NoError(g.t, g.doc.Components.Schemas["Problem"].Value.VisitJSON(any(a.body), openapi3.EnableJSONSchema2020()))
		require.EqualValues(g.t, a.StatusCode, a.body["status"])
		if a.Header.Get("Idempotent-Replayed") == "" { // a replay names the request that was worked on
			require.Equal(g.t, a.Header.Get("X-Request-Id"), a.body["request_id"])
		}
	}
	for path, item := range g.doc.Paths.Map() {
		op := item.GetOperation(req.Method)
		if op == nil || !pathMatches(path, req.URL.Path) || path != req.URL.Path && g.doc.Paths.Value(req.URL.Path) != nil {
			continue
		}
		covered.Store(op.OperationID, true)
		input := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, Route: &routers.Route{Spec: g.doc, Path: path, PathItem: item, Method: req.Method, Operation: op}},
			Status:                 a.StatusCode, Header: a.Header, Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		}
		input.SetBodyBytes(a.raw)
		require.NoError(g.t, openapi3filter.ValidateResponse(g.t.Context(), input), "%s %s answered what openapi.yaml does not say: %s", req.Method, path, a.raw)
	}
}

// pathMatches compares a path of the description with one that was asked.
func pathMatches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && (!strings.HasPrefix(want[i], "{") || got[i] == "") {
			return false
		}
	}
	return true
}

// is checks status and code in one line.
func (a *answer) is(t *testing.T, status int, code string) *answer {
	t.Helper()
	require.Equal(t, status, a.StatusCode, "%s", a.raw)
	if code != "" {
		require.Equal(t, code, a.body["code"], "%s", a.raw)
	}
	return a
}

// faults lists the values at fault as "where code".
func (a *answer) faults() []string {
	var all []string
	list, _ := a.body["errors"].([]any)
	for _, e := range list {
		f := e.(map[string]any)
		where, ok := f["pointer"].(string)
		if !ok {
			where, _ = f["field"].(string)
		}
		all = append(all, where+" "+f["code"].(string))
	}
	return all
}

func (a *answer) text(path ...string) string {
	var v any = a.body
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	s, _ := v.(string)
	return s
}

// shop is a registered business.
type shop struct {
	access, refresh, user, business string
}

// register signs up a shop whose owner is NAME@example.com.
func (g *gateway) register(name string) shop {
	g.t.Helper()
	a := g.do("POST", "/api/v1/auth/register", "", map[string]any{"email": name + "@example.com", "password": password, "name": name, "business_name": name + "'s shop"}).is(g.t, 201, "")
	return shop{a.text("access_token"), a.text("refresh_token"), a.text("user", "id"), a.text("business", "id")}
}

// token signs an access token, at the time, for the shop's owner or for another member of it in that role, who is made when there is none yet.
func (g *gateway) token(s shop, role accounts.Role, now time.Time) string {
	g.t.Helper()
	user := uuid.MustParse(s.user)
	if role != accounts.Owner {
		user = g.member(s, role, "")
	}
	token, err := g.server.Sessions.Keys.Sign(accounts.Principal{User: user, Tenant: uuid.MustParse(s.business), Role: role}, now)
	require.NoError(g.t, err)
	return token
}

// member returns a member of the shop in that role; the empty access role is the default.
func (g *gateway) member(s shop, role accounts.Role, access accounts.AccessRole) uuid.UUID {
	g.t.Helper()
	user := uuid.NewSHA1(uuid.MustParse(s.business), []byte(string(role)+string(access)))
	g.exec(`insert into accounts.user (id, email, name, password_hash, account_type, email_verified) values ($1::uuid, $1::uuid::text || '@example.com', 'member', '!', 'EMPLOYEE', true) on conflict do nothing`, user)
	g.exec(`insert into accounts.membership (tenant_id, user_id, role, access_role) values ($1, $2, $3, nullif($4, '')) on conflict do nothing`, s.business, user, string(role), string(access))
	return user
}

func (g *gateway) exec(sql string, args ...any) {
	g.t.Helper()
	_, err := g.admin.Exec(context.Background(), sql, args...)
	require.NoError(g.t, err)
}

func (g *gateway) count(sql string, args ...any) (n int) {
	g.t.Helper()
	require.NoError(g.t, g.admin.QueryRow(context.Background(), sql, args...).Scan(&n)) // also called when the test's own context has ended
	return n
}

// mint runs fn as notifier would, and returns the token that it made.
func (g *gateway) mint(business string, fn func(tx *gorm.DB) (string, error)) (token string) {
	g.t.Helper()
	ctx := tenant.With(g.t.Context(), uuid.MustParse(business))
	require.NoError(g.t, g.pg.Open("makola_notifier").InTenant(ctx, func(tx *gorm.DB) (err error) {
		token, err = fn(tx)
		return err
	}))
	require.NotEmpty(g.t, token)
	return token
}

// verify confirms the address of the shop's owner.
func (g *gateway) verify(s shop) {
	g.t.Helper()
	token := g.mint(s.business, func(tx *gorm.DB) (string, error) {
		return accounts.MintVerification(tx, uuid.New(), uuid.MustParse(s.user))
	})
	g.do("POST", "/api/v1/auth/verify-email", "", map[string]any{"token": token}).is(g.t, 200, "")
}

// resetToken returns a token that lets the shop's owner choose a new password.
func (g *gateway) resetToken(s shop) string {
	g.t.Helper()
	return g.mint(s.business, func(tx *gorm.DB) (string, error) {
		return accounts.MintReset(tx, uuid.New(), uuid.MustParse(s.user))
	})
}

// invite invites somebody and returns the invitation's id and the token of its mail.
func (g *gateway) invite(s shop, body map[string]any) (id, token string) {
	g.t.Helper()
	id = g.do("POST", "/api/v1/invitations", s.access, body).is(g.t, 201, "").text("id")
	token = g.mint(s.business, func(tx *gorm.DB) (string, error) { return accounts.MintInvitation(tx, uuid.MustParse(id), 1) })
	return id, token
}

// together sends the same request n times at once and counts the answers by status.
func (g *gateway) together(n int, method, path, token string, body any) map[int]int {
	g.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(g.t, err)
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for range n {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, bytes.NewReader(raw))
			if err != nil {
				return
			}
			req.Header = http.Header{"Content-Type": {"application/json"}}
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return
			}
			_ = res.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[res.StatusCode]++
		})
	}
	wg.Wait()
	return statuses
}
