package celery

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEncodeFollowsThePublishRules(t *testing.T) {
	t.Parallel()
	eta := time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.FixedZone("", 3600))
	p, err := Encode(Message{ID: "a-1", Task: "shop.add", Kwargs: json.RawMessage(`{"it's":"<secret>"}`), ETA: &eta, HardLimit: 1500 * time.Millisecond,
		ReplyTo: "back", Headers: map[string]any{"tenant": "acme", "n": 5}})
	require.NoError(t, err)
	require.Equal(t, `[[], {"it's":"<secret>"}, {"callbacks":null,"errbacks":null,"chain":null,"chord":null}]`, string(p.Body))
	require.Equal(t, amqp.Table{
		"lang": "go", "task": "shop.add", "id": "a-1", "shadow": nil, "eta": "2026-03-04T04:06:07.123456Z", "expires": nil, "group": nil, "group_index": nil,
		"retries": int64(0), "timelimit": []any{1.5, nil}, "root_id": "a-1", "parent_id": nil, "argsrepr": "[]", "kwargsrepr": `{...}`, "origin": nil,
		"ignore_result": false, "tenant": "acme", "n": int64(5),
	}, p.Headers)
	require.Equal(t, []any{"application/json", "utf-8", uint8(2), "a-1", "back", ""},
		[]any{p.ContentType, p.ContentEncoding, p.DeliveryMode, p.CorrelationId, p.ReplyTo, p.Expiration})
}

func TestEncodeRefusesMistakes(t *testing.T) {
	t.Parallel()
	good := Message{ID: "a", Task: "b"}
	for name, change := range map[string]func(*Message){
		"no id":                 func(m *Message) { m.ID = "" },
		"no task":               func(m *Message) { m.Task = "" },
		"long id":               func(m *Message) { m.ID = strings.Repeat("x", 256) },
		"args that are no list": func(m *Message) { m.Args = json.RawMessage(`{}`) },
		"kwargs that are none":  func(m *Message) { m.Kwargs = json.RawMessage(`[]`) },
		"args cut short":        func(m *Message) { m.Args = json.RawMessage(`[1`) },
		"NaN":                   func(m *Message) { m.Args = json.RawMessage(`[NaN]`) },
		"body by injection":     func(m *Message) { m.Args = json.RawMessage(`[], [`) },
		"protocol header":       func(m *Message) { m.Headers = map[string]any{"eta": "x"} },
		"header of odd type":    func(m *Message) { m.Headers = map[string]any{"x": struct{}{}} },
		"chord":                 func(m *Message) { m.HasChord = true },
	} {
		m := good
		change(&m)
		_, err := Encode(m)
		require.Error(t, err, name)
	}
	_, err := Encode(good)
	require.NoError(t, err)
}

func drawMessage(t *rapid.T) Message {
	name := rapid.StringMatching(`[a-z]{1,8}\.[a-z_]{1,12}`)
	word := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[a-zA-Z0-9-]{1,36}`))
	moment := func(label string) *time.Time {
		if rapid.Bool().Draw(t, label+" given") {
			return nil
		}
		at := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, label)).UTC()
		return &at
	}
	kwargs, err := ProtoToKwargs(drawEcho(t))
	if err != nil {
		t.Fatal(err)
	}
	args, err := encodeJSON(rapid.SliceOfN(drawText(), 0, 3).Draw(t, "args"))
	if err != nil {
		t.Fatal(err)
	}
	m := Message{
		ID: rapid.StringMatching(`[a-z0-9-]{1,36}`).Draw(t, "id"), Task: name.Draw(t, "task"), Args: args, Kwargs: kwargs,
		ETA: moment("eta"), Expires: moment("expires"), Retries: rapid.IntRange(0, 99).Draw(t, "retries"),
		HardLimit: time.Duration(rapid.IntRange(0, 1e6).Draw(t, "hard")) * time.Second, SoftLimit: time.Duration(rapid.IntRange(0, 40).Draw(t, "soft")) * 250 * time.Millisecond,
		ParentID: word.Draw(t, "parent"), Group: word.Draw(t, "group"), ReplyTo: word.Draw(t, "reply"), IgnoreResult: rapid.Bool().Draw(t, "ignore"),
		Origin: word.Draw(t, "origin"), Shadow: word.Draw(t, "shadow"), Lang: "go",
	}
	m.RootID, m.CorrelationID = m.ID, m.ID
	for i := range rapid.IntRange(0, 3).Draw(t, "chain") {
		m.Chain = append(m.Chain, Signature{Task: name.Draw(t, "next"), Args: json.RawMessage(`["<&>"]`), Immutable: i%2 == 0,
			Options: map[string]json.RawMessage{"task_id": json.RawMessage(`"t-1"`)}, Extra: map[string]json.RawMessage{"chord_size": json.RawMessage(`null`)}})
	}
	if rapid.Bool().Draw(t, "tenant") {
		m.Headers = map[string]any{"tenant": "acme", "depth": int64(3), "list": []any{true, nil, map[string]any{"a": "b"}}}
	}
	return m
}

func TestMessagesSurviveTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawMessage(t)
		p, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(&amqp.Delivery{Headers: p.Headers, ContentType: p.ContentType, ContentEncoding: p.ContentEncoding, CorrelationId: p.CorrelationId,
			ReplyTo: p.ReplyTo, Body: p.Body}, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Chain {
			want.Chain[i].Kwargs = json.RawMessage(`{}`)
		}
		if diff := cmp.Diff(&want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestSignatureKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	const raw = `{"task":"shop.add","args":[12.30],"kwargs":{"a":null},"options":{"task_id":"x","new":[1]},"subtask_type":null,"immutable":true,"chord_size":null,"later":{"b":2}}`
	var s Signature
	require.NoError(t, json.Unmarshal([]byte(raw), &s))
	again, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, raw, string(again))
	require.Contains(t, string(again), "12.30")
	for _, bad := range []string{`5`, `{}`, `{"task":5}`, `{"task":"a","options":[]}`, `{"task":"a","kwargs":[]}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &s), bad)
	}
}

func TestChainContinues(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	d := pythonDelivery()
	d.Body = []byte(`[[1, 2], {}, {"chord": null, "errbacks": [{"task":"shop.alarm","args":["x"]}],
		"callbacks": [{"task":"shop.log","immutable":true,"args":[9],"options":{"queue":"logs","countdown":1.5}}],
		"chain": [{"task":"shop.third","args":[],"kwargs":{},"options":{"task_id":"t-3"}},
		          {"task":"shop.second","args":[10],"kwargs":{"k":1},"options":{"task_id":"t-2","reply_to":"back","headers":{"tenant":"own","n":2}},"subtask_type":null}]}]`)
	m, err := Decode(d, Limits{})
	require.NoError(t, err)
	require.NoError(t, m.Unsupported())

	owed, err := OnSuccess(m, json.RawMessage(`{"sum":3}`), now)
	require.NoError(t, err)
	require.Len(t, owed, 2)
	log, second := owed[0], owed[1]
	require.Equal(t, []any{"shop.log", `[9]`, "logs", now.Add(1500 * time.Millisecond), "root-1", m.ID, "acme"},
		[]any{log.Task, string(log.Args), log.Queue, *log.ETA, log.RootID, log.ParentID, log.Headers["tenant"]})
	require.Len(t, log.ID, 36)
	require.Equal(t, []any{"t-2", "shop.second", `[{"sum":3},10]`, `{"k":1}`, "back", "t-2", "root-1", m.ID, "own", int64(2)},
		[]any{second.ID, second.Task, string(second.Args), string(second.Kwargs), second.ReplyTo, second.CorrelationID, second.RootID, second.ParentID,
			second.Headers["tenant"], second.Headers["n"]})

	again, err := OnSuccess(m, json.RawMessage(`{"sum":3}`), now)
	require.NoError(t, err)
	require.Equal(t, owed, again, "a task that runs twice owes the same messages")

	third, err := NextInChain(second, nil, now)
	require.NoError(t, err)
	require.Equal(t, []any{"t-3", `[null]`}, []any{third.ID, string(third.Args)})
	end, err := NextInChain(third, nil, now)
	require.NoError(t, err)
	require.Nil(t, end)

	alarms, err := OnFailure(m, now)
	require.NoError(t, err)
	require.Len(t, alarms, 1)
	require.Equal(t, `["`+m.ID+`","x"]`, string(alarms[0].Args))
}

func TestContinuationsThatCannotBeKeptAreRefused(t *testing.T) {
	t.Parallel()
	for name, embed := range map[string]string{
		"chord":                  `{"chord": {"task": "shop.sum"}}`,
		"group in a chain":       `{"chain": [{"task": "celery.group", "subtask_type": "group"}]}`,
		"chord option":           `{"chain": [{"task": "shop.add", "options": {"chord": {"task": "shop.sum"}}}]}`,
		"chain as a callback":    `{"callbacks": [{"task": "celery.chain", "subtask_type": "chain"}]}`,
		"foreign exchange":       `{"callbacks": [{"task": "shop.add", "options": {"exchange": "elsewhere"}}]}`,
		"eta that is none":       `{"callbacks": [{"task": "shop.add", "options": {"eta": "soon"}}]}`,
		"countdown that is none": `{"errbacks": [{"task": "shop.add", "options": {"countdown": "x"}}]}`,
		"link to a group":        `{"errbacks": [{"task": "shop.add", "options": {"link": {"task": "celery.group", "subtask_type": "group"}}}]}`,
	} {
		d := pythonDelivery()
		d.Body = []byte(`[[], {}, ` + embed + `]`)
		m, err := Decode(d, Limits{})
		require.NoError(t, err, name)
		_, ok := errors.AsType[*UnsupportedError](m.Unsupported())
		require.True(t, ok, name)
	}
}
