package edge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

func TestLimiterRefillsAndForgets(t *testing.T) {
	t.Parallel()
	l := NewLimiter("x", 2, time.Minute)
	now := time.Now()
	left, _, ok := l.take("a", now)
	require.True(t, ok)
	require.Equal(t, 1, left)
	_, _, ok = l.take("a", now)
	require.True(t, ok)
	left, wait, ok := l.take("a", now)
	require.False(t, ok)
	require.Zero(t, left)
	require.InDelta(t, 30*time.Second, wait, float64(time.Millisecond))
	_, _, ok = l.take("b", now)
	require.True(t, ok, "another key has its own bucket")
	_, _, ok = l.take("a", now.Add(30*time.Second))
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

// Whatever passes is one JSON value, and the walk neither panics nor loops.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1,"a":2}`, `[[[[{"a":[]}]]]]`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1}{}`, "\xff", ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if checkJSON(raw) == nil {
			require.NotEmpty(t, bytes.TrimSpace(raw))
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
	}, 5*time.Second, 5*time.Millisecond, "no new connections while draining")
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
}
