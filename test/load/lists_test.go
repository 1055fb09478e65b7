package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"makola/test/stack"
)

// listShops times three is how many shops the lists are read among. LISTS_SCALE=100 takes the load set of `make seed SCALE=100`, 15 million rows, which takes five minutes to make.
const listShops = 5

// listAsks is how often each list is read.
const listAsks = 100

// lists are what a shop's people look at all day. The shops' year ends on 30 June 2026.
var lists = []struct{ what, path string }{
	{"sales, the newest page", "/sales"},
	{"sales, a page of 100", "/sales?limit=100"},
	{"sales of a month", "/sales?from=2026-06-01&to=2026-06-30"},
	{"sales that something is due for", "/sales?min_due=1.00"},
	{"customers whose name has four letters", "/customers?q=ahen"},
	{"customers whose name has two letters", "/customers?q=am"},
	{"products", "/products"},
	{"products by name", "/products?q=milk"},
	{"products that are low", "/products?status=LOW_STOCK"},
	{"movements, the newest page", "/stock-movements"},
	{"receivables", "/receivables"},
	{"summary of a month", "/sales/summary?from=2026-06-01&to=2026-06-30"},
	{"summary of a year", "/sales/summary?from=2025-07-02&to=2026-06-30"},
}

// BenchmarkLists reads the lists of the shop with the most sales among many shops, over HTTP with one connection. The floor is the smallest answer there is for somebody
// who is signed in: who they are.
func BenchmarkLists(b *testing.B) {
	scale := listShops
	if s := os.Getenv("LISTS_SCALE"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatalf("LISTS_SCALE: %v", err)
		}
		scale = n
	}
	s := stack.New(b)
	seed := exec.CommandContext(b.Context(), stack.Program(b, "makola"), "seed", "--scale", strconv.Itoa(scale), "--until", "2026-06-30")
	seed.Env = []string{"MAKOLA_ENV=development", "DATABASE_URL=" + s.DB.URL("makola_owner")}
	if out, err := seed.CombinedOutput(); err != nil {
		b.Fatalf("seed: %v\n%s", err, out)
	}
	gateway := s.Start("api-gateway", "RATE_REQUESTS_PER_SECOND=1000000")
	stack.Ready(b, gateway)
	var owner string
	var sales, lines int
	if err := s.DB.Admin().QueryRow(b.Context(), `select u.email, s.n, (select count(*) from sales.sale_item)
		from (select tenant_id, count(*) as n from sales.sale group by 1 order by 2 desc limit 1) s join accounts.business b on b.id = s.tenant_id join accounts."user" u on u.id = b.owner_id`).
		Scan(&owner, &sales, &lines); err != nil {
		b.Fatalf("find the largest shop: %v", err)
	}
	client := &http.Client{Timeout: time.Minute}
	token := logIn(b, client, s.Gateway, owner)
	floor := ask(b, client, "http://"+s.Gateway+"/api/v1/users/me", token)
	note(fmt.Sprintf("lists of a shop of %d sales among %d shops with %d lines of sales: floor", sales, 3*scale, lines), "p50 %s, p99 %s", ms(floor.at(500)), ms(floor.at(990)))
	for _, l := range lists {
		took := ask(b, client, "http://"+s.Gateway+"/api/v1"+l.path, token)
		note(l.what, "p50 %s, p99 %s; %s of the floor", ms(took.at(500)), ms(took.at(990)), share(int(took.at(500)), int(floor.at(500))))
	}
}

// logIn signs a demo owner in and returns the token.
func logIn(b *testing.B, client *http.Client, gateway, email string) string {
	b.Helper()
	body := fmt.Sprintf(`{"email":%q,"password":"akwaaba-makola"}`, email)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+gateway+"/api/v1/auth/login", bytes.NewBufferString(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		b.Fatalf("log in: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var a struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("log in: status %d: %v", resp.StatusCode, err)
	}
	return a.Token
}

// ask reads one address many times over one connection, and says how long each took.
func ask(b *testing.B, client *http.Client, url, token string) latencies {
	b.Helper()
	took := make(latencies, 0, listAsks)
	for i := range listAsks + 5 { // the first warm statements and caches
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		began := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			b.Fatalf("ask: %v", err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("%s: status %d: %v", url, resp.StatusCode, err)
		}
		if i >= 5 {
			took = append(took, time.Since(began))
		}
	}
	return took
}
