package celery

import (
	"encoding/json"
	"math"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

func TestResultsHaveCelerysFiveKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		result Result
		want   string
	}{
		"success": {Success("a", json.RawMessage(`3`), nil), `{"task_id":"a","status":"SUCCESS","result":3,"traceback":null,"children":[]}`},
		"success with children": {Success("a", json.RawMessage(`"<b>"`), []string{"c"}),
			`{"task_id":"a","status":"SUCCESS","result":"<b>","traceback":null,"children":[[["c",null],null]]}`},
		"nothing returned": {Success("a", nil, nil), `{"task_id":"a","status":"SUCCESS","result":null,"traceback":null,"children":[]}`},
		"failure": {Failure("a", "ValueError", "builtins", []any{"bad", 3}, "tb"),
			`{"task_id":"a","status":"FAILURE","result":{"exc_message":["bad",3],"exc_module":"builtins","exc_type":"ValueError"},"traceback":"tb","children":[]}`},
		"failure with an argument that JSON cannot say": {Failure("a", "ValueError", "builtins", []any{math.Inf(1)}, ""),
			`{"task_id":"a","status":"FAILURE","result":{"exc_message":["+Inf"],"exc_module":"builtins","exc_type":"ValueError"},"traceback":null,"children":[]}`},
		"retry": {Retry("a", "ValueError", "builtins", []any{"again"}, ""),
			`{"task_id":"a","status":"RETRY","result":{"exc_message":["again"],"exc_module":"builtins","exc_type":"ValueError"},"traceback":null,"children":[[["a",null],null]]}`},
		"revoked": {Revoked("a", RevokedExpired),
			`{"task_id":"a","status":"REVOKED","result":{"exc_message":["expired"],"exc_module":"celery.exceptions","exc_type":"TaskRevokedError"},"traceback":null,"children":[]}`},
		"started":  {Started("a", 7, "w@h"), `{"task_id":"a","status":"STARTED","result":{"hostname":"w@h","pid":7},"traceback":null,"children":[]}`},
		"progress": {Progress("a", 1, 3), `{"task_id":"a","status":"PROGRESS","result":{"current":1,"total":3},"traceback":null,"children":[]}`},
		"result that is not JSON": {Success("a", json.RawMessage(`{`), nil),
			`{"task_id":"a","status":"FAILURE","result":{"exc_message":["the result cannot be encoded"],"exc_module":"builtins","exc_type":"RuntimeError"},"traceback":null,"children":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := c.result.Publishing("corr")
			require.Equal(t, c.want, string(p.Body))
			require.Equal(t, []any{"application/json", "utf-8", amqp.Transient, "corr"}, []any{p.ContentType, p.ContentEncoding, p.DeliveryMode, p.CorrelationId})
			back, err := DecodeResult(p.Body)
			require.NoError(t, err)
			again, err := back.Body()
			require.NoError(t, err)
			require.Equal(t, c.want, string(again), "a stored result is sent again byte for byte")
		})
	}
	require.Equal(t, "a", Success("a", nil, nil).Publishing("").CorrelationId)
	for _, bad := range []string{``, `[]`, `{}`, `{"task_id":"a","status":"X","children":[5]}`} {
		_, err := DecodeResult([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestEveryKindHasAnException(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"permanent", "attempts_used_up", "timeout", "panic", "crash_loop", "unknown_task", "invalid_arguments", "expired", "cancelled",
		"broken_chain", "throttled", "something new"} {
		name, module := ExceptionFor(kind)
		require.NotEmpty(t, name)
		require.Contains(t, []string{"builtins", "celery.exceptions", "billiard.exceptions"}, module)
	}
}
