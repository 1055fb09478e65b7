package problem_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/problem"
)

var errTooFew = problem.New(problem.Conflict, "too_few_credits", "The balance does not cover this.")

func TestFromPicksTheStatus(t *testing.T) {
	t.Parallel()
	var number struct{ Items struct{ Quantity int } }
	for name, tc := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"a declared error, wrapped":          {fmt.Errorf("charge: %w", errTooFew), 409, "too_few_credits"},
		"a declared error, joined":           {errors.Join(io.EOF, errTooFew), 409, "too_few_credits"},
		"a body above the limit":             {fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 10}), 413, "too_large"},
		"broken JSON":                        {json.Unmarshal([]byte("{"), &number), 400, "malformed_json"},
		"a wrong JSON type":                  {json.Unmarshal([]byte(`{"Items":{"Quantity":"x"}}`), &number), 422, "invalid"},
		"a body that ends early":             {io.ErrUnexpectedEOF, 400, "malformed"},
		"our time limit":                     {fmt.Errorf("query: %w", context.DeadlineExceeded), 503, "timeout"},
		"a client that left":                 {context.Canceled, 503, "unavailable"},
		"no such row":                        {gorm.ErrRecordNotFound, 404, "not_found"},
		"a duplicate row":                    {gorm.ErrDuplicatedKey, 409, "already_exists"},
		"a serialization failure":            {&pgconn.PgError{Code: "40001"}, 503, "unavailable"},
		"a statement timeout":                {&pgconn.PgError{Code: "57014"}, 503, "unavailable"},
		"a constraint nobody translated":     {&pgconn.PgError{Code: "23514", Message: "secret"}, 500, "internal"},
		"a database that is not there":       {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, 503, "unavailable"},
		"anything else":                      {errors.New("secret"), 500, "internal"},
		"an internal error with a detail":    {problem.New(problem.Internal, "secret", "secret"), 500, "internal"},
		"a kind that does not exist":         {problem.New(problem.Kind(99), "secret", "secret"), 500, "internal"},
		"nil, which nobody should answer to": {nil, 500, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := problem.From(tc.err)
			require.Equal(t, tc.status, p.Status)
			require.Equal(t, tc.code, p.Code)
			require.Equal(t, "/problems/"+tc.code, p.Type)
			require.Equal(t, http.StatusText(tc.status), p.Title)
			body, err := json.Marshal(p)
			require.NoError(t, err)
			require.NotContains(t, string(body), "secret")
		})
	}
}

func TestEveryKindHasItsStatus(t *testing.T) {
	t.Parallel()
	for kind, status := range map[problem.Kind]int{
		problem.Internal: 500, problem.Malformed: 400, problem.Unauthenticated: 401, problem.Forbidden: 403, problem.NotFound: 404,
		problem.MethodNotAllowed: 405, problem.NotAcceptable: 406, problem.Conflict: 409, problem.Gone: 410, problem.Precondition: 412,
		problem.TooLarge: 413, problem.UnsupportedMedia: 415, problem.Invalid: 422, problem.TooMany: 429, problem.BadGateway: 502, problem.Unavailable: 503,
	} {
		require.Equal(t, status, kind.Status(), kind.String())
		require.Equal(t, status, problem.From(problem.New(kind, "", "")).Status)
	}
}

func TestWriteAnswersAsRFC9457(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("secret around it: %w", problem.New(problem.Invalid, "", "", problem.FieldError{
		Pointer: "/email", Field: "email", Code: "required", Message: "is missing",
	}))
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "req-1")
	w.Header().Set("ETag", `"stale"`)
	require.Equal(t, 422, problem.WriteError(w, httptest.NewRequest("POST", "/api/v1/a%20b?token=secret", nil), err))

	require.Equal(t, 422, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Empty(t, w.Header().Get("ETag"))
	require.JSONEq(t, `{"type":"/problems/invalid","title":"Unprocessable Entity","status":422,"detail":"Some values are not valid.",
		"instance":"/api/v1/a%20b","code":"invalid","request_id":"req-1",
		"errors":[{"pointer":"/email","field":"email","code":"required","message":"is missing"}]}`, w.Body.String())
}

func TestWriteHeaders(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	problem.WriteError(w, httptest.NewRequest("HEAD", "/", nil), problem.Later(problem.TooMany, "", "", 1500*time.Millisecond))
	require.Equal(t, "2", w.Header().Get("Retry-After"), "rounded up, so that nobody comes back too early")
	require.Zero(t, w.Body.Len())

	w = httptest.NewRecorder()
	problem.WriteError(w, httptest.NewRequest("GET", "/", nil), problem.New(problem.Unauthenticated, "token_expired", "Refresh it."))
	require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
}

func TestCatalogueHoldsGeneralAndDeclaredCodesOnce(t *testing.T) {
	t.Parallel()
	md := problem.Markdown(problem.Catalogue(errTooFew, errTooFew, errors.New("not one of ours")))
	for _, code := range []string{"too_few_credits", "internal", "timeout", "too_many_requests"} {
		require.Equal(t, 1, strings.Count(md, "`"+code+"`"), code)
	}
	require.NotContains(t, md, "not one of ours")
}
