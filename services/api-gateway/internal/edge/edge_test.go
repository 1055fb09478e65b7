package edge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode) // as NewRouter does; else gin writes to standard output
	os.Exit(m.Run())
}

func TestLimiterRefillsAndForgets(t *testing.T) {
	t.Parallel()
	l := NewLimiter("x", 2, time.Minute)
	now := time.Now()
	left, settle, _, ok := l.take("a", now)
	require.True(t, ok)
	require.Equal(t, 1, left)
	require.Zero(t, settle, "nobody to settle with")
	_, _, _, ok = l.take("a", now)
	require.True(t, ok)
	left, _, wait, ok := l.take("a", now)
	require.False(t, ok)
	require.Zero(t, left)
	require.InDelta(t, 30*time.Second, wait, float64(time.Millisecond))
	_, _, _, ok = l.take("b", now)
	require.True(t, ok, "another key has its own bucket")
	_, _, _, ok = l.take("a", now.Add(30*time.Second))
	require.True(t, ok)

	for i := range maxKeys + 10 {
		l.take(fmt.Sprint(i), now)
	}
	require.Len(t, l.buckets, maxKeys, "a flood of keys does not make it grow")
	require.Equal(t, maxKeys, l.recent.Len())
}

func TestCheckJSONTakesWhatIsRight(t *testing.T) {
	t.Parallel()
	for _, good := range []string{`{}`, ` {"a":{"a":1},"b":[{"a":1},{"a":2}],"c":"a"} `, `[]`, `"a"`, `null`, `1e5`, `{"":1}`} {
		require.NoError(t, checkJSON([]byte(good)), good)
	}
}

func TestCheckJSONRefusesWhatADecoderWouldBend(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{
		"half a surrogate pair":         `{"a":"\ud83d"}`,
		"the other half":                `{"a":"x\ude00y"}`,
		"two first halves":              `{"a":"\ud83d\ud83d"}`,
		"a half before another escape":  `{"a":"\ud83d\n"}`,
		"a half in a name":              `{"\udc00":1}`,
		"a zero character":              `{"a":["x\u0000"]}`,
		"a number beyond a float":       `{"a":1e400}`,
		"a number of a thousand digits": `{"a":` + strings.Repeat("9", 1000) + `}`,
		"a zero byte":                   "{\"a\":\"\x00\"}",
		"a number that is none":         `{"a":NaN}`,
		"text after the value":          `{"a":1} x`,
		"a member twice, escaped":       `{"a":1,"\u0061":2}`,
		"one level too many":            strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
		"a byte order mark":             "\ufeff{}",
		"a comment":                     `{/*x*/}`,
		"a name without quotes":         `{a:1}`,
		"UTF-8 of a surrogate (CESU)":   "{\"a\":\"\xed\xa0\xbd\"}",
		"an overlong slash":             "{\"a\":\"\xc0\xaf\"}",
	} {
		require.Error(t, checkJSON([]byte(bad)), name)
	}
	for _, good := range []string{`{"a":"\ud83d\ude00"}`, `{"a":"\\ud83d"}`, `{"a":"\\\ud83d\ude00"}`, `{"a":1e308,"b":-0.0,"c":12345678901234567890}`} {
		require.NoError(t, checkJSON([]byte(good)), good)
	}
}

// Whatever passes is one JSON value that a decoder reads without losing or bending anything: as many members as there are names, no zero character, no replacement for
// what was broken.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"a":2}`, `[[[[{"a":[]}]]]]`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1}{}`, "\xff", ``, `{"a":"\ud83d\ude00"}`, `"\ud83d"`, `1e400`, `"\u0000"`, `{"\u0061":1,"a":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if checkJSON(raw) != nil {
			return
		}
		var v any
		require.NoError(t, json.Unmarshal(raw, &v))
		require.Equal(t, bytes.Count(stripStrings(raw), []byte(":")), countNames(t, v), "a member was lost")
	})
}

// countNames counts the members of all objects and looks at their texts.
func countNames(t *testing.T, v any) (n int) {
	t.Helper()
	switch v := v.(type) {
	case string:
		require.NotContains(t, v, "\x00")
	case []any:
		for _, item := range v {
			n += countNames(t, item)
		}
	case map[string]any:
		for _, item := range v {
			n += 1 + countNames(t, item)
		}
	}
	return n
}

// stripStrings leaves out what stands between quotes, so that each colon left is a member.
func stripStrings(raw []byte) (out []byte) {
	in := false
	for i := 0; i < len(raw); i++ {
		switch {
		case in && raw[i] == '\\':
			i++
		case raw[i] == '"':
			in = !in
		case !in:
			out = append(out, raw[i])
		}
	}
	return out
}

// Whatever is in the query, it is refused or read as what it says.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"limit=1", "limit=1&limit=2", "%zz", "limit=%00", "limit=%ff", "a;b", "=", "limit", "&&", "%6cimit=1"} {
		f.Add(seed)
	}
	o := &Operation{query: []string{"limit"}}
	f.Fuzz(func(t *testing.T, query string) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: query}}
		if o.checkQuery(c) != nil {
			return
		}
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		require.LessOrEqual(t, len(values), 1)
		for _, v := range values {
			require.True(t, len(v) == 1 && v[0] != "" && utf8.ValidString(v[0]) && !strings.Contains(v[0], "\x00"))
		}
	})
}

func TestServerFinishesWhatItBegan(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}), make(chan struct{})
	s := NewServer("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-goOn
		_, _ = io.WriteString(w, "done")
	}), func(err error) { t.Errorf("server died: %v", err) })
	require.NoError(t, s.Start(t.Context()))
	answer := make(chan string, 1)
	go func() {
		res, err := http.Get("http://" + s.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(t.Context()) }()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", s.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, time.Minute, 5*time.Millisecond, "no new connections while draining")
	close(goOn)
	require.NoError(t, <-stopped)
	require.Equal(t, "done", <-answer)
}

func TestServerGivesUpWhenTimeIsUp(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	s := NewServer("127.0.0.1:0", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(begun); <-end }), func(error) {})
	require.NoError(t, s.Start(t.Context()))
	defer close(end)
	go func() {
		if res, err := http.Get("http://" + s.Addr().String()); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, s.Stop(ctx), "drain requests")
}

func TestAddressInUseIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	err = NewServer(l.Addr().String(), nil, nil).Start(t.Context())
	require.ErrorContains(t, err, "LISTEN_ADDR "+l.Addr().String())
}

func TestRequestIDRule(t *testing.T) {
	t.Parallel()
	require.True(t, requestIDRule.MatchString("0198f3a0-0000-7000-8000-000000000000"))
	for _, bad := range []string{"", "a\nb", "ü", strings.Repeat("x", 129)} {
		require.False(t, requestIDRule.MatchString(bad))
	}
}

func TestAnOperationThatDoesNotSayWhoMayAskForItIsRefused(t *testing.T) {
	t.Parallel()
	load := func(operation string) error {
		doc, err := openapi3.NewLoader().LoadFromData([]byte(`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"security":[{"bearer":[]}],
			"components":{"securitySchemes":{"bearer":{"type":"http","scheme":"bearer"}}},
			"paths":{"/x":{"get":{"operationId":"X","responses":{"200":{"description":"ok"}}` + operation + `}}}}`))
		require.NoError(t, err)
		_, err = NewContract(doc)
		return err
	}
	require.NoError(t, load(`,"x-permission":"member"`))
	require.NoError(t, load(`,"x-permission":"public","security":[]`))
	require.ErrorContains(t, load(``), "no x-permission")
	require.ErrorContains(t, load(`,"x-permission":7`), "no x-permission")
	require.ErrorContains(t, load(`,"x-permission":"public"`), "disagree")
	require.ErrorContains(t, load(`,"x-permission":"member","security":[]`), "disagree")
	require.NoError(t, load(`,"x-permission":"member","x-subscription":"grace"`))
	for _, wrong := range []string{`,"x-permission":"member","x-subscription":"paid"`, `,"x-permission":"member","x-subscription":true`, `,"x-permission":"person","x-subscription":"active"`} {
		require.ErrorContains(t, load(wrong), "x-subscription", "a gate that is misspelt stands open")
	}
}

// raw sends bytes to a fresh server of ours and returns all the answers' first lines and how many requests reached the handler.
func raw(t *testing.T, text string) (lines []string, handled []string) {
	t.Helper()
	reached := make(chan string, 10)
	s := NewServer("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		if err == nil {
			reached <- r.Method + " " + r.URL.Path
		}
		_, _ = io.WriteString(w, "ok")
	}), func(error) {})
	require.NoError(t, s.Start(t.Context()))
	c, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, _ = io.WriteString(c, text) // a server that refuses before it has read all may have closed by now
	_ = c.(*net.TCPConn).CloseWrite()
	scan := bufio.NewScanner(c)
	for scan.Scan() {
		if strings.HasPrefix(scan.Text(), "HTTP/") {
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(scan.Text(), "HTTP/1.1 ")))
		}
	}
	require.NoError(t, s.Stop(t.Context()))
	close(reached)
	for r := range reached {
		handled = append(handled, r)
	}
	return lines, handled
}

// A request that a proxy might read as two, or two as one, is refused or read in the one way that RFC 9112 says.
func TestRequestsAreNotSmuggled(t *testing.T) {
	t.Parallel()
	const hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tc := range map[string]struct {
		request, status string
	}{
		"two lengths":                   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 38\r\n\r\n" + hidden, "400"},
		"a length that is no number":    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde", "400"},
		"a space before the colon":      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nabcde", "400"},
		"an unknown transfer coding":    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
		"two transfer codings":          {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "501"},
		"a chunk size that is none":     {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", "200"},
		"no host":                       {"GET / HTTP/1.1\r\n\r\n", "400"},
		"two hosts":                     {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		"a line break in a header":      {"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", "400"},
		"headers of more than 36 KiB":   {"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", "431"},
		"a protocol that nobody speaks": {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "505"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, handled := raw(t, tc.request)
			require.NotEmpty(t, lines)
			require.True(t, strings.HasPrefix(lines[0], tc.status), "%v", lines)
			require.NotContains(t, handled, "GET /hidden")
			require.Empty(t, handled, "no handler saw a whole request")
		})
	}
	// With both, the chunks decide and the connection ends, so nothing can hide behind the length.
	lines, handled := raw(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+hidden)
	require.Len(t, lines, 1, "%v", lines)
	require.Equal(t, []string{"POST /"}, handled)
}

func TestAClientThatDripsItsHeadersIsCutOff(t *testing.T) {
	t.Parallel()
	s := NewServer("127.0.0.1:0", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("no request arrived in full") }), func(error) {})
	s.server.ReadHeaderTimeout = 200 * time.Millisecond
	require.NoError(t, s.Start(t.Context()))
	c, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nA: ") // whoever was held up for 200 ms finds the connection closed
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = io.ReadAll(c)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server closes, long before our own patience ends")
	require.NoError(t, s.Stop(t.Context()))
}

func TestServerServesOnWhileTheLoadBalancerLearns(t *testing.T) {
	t.Parallel()
	s := NewServer("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }), func(error) {})
	s.DrainWait = time.Minute
	drained := make(chan struct{})
	s.OnDrain(func() { close(drained) })
	closed := make(chan struct{})
	s.server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	require.NoError(t, s.Start(t.Context()))
	ctx, goOn := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(ctx) }()
	res, err := http.Get("http://" + s.Addr().String())
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	select {
	case <-drained:
		t.Fatal("drains before the wait is over")
	default:
	}
	<-closed // no connection outlives its request now, so a Stop out of time finds none to break off
	goOn()   // time is up
	<-drained
	require.NoError(t, <-stopped)
}
