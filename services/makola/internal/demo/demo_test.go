package demo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestACallSaysWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		body   string
		want   string
	}{
		"a problem document":     {409, `{"title": "Conflict", "detail": "Somebody is registered.", "request_id": "r-7"}`, `the gateway refused POST /x: 409 Conflict Somebody is registered. (request r-7)`},
		"the simulator's answer": {404, `{"status": false, "message": "no such reference"}`, "404 no such reference"},
		"another server's page":  {502, "<html>bad gateway</html>", "502 <html>bad gateway</html>"},
		"not JSON":               {200, "<html>", "read the answer of the gateway to POST /x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			t.Cleanup(server.Close)
			var out struct{}
			err := newCaller("gateway", server.URL+"/").call(t.Context(), http.MethodPost, "/x", nil, map[string]string{}, &out)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestRunSaysWhichServerIsMissing(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), Stack{Gateway: "http://127.0.0.1:1"})
	require.ErrorContains(t, err, "reach the gateway; does it run there?")
}

func TestAwaitIsBoundedAndKeepsTheReason(t *testing.T) {
	t.Parallel()
	err := await(t.Context(), "the arrival", time.Second, func(context.Context) (bool, error) { return false, errors.New("no route") })
	require.ErrorContains(t, err, "the arrival did not happen within 1s: no route")
	err = await(t.Context(), "the arrival", time.Second, func(context.Context) (bool, error) { return false, nil })
	require.ErrorContains(t, err, "makola task list")
}
