package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"makola/test/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }

// house is a stack with everything running, as `make up` would.
type house struct {
	*stack.Stack
	t         *testing.T
	look      *pgxpool.Pool // as superuser, to see what no role may
	processes map[string]*stack.Process
	// operatorURL is the broker as the operator's command may use it, where a test runs that.
	operatorURL string
}

// newHouse makes a house in which nothing runs.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{Stack: stack.New(t), t: t, processes: map[string]*stack.Process{}}
	look, err := pgxpool.New(t.Context(), h.DB.URL(""))
	require.NoError(t, err)
	t.Cleanup(look.Close)
	h.look = look
	return h
}

// in is the same house for a subtest.
func (h *house) in(t *testing.T) *house {
	t.Helper()
	sub := *h
	sub.t = t
	return &sub
}

// services are the product's own programs; stand-ins play the world outside.
var (
	services = []string{"api-gateway", "billing-worker", "inventory-worker", "reports-worker", "notifier", "cron"}
	standIns = []string{"paystack-simulator", "mail-viewer"}
)

// open runs the programs and waits until they are ready.
func open(t *testing.T, names ...string) *house {
	t.Helper()
	h := newHouse(t)
	var all []*stack.Process
	for _, name := range names {
		h.processes[name] = h.Start(name)
		all = append(all, h.processes[name])
	}
	stack.Ready(t, all...)
	return h
}

// count asks the database for one number.
func (h *house) count(query string, args ...any) (n int) {
	h.t.Helper()
	require.NoError(h.t, h.look.QueryRow(h.t.Context(), query, args...).Scan(&n))
	return n
}

// answer is an HTTP answer. Body is decoded JSON when the answer was JSON.
type answer struct {
	Status int
	Header http.Header
	Text   string
	Body   map[string]any
}

// at walks into the body: at("user", "email").
func (a answer) at(path ...string) any {
	var v any = a.Body
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// call sends one request and reads the whole answer. Headers are name, value, name, value.
func call(t testing.TB, method, address string, body []byte, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	require.NoError(t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if len(body) > 1<<20 {
		req.Header.Set("Expect", "100-continue") // whoever refuses the size can say so before the body is on its way
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: 10 * time.Second}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := answer{Status: resp.StatusCode, Header: resp.Header, Text: string(raw)}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		require.NoError(t, json.Unmarshal(raw, &a.Body), "%s %s answered %q", method, address, raw)
	}
	return a
}

// shop is a registered business and its owner's session.
type shop struct {
	h     *house
	Email string
	ID    uuid.UUID
	token string
}

// register registers a shop with a name of its own.
func (h *house) register() *shop {
	h.t.Helper()
	name := uuid.NewString()[:8]
	s := &shop{h: h, Email: "ama." + name + "@example.com"}
	a := call(h.t, http.MethodPost, "http://"+h.Gateway+"/api/v1/auth/register", mustJSON(h.t, map[string]any{
		"email": s.Email, "password": "correct horse battery", "name": "Ama Mensah", "business_name": "Ama's Provisions " + name,
	}))
	require.Equal(h.t, http.StatusCreated, a.Status, a.Text)
	s.token = text(a.at("access_token"))
	s.ID = uuid.MustParse(text(a.at("business", "id")))
	return s
}

// do calls the API as the shop's owner.
func (s *shop) do(method, path string, body any, headers ...string) answer {
	s.h.t.Helper()
	var raw []byte
	if body != nil {
		raw = mustJSON(s.h.t, body)
	}
	return call(s.h.t, method, "http://"+s.h.Gateway+path, raw, append([]string{"Authorization", "Bearer " + s.token}, headers...)...)
}

// get is do for a path that must answer 200.
func (s *shop) get(path string) answer {
	s.h.t.Helper()
	a := s.do(http.MethodGet, path, nil)
	require.Equal(s.h.t, http.StatusOK, a.Status, a.Text)
	return a
}

// buy starts a purchase and returns its reference and the page to pay on.
func (s *shop) buy(pkg string) (reference, page string) {
	s.h.t.Helper()
	a := s.do(http.MethodPost, "/api/v1/ai/credits/purchases", map[string]any{"package": pkg, "method": "mobile_money"}, "Idempotency-Key", uuid.NewString())
	require.Equal(s.h.t, http.StatusCreated, a.Status, a.Text)
	require.Equal(s.h.t, "pending", a.at("status"))
	return text(a.at("reference")), text(a.at("authorization_url"))
}

// status is where a purchase stands.
func (s *shop) status(reference string) string {
	s.h.t.Helper()
	return text(s.get("/api/v1/ai/credits/purchases/" + reference).at("status"))
}

// eventually waits until the purchase has the status.
func (s *shop) eventually(reference, status string) {
	s.h.t.Helper()
	stack.Eventually(s.h.t, "the purchase is "+status, func() bool { return s.status(reference) == status })
}

// balance is what the shop may spend, as the API says it.
func (s *shop) balance() string {
	s.h.t.Helper()
	return text(s.get("/api/v1/ai/credits/balance").at("balance"))
}

// press pushes a button of the simulator's checkout page: pay, fail, twice or lose.
func (h *house) press(page, button string) {
	h.t.Helper()
	a := call(h.t, http.MethodPost, page, []byte(url.Values{"mode": {button}}.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(h.t, http.StatusSeeOther, a.Status, a.Text)
}

// play makes the simulator act as a customer in one of the ways that its page does not offer.
func (h *house) play(reference, mode string) {
	h.t.Helper()
	a := call(h.t, http.MethodPost, "http://"+h.Simulator+"/_control/pay", mustJSON(h.t, map[string]any{"reference": reference, "mode": mode}))
	require.Equal(h.t, http.StatusOK, a.Status, a.Text)
}

// letter is a mail as the mail viewer shows it.
type letter struct {
	ID, Subject, Text, HTML string
	To                      []string
}

// letters are the mails to an address whose subject has the words, newest first.
func (h *house) letters(to, subject string) (found []letter) {
	h.t.Helper()
	var list struct{ Messages []letter }
	a := call(h.t, http.MethodGet, "http://"+h.Mail+"/api/messages?to="+url.QueryEscape(to), nil)
	require.NoError(h.t, json.Unmarshal([]byte(a.Text), &list))
	for _, m := range list.Messages {
		if strings.Contains(m.Subject, subject) {
			var whole letter
			require.NoError(h.t, json.Unmarshal([]byte(call(h.t, http.MethodGet, "http://"+h.Mail+"/api/messages/"+m.ID, nil).Text), &whole))
			found = append(found, whole)
		}
	}
	return found
}

// letter waits for one mail and returns it.
func (h *house) letter(to, subject string) (l letter) {
	h.t.Helper()
	stack.Eventually(h.t, fmt.Sprintf("a mail with %q arrives", subject), func() bool {
		found := h.letters(to, subject)
		if len(found) > 0 {
			l = found[0]
		}
		return len(found) > 0
	})
	return l
}

// text is a JSON string, or empty.
func text(v any) string {
	s, _ := v.(string)
	return s
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return raw
}
