package outbound_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"makola/pkg/outbound"
)

// loopback lets a client reach httptest's servers.
func loopback() outbound.Config {
	return outbound.Config{AllowNetworks: outbound.DevelopmentNetworks(), AllowPlainHTTP: true}
}

func get(t *testing.T, c *http.Client, target string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err == nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

func TestPrivateAddressesAreRefusedWhenDialled(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	client := outbound.New(outbound.Config{AllowPlainHTTP: true, Timeout: 10 * time.Second})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1",
		"169.254.169.254", "100.100.100.200", "198.18.0.1", "224.0.0.1", "255.255.255.255", "[fe80::1]", "[fd00:ec2::254]",
		"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[100:0:0:1::1]", "[5f00::1]", "[4000::1]",
	} {
		if _, err := get(t, client, "http://"+host+port); !errors.Is(err, outbound.ErrForbiddenAddress) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestAllowedNetworkOpensOnlyItself(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	client := outbound.New(outbound.Config{AllowPlainHTTP: true, AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if resp, err := get(t, client, server.URL); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Fatalf("allowed address: %v", err)
	}
	if _, err := get(t, client, "http://127.0.0.2:1"); !errors.Is(err, outbound.ErrForbiddenAddress) {
		t.Errorf("neighbour: %v", err)
	}
	if _, err := get(t, outbound.New(loopback()), "http://169.254.169.254/"); !errors.Is(err, outbound.ErrForbiddenAddress) {
		t.Errorf("metadata service with the development networks: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/private":
			http.Redirect(w, r, "http://10.1.2.3/", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, server.URL+"/loop", http.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	if resp, err := get(t, outbound.New(loopback()), server.URL+"/private"); err != nil || resp.StatusCode != http.StatusFound {
		t.Errorf("without MaxRedirects the answer itself comes back: %v", err)
	}
	cfg := loopback()
	cfg.MaxRedirects = 3
	cfg.AllowNetworks = cfg.AllowNetworks[:1]
	following := outbound.New(cfg)
	if _, err := get(t, following, server.URL+"/private"); !errors.Is(err, outbound.ErrForbiddenAddress) {
		t.Errorf("redirect to a private address: %v", err)
	}
	if _, err := get(t, following, server.URL+"/loop"); !errors.Is(err, outbound.ErrTooManyRedirects) {
		t.Errorf("redirect loop: %v", err)
	}
}

func TestPlainHTTPIsRefusedUnlessAllowed(t *testing.T) {
	t.Parallel()
	client := outbound.New(outbound.Config{})
	for _, target := range []string{"http://paystack.example/", "ftp://paystack.example/"} {
		if _, err := get(t, client, target); !errors.Is(err, outbound.ErrInsecureScheme) {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestResponseSizeIsBoundedAfterDecompression(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			_, _ = w.Write(bytes.Repeat([]byte("a"), 1000))
		case "/announced":
			w.Header().Set("Content-Length", "1001")
			_, _ = w.Write(bytes.Repeat([]byte("a"), 1001))
		case "/streamed":
			for range 20 {
				_, _ = w.Write(bytes.Repeat([]byte("a"), 100))
				_ = http.NewResponseController(w).Flush()
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			_, _ = zip.Write(make([]byte, 1<<20))
			_ = zip.Close()
		}
	}))
	t.Cleanup(server.Close)
	cfg := loopback()
	cfg.MaxResponseBytes = 1000
	client := outbound.New(cfg)
	for path, want := range map[string]error{
		"/exact": nil, "/announced": outbound.ErrResponseTooLarge, "/streamed": outbound.ErrResponseTooLarge, "/bomb": outbound.ErrResponseTooLarge,
	} {
		resp, err := get(t, client, server.URL+path)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(resp.Body)
		}
		if !errors.Is(err, want) || (want == nil) != (err == nil) || len(body) > 1000 {
			t.Errorf("%s: %d bytes, %v, want %v", path, len(body), err, want)
		}
	}
}

func TestTimeoutCoversTheBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	cfg := loopback()
	cfg.Timeout = 5 * time.Second // the header has to come within it, on a busy machine too
	resp, err := get(t, outbound.New(cfg), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stalled body: %v", err)
	}
}

func TestLogsCarryNoSecrets(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	var log bytes.Buffer
	cfg := loopback()
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client := outbound.New(cfg)
	target, err := url.Parse(server.URL + "/secret-path?key=secret-query")
	if err != nil {
		t.Fatal(err)
	}
	target.User = url.UserPassword("someone", "secret-password")
	for _, address := range []string{target.String(), "http://169.254.1.1/secret-path?key=secret-query"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("secret-body"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer secret-token")
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}
	if !strings.Contains(log.String(), "status=404") || !strings.Contains(log.String(), "outbound request failed") {
		t.Errorf("log: %s", log.String())
	}
	if strings.Contains(log.String(), "secret-") {
		t.Errorf("a secret was logged: %s", log.String())
	}
}

func TestValidateInProduction(t *testing.T) {
	t.Parallel()
	if err := loopback().Validate(false); err != nil {
		t.Errorf("development: %v", err)
	}
	err := loopback().Validate(true)
	if err == nil || !strings.Contains(err.Error(), "OUTBOUND_ALLOW_NETWORKS") || !strings.Contains(err.Error(), "OUTBOUND_ALLOW_PLAIN_HTTP") {
		t.Errorf("production: %v", err)
	}
	if err := (outbound.Config{}).Validate(true); err != nil {
		t.Errorf("strict in production: %v", err)
	}
}
