package celery

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// pythonDelivery is a message as Celery 5.2 writes it for send_task('shop.add', args=[1, 2], countdown=1, expires=60, time_limit=30, …).
func pythonDelivery() *amqp.Delivery {
	return &amqp.Delivery{
		ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: 2, Priority: 7,
		CorrelationId: "0d6f3f5e-7c1f-4f0e-8f57-0c3a4f6a9b10", ReplyTo: "77d1c1de-0000-3000-8000-1e5f6a7b8c9d", Expiration: "60000",
		Headers: amqp.Table{
			"lang": "py", "task": "shop.add", "id": "0d6f3f5e-7c1f-4f0e-8f57-0c3a4f6a9b10", "shadow": "nice", "eta": "2026-03-04T05:06:07.443018+00:00",
			"expires": "2026-03-04T06:07:06.443018+01:00", "group": nil, "group_index": nil, "retries": int8(3), "timelimit": []any{int32(30), 20.5},
			"root_id": "root-1", "parent_id": "par-1", "argsrepr": "[1, 2]", "kwargsrepr": "{}", "origin": "gen9048@host", "ignore_result": false,
			"tenant": "acme", "depth": int16(4), "raw": []byte{1}, "x-death": []any{}, "stamps": amqp.Table{}, "nested": amqp.Table{"a": []any{int32(1)}},
		},
		Body: []byte(`[[1, 2], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
	}
}

func TestDecodeReadsWhatCeleryWrites(t *testing.T) {
	t.Parallel()
	m, err := Decode(pythonDelivery(), Limits{})
	require.NoError(t, err)
	eta, expires := time.Date(2026, 3, 4, 5, 6, 7, 443018000, time.UTC), time.Date(2026, 3, 4, 5, 7, 6, 443018000, time.UTC)
	require.Equal(t, &Message{
		ID: "0d6f3f5e-7c1f-4f0e-8f57-0c3a4f6a9b10", Task: "shop.add", Args: []byte(`[1, 2]`), Kwargs: []byte(`{}`), ETA: &eta, Expires: &expires, Retries: 3,
		HardLimit: 30 * time.Second, SoftLimit: 20500 * time.Millisecond, RootID: "root-1", ParentID: "par-1",
		ReplyTo: "77d1c1de-0000-3000-8000-1e5f6a7b8c9d", CorrelationID: "0d6f3f5e-7c1f-4f0e-8f57-0c3a4f6a9b10", Lang: "py", Origin: "gen9048@host", Shadow: "nice",
		Headers: map[string]any{"tenant": "acme", "depth": int64(4), "nested": map[string]any{"a": []any{int64(1)}}},
	}, m)
	require.True(t, m.WantsResult())
}

func TestDecodeAcceptsTheLeastThatPythonAccepts(t *testing.T) {
	t.Parallel()
	m, err := Decode(&amqp.Delivery{
		ContentType: "application/json", Headers: amqp.Table{"task": "shop.add", "id": "not a uuid"}, Body: []byte(`[[],{},{}]`),
	}, Limits{})
	require.NoError(t, err)
	require.Equal(t, "not a uuid", m.CorrelationID)
	require.Equal(t, "not a uuid", m.Root())
	require.False(t, m.WantsResult())
}

func TestDecodeTimes(t *testing.T) {
	t.Parallel()
	lagos := time.FixedZone("WAT", 3600)
	for in, want := range map[string]string{
		"2026-11-23T12:00:00":              "2026-11-23T11:00:00Z",
		"2026-11-23T12:00:00.5":            "2026-11-23T11:00:00.5Z",
		"2026-11-23T12:00:00Z":             "2026-11-23T12:00:00Z",
		"2026-11-23T12:00:00.123456+02:00": "2026-11-23T10:00:00.123456Z",
	} {
		got, err := parseTime(in, lagos)
		require.NoError(t, err, in)
		require.Equal(t, want, got.Format(time.RFC3339Nano), in)
	}
	for _, bad := range []string{"", "tomorrow", "2026-11-23", "0000-01-01T00:00:00", "9999-12-31T23:59:59-01:00", "2026-11-23 12:00:00"} {
		_, err := parseTime(bad, nil)
		require.Error(t, err, bad)
	}
}

func TestDecodeRejects(t *testing.T) {
	t.Parallel()
	body := func(s string) func(*amqp.Delivery) { return func(d *amqp.Delivery) { d.Body = []byte(s) } }
	header := func(name string, v any) func(*amqp.Delivery) { return func(d *amqp.Delivery) { d.Headers[name] = v } }
	for name, c := range map[string]struct {
		change     func(*amqp.Delivery)
		reason     string
		answerable bool
	}{
		"pickle": {func(d *amqp.Delivery) {
			d.ContentType, d.ContentEncoding = "application/x-python-serialize", "binary"
		}, ReasonContentType, true},
		"another encoding":                   {func(d *amqp.Delivery) { d.ContentEncoding = "binary" }, ReasonContentType, true},
		"zlib named gzip":                    {header("compression", "application/x-gzip"), ReasonCompressed, true},
		"protocol 1":                         {func(d *amqp.Delivery) { d.Headers, d.Body = amqp.Table{}, []byte(`{"task":"a","id":"b","args":[]}`) }, ReasonProtocolV1, false},
		"garbage without headers":            {func(d *amqp.Delivery) { d.Headers, d.Body = nil, []byte("\xff\x00") }, ReasonMissingHeader, false},
		"no id":                              {header("id", nil), ReasonMissingHeader, false},
		"no task":                            {header("task", ""), ReasonMissingHeader, false},
		"id of another type":                 {header("id", int32(5)), ReasonMalformedHeader, false},
		"id with NUL":                        {header("id", "a\x00b"), ReasonMalformedHeader, false},
		"id too long":                        {header("id", strings.Repeat("x", 256)), ReasonMalformedHeader, false},
		"reply queue that is not text":       {func(d *amqp.Delivery) { d.ReplyTo = "\xff" }, ReasonMalformedHeader, false},
		"eta that is no time":                {header("eta", "soon"), ReasonMalformedHeader, true},
		"expires as a number":                {header("expires", 60.0), ReasonMalformedHeader, true},
		"negative retries":                   {header("retries", int64(-1)), ReasonMalformedHeader, true},
		"time limit that is no pair":         {header("timelimit", int32(4)), ReasonMalformedHeader, true},
		"negative time limit":                {header("timelimit", []any{-1.5, nil}), ReasonMalformedHeader, true},
		"ignore_result as text":              {header("ignore_result", "yes"), ReasonMalformedHeader, true},
		"NaN":                                {body(`[[NaN], {}, {}]`), ReasonMalformedBody, true},
		"empty body":                         {body(``), ReasonMalformedBody, true},
		"null":                               {body(`null`), ReasonMalformedBody, true},
		"two elements":                       {body(`[[], {}]`), ReasonMalformedBody, true},
		"four elements":                      {body(`[[], {}, {}, {}]`), ReasonMalformedBody, true},
		"object for args":                    {body(`[{}, {}, {}]`), ReasonMalformedBody, true},
		"null kwargs":                        {body(`[[], null, {}]`), ReasonMalformedBody, true},
		"list for embed":                     {body(`[[], {}, []]`), ReasonMalformedBody, true},
		"trailing bytes":                     {body(`[[], {}, {}] x`), ReasonMalformedBody, true},
		"not UTF-8":                          {body("[[\"\xff\"], {}, {}]"), ReasonMalformedBody, true},
		"NUL escape":                         {body(`[["a\u0000"], {}, {}]`), ReasonMalformedBody, true},
		"lone high surrogate":                {body(`[["\ud800x"], {}, {}]`), ReasonMalformedBody, true},
		"lone low surrogate":                 {body(`[["\udc00"], {}, {}]`), ReasonMalformedBody, true},
		"high surrogate twice":               {body(`[["\ud800\ud800"], {}, {}]`), ReasonMalformedBody, true},
		"chain that is no list":              {body(`[[], {}, {"chain": 5}]`), ReasonMalformedBody, true},
		"signature without task":             {body(`[[], {}, {"callbacks": [{"args": []}]}]`), ReasonMalformedBody, true},
		"signature with an object for args":  {body(`[[], {}, {"callbacks": [{"task": "a", "args": {}}]}]`), ReasonMalformedBody, true},
		"1 MiB":                              {func(d *amqp.Delivery) { d.Body = bytes.Repeat([]byte("a"), 1<<20) }, ReasonOversized, true},
		"more continuations than one allows": {body(`[[], {}, {"chain": [` + strings.Repeat(`{"task":"a"},`, 100) + `{"task":"a"}]}]`), ReasonOversized, true},
		"nesting deeper than JSON allows":    {body(strings.Repeat("[", 200_000)), ReasonMalformedBody, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pythonDelivery()
			c.change(d)
			m, err := Decode(d, Limits{})
			rejected, ok := errors.AsType[*RejectError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.reason, rejected.Reason, rejected.Detail)
			require.Equal(t, c.answerable, m != nil)
			if m != nil {
				require.Equal(t, d.ReplyTo, m.ReplyTo)
				require.JSONEq(t, `[]`, string(m.Args))
			}
		})
	}
}

func TestDecodeAcceptsEscapedText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{`[["\\u0000"], {}, {}]`, `[["\ud83d\ude00"], {}, null]`, `[["\\\\ud800", "\u00e9"], {}, {}]`, `[["😀"], {"a": "\n"}, {}]`} {
		d := pythonDelivery()
		d.Body = []byte(s)
		_, err := Decode(d, Limits{})
		require.NoError(t, err, s)
	}
}

func TestTaskUUID(t *testing.T) {
	t.Parallel()
	const id = "0d6f3f5e-7c1f-4f0e-8f57-0c3a4f6a9b10"
	require.Equal(t, id, TaskUUID(id).String())
	require.Equal(t, TaskUUID("job 5"), TaskUUID("job 5"))
	require.NotEqual(t, TaskUUID("job 5"), TaskUUID("job 6"))
	require.NotZero(t, TaskUUID("00000000-0000-0000-0000-000000000000"))
	require.Equal(t, uuid.Version(5), TaskUUID("{0d6f3f5e-7c1f-4f0e-8f57-0c3a4f6a9b10}").Version(), "a UUID in another form is any string")
}

func FuzzDecode(f *testing.F) {
	d := pythonDelivery()
	f.Add("shop.add", "id-1", "2026-03-04T05:06:07", "application/json", d.Body, "tenant", 1.5)
	f.Add("", "", "", "application/json", []byte(`{"task":"a","id":"b"}`), "", 0.0)
	f.Add("a", "b", "", "application/json", []byte(`[[],{},{"chain":[{"task":"a","options":{"link":[{}]}}],"chord":{}}]`), "eta", -1.0)
	f.Add("a", "b", "", "application/json", []byte(`[["\ud83d\ude00\\u0000"],{"a":1e400},null]`), "task", 1e300)
	f.Fuzz(func(t *testing.T, task, id, eta, kind string, body []byte, name string, number float64) {
		d := &amqp.Delivery{ContentType: kind, Body: body, Headers: amqp.Table{
			name: number, "task": task, "id": id, "eta": eta, "timelimit": []any{number, nil},
		}}
		m, err := Decode(d, Limits{})
		if err != nil {
			if _, ok := errors.AsType[*RejectError](err); !ok {
				t.Fatalf("not a RejectError: %v", err)
			}
			return
		}
		if m.Unsupported() == nil {
			if _, err := OnSuccess(m, []byte(`1`), time.Time{}); err != nil {
				t.Fatalf("supported, yet %v", err)
			}
		}
		m.HasChord = false
		p, err := Encode(*m)
		if err != nil {
			t.Fatalf("decoded, yet not encodable: %v", err)
		}
		again, err := Decode(&amqp.Delivery{ContentType: p.ContentType, Headers: p.Headers, Body: p.Body}, Limits{BodyBytes: 1 << 30})
		if err != nil {
			t.Fatalf("encoded, yet not decodable: %v", err)
		}
		if again.ID != m.ID || !bytes.Equal(again.Args, m.Args) || !bytes.Equal(again.Kwargs, m.Kwargs) {
			t.Fatalf("round trip changed %+v to %+v", m, again)
		}
	})
}
