package celery

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReprIsPythons(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`null`: `None`, `true`: `True`, `3`: `3`, `1.50`: `1.50`, `"a"`: `'a'`, `"it's"`: `"it's"`, `"a'b\"c"`: `'a\'b"c'`, `"a\nb\u0001"`: `'a\nb\x01'`,
		`[]`: `[]`, `{}`: `{}`, `[1, "x", null, [false]]`: `[1, 'x', None, [False]]`,
		`{"rows":3,"list":[1,{"a":{}}],"note":"é"}`: `{'rows': 3, 'list': [1, {'a': {}}], 'note': 'é'}`,
		`9007199254740993`:                          `9007199254740993`,
		`[1`:                                        `<2 bytes>`,
		``:                                          `<0 bytes>`,
	} {
		require.Equal(t, want, Repr(json.RawMessage(raw)), raw)
	}
}

func TestMonitorsSeeNoSecrets(t *testing.T) {
	t.Parallel()
	raw := json.RawMessage(`{"password":"hunter2","db_password":["hunter2"],"API-Key":{"a":"hunter2","b":[1]},"token_id":"7","nothing":{"secret":null},"to":"ama@example.com",
		"url":"amqp://guest:hunter2@host/v","text":"Authorization: Bearer hunter2 and token=hunter2&x=1","pin":1234,"customer_email":"ama@example.com","n":5,
		"key":"sk_live_hunter2hunter2","jwt":"eyJhbGciOiJI.hunter2.hunter2"}`)
	for _, shown := range []string{Repr(raw), string(Redacted(raw, "{}"))} {
		require.NotContains(t, shown, "hunter2")
		require.NotContains(t, shown, "ama@example.com")
		require.NotContains(t, shown, "1234")
		require.Contains(t, shown, "token_id")
		require.Contains(t, shown, "amqp://guest:********@host/v")
		require.Contains(t, shown, "token=********&x=1")
	}
	var back map[string]any
	require.NoError(t, json.Unmarshal(Redacted(raw, "{}"), &back))
	require.EqualValues(t, 5, back["n"])
	require.Equal(t, "7", back["token_id"])
	require.Equal(t, map[string]any{"secret": nil}, back["nothing"], "an empty secret hides nothing")
	require.Equal(t, "connect to amqp://u:********@h:5672/v: refused", Shown("connect to amqp://u:p4ss@h:5672/v: refused"))
	require.Equal(t, `{"password": "********"}`, Shown(`{"password": "hunter2"}`))
}

func TestWhatMonitorsSeeIsShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 5000)
	require.Less(t, len(Shown(long)), MaxShown+8)
	quoted, err := json.Marshal(map[string]string{"a": long, "b": long})
	require.NoError(t, err)
	require.Less(t, len(Repr(quoted)), 2*MaxShown)
	require.True(t, strings.HasSuffix(Repr(quoted), "…"))
	many := json.RawMessage("[" + strings.Repeat("1,", 10_000) + "1]")
	require.Less(t, len(Repr(many)), 2*MaxShown)
	require.Equal(t, `[]`, string(Redacted(many, "[]")), "half a list would not be JSON")
	require.Equal(t, `<100000 bytes>`, Repr(json.RawMessage(strings.Repeat("[", 100_000))))
}

func FuzzRedacted(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"password":[1,{"x":2}]}],"b":null}`, `[[[]]]`, `"x"`, `{"token":{"a":1},"b":2}`, `1 2`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if out := Redacted(raw, "[]"); json.Valid(raw) && !json.Valid(out) {
			t.Fatalf("%q became %q", raw, out)
		}
		_ = Repr(raw)
	})
}
