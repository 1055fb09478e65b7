package celery

import (
	"encoding/json"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

func control(body string) *amqp.Delivery {
	return &amqp.Delivery{ContentType: "application/json", ContentEncoding: "utf-8", Headers: amqp.Table{"clock": int32(7), "expires": float64(1)}, Body: []byte(body)}
}

// TestControlCommandsAreRead reads what Celery's own clients were seen to send.
func TestControlCommandsAreRead(t *testing.T) {
	t.Parallel()
	c, err := DecodeControl(control(`{"method":"ping","arguments":{},"destination":null,"pattern":null,"matcher":null,"ticket":"70bf25d3","reply_to":{"exchange":"reply.celery.pidbox","routing_key":"7be6f67f"}}`))
	require.NoError(t, err)
	require.Equal(t, &Control{Method: "ping", Arguments: map[string]json.RawMessage{}, Ticket: "70bf25d3", ReplyTo: ReplyTo{"reply.celery.pidbox", "7be6f67f"}, Clock: 7}, c)
	require.True(t, c.WantsReply())
	p, err := c.Reply("py1@vm", OK{"pong"}, 9)
	require.NoError(t, err)
	require.Equal(t, `{"py1@vm":{"ok":"pong"}}`, string(p.Body))
	require.Equal(t, amqp.Table{"ticket": "70bf25d3", "clock": int64(9)}, p.Headers, "and no expires, which a client would believe")

	c, err = DecodeControl(control(`{"method":"revoke","arguments":{"task_id":"29c6ac95","terminate":true,"signal":null},"destination":null,"pattern":null,"matcher":null}`))
	require.NoError(t, err)
	require.False(t, c.WantsReply(), "a cast")
	ids, err := c.Strings("task_id")
	require.NoError(t, err)
	require.Equal(t, []string{"29c6ac95"}, ids)
	terminate, err := c.Bool("terminate")
	require.NoError(t, err)
	require.True(t, terminate)
	signal, err := c.Text("signal")
	require.NoError(t, err)
	require.Empty(t, signal)

	c, err = DecodeControl(control(`{"method":"revoke","arguments":{"task_id":["a","b"],"terminate":"yes"}}`))
	require.NoError(t, err)
	ids, err = c.Strings("task_id")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, ids)
	_, err = c.Bool("terminate")
	require.Error(t, err)
	_, err = c.Text("task_id")
	require.Error(t, err)
	_, err = (&Control{Arguments: map[string]json.RawMessage{"ids": json.RawMessage(`{"a":1}`)}}).Strings("ids")
	require.Error(t, err)
}

func TestACommandIsForThoseItAddresses(t *testing.T) {
	t.Parallel()
	const node = "billing-worker@vm-1"
	for name, tt := range map[string]struct {
		c    Control
		want bool
		err  bool
	}{
		"nobody named":                     {Control{}, true, false},
		"an empty list":                    {Control{Destination: []string{}}, true, false},
		"named":                            {Control{Destination: []string{"a@b", node}}, true, false},
		"another named":                    {Control{Destination: []string{"a@b"}}, false, false},
		"a destination beats a pattern":    {Control{Destination: []string{"a@b"}, Pattern: "*", Matcher: "glob"}, false, false},
		"a pattern without a matcher":      {Control{Pattern: "x"}, true, false},
		"glob matches":                     {Control{Pattern: "billing-*@vm-[0-9]", Matcher: "glob"}, true, false},
		"glob of others":                   {Control{Pattern: "billing-*@vm-[!0-9]", Matcher: "glob"}, false, false},
		"glob takes a backslash literally": {Control{Pattern: `billing\-*`, Matcher: "glob"}, false, false},
		"glob must match the whole":        {Control{Pattern: "billing", Matcher: "glob"}, false, false},
		"a broken glob":                    {Control{Pattern: "[", Matcher: "glob"}, false, true},
		"pcre matches the beginning":       {Control{Pattern: "billing", Matcher: "pcre"}, true, false},
		"pcre does not search":             {Control{Pattern: "worker", Matcher: "pcre"}, false, false},
		"pcre alternatives":                {Control{Pattern: "x|billing", Matcher: "pcre"}, true, false},
		"a broken pcre":                    {Control{Pattern: "(", Matcher: "pcre"}, false, true},
		"an unknown matcher":               {Control{Pattern: "x", Matcher: "magic"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.c.Addressed(node)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.err, err != nil)
		})
	}
}

func TestWhatIsNoCommandIsRefused(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]*amqp.Delivery{
		"not JSON":                    control("ping"),
		"a list":                      control(`["ping"]`),
		"no method":                   control(`{"arguments":{}}`),
		"a method that is a number":   control(`{"method":7}`),
		"arguments that are a list":   control(`{"method":"ping","arguments":[]}`),
		"a destination that is text":  control(`{"method":"ping","destination":"a@b"}`),
		"a reply_to that is text":     control(`{"method":"ping","reply_to":"x"}`),
		"NaN":                         control(`{"method":"ping","arguments":{"a":NaN}}`),
		"not UTF-8":                   control("{\"method\":\"p\xff\"}"),
		"two values":                  control(`{"method":"ping"} {}`),
		"pickle":                      {ContentType: "application/x-python-serialize", ContentEncoding: "binary", Body: []byte("\x80\x04N.")},
		"more than a command can be":  control(`{"method":"ping","arguments":{"a":"` + strings.Repeat("x", maxControlBytes) + `"}}`),
		"a method longer than a name": control(`{"method":"` + strings.Repeat("x", 300) + `"}`),
		"a ticket longer than a name": control(`{"method":"ping","ticket":"` + strings.Repeat("x", 300) + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := DecodeControl(d)
			require.Error(t, err)
		})
	}
}

func TestHelloCarriesFloats(t *testing.T) {
	t.Parallel()
	raw, err := encodeJSON(HelloReply{Revoked: map[string][2]any{"a": RevokedEntry("a", 2)}, Clock: 5})
	require.NoError(t, err)
	require.Equal(t, `{"revoked":{"a":[2.0,"a"]},"clock":5}`, string(raw), "Python refuses a whole number here")

	reply, err := DecodeHelloReply(control(`{"py1@vm": {"revoked": {"x": [1234.5, "x"]}, "clock": 12}}`))
	require.NoError(t, err)
	require.Contains(t, reply.Revoked, "x")
	require.EqualValues(t, 12, reply.Clock)
	reply, err = DecodeHelloReply(control(`{"py1@vm": null}`))
	require.NoError(t, err)
	require.Nil(t, reply)
	for _, bad := range []string{`{}`, `[]`, `{"a":{},"b":{}}`, `{"a":{"revoked":{"x":[1,2,3]},"clock":"x"}}`} {
		_, err = DecodeHelloReply(control(bad))
		require.Error(t, err, bad)
	}
	p, err := Hello("w@h", "key", "t", "reply.celery.pidbox", 3)
	require.NoError(t, err)
	c, err := DecodeControl(&amqp.Delivery{ContentType: p.ContentType, ContentEncoding: p.ContentEncoding, Headers: p.Headers, Body: p.Body})
	require.NoError(t, err)
	require.Equal(t, ReplyTo{"reply.celery.pidbox", "key"}, c.ReplyTo)
	require.EqualValues(t, 3, c.Clock)
}

// TestInspectionsHaveCelerysKeys compares with what a Celery 5.2 worker was seen to answer.
func TestInspectionsHaveCelerysKeys(t *testing.T) {
	t.Parallel()
	r := HeldRequest("py1@vm", &amqp.Delivery{RoutingKey: "pyq", Headers: amqp.Table{"id": "b3d10297", "task": "t.sleep"}, Body: []byte(`[[6], {"password": "x"}, {}]`)})
	start, pid := Seconds(1795430667.29), 28780
	r.TimeStart, r.WorkerPID, r.Acknowledged = &start, &pid, true
	raw, err := encodeJSON(r)
	require.NoError(t, err)
	require.Equal(t, `{"id":"b3d10297","name":"t.sleep","args":[6],"kwargs":{"password":"********"},"type":"t.sleep","hostname":"py1@vm","time_start":1795430667.29,"acknowledged":true,`+
		`"delivery_info":{"exchange":"","routing_key":"pyq","priority":0,"redelivered":false},"worker_pid":28780}`, string(raw))

	raw, err = encodeJSON(Stats{Clock: "796", Broker: BrokerStats{Heartbeat: 120}})
	require.NoError(t, err)
	var stats map[string]any
	require.NoError(t, json.Unmarshal(raw, &stats))
	keys := func(v any) (names []string) {
		for name := range v.(map[string]any) {
			names = append(names, name)
		}
		return names
	}
	require.ElementsMatch(t, []string{"total", "pid", "clock", "uptime", "pool", "broker", "prefetch_count", "rusage"}, keys(stats))
	require.Subset(t, keys(stats["pool"]), []string{"max-concurrency", "processes", "max-tasks-per-child", "put-guarded-by-semaphore", "timeouts"})
	require.Subset(t, keys(stats["broker"]), []string{"hostname", "userid", "virtual_host", "port", "transport", "ssl", "heartbeat", "connect_timeout", "login_method", "alternates"})
	require.Equal(t, "796", stats["clock"], "a text here, a number elsewhere")

	q := DurableQueue("pyq", "pyq", nil)
	q.NoDeclare = false
	raw, err = encodeJSON(q)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"pyq","exchange":{"name":"pyq","type":"direct","arguments":null,"durable":true,"passive":false,"auto_delete":false,"delivery_mode":null,"no_declare":false},
		"routing_key":"pyq","queue_arguments":null,"binding_arguments":null,"consumer_arguments":null,"durable":true,"exclusive":false,"auto_delete":false,"no_ack":false,
		"alias":null,"bindings":[],"no_declare":false,"expires":null,"message_ttl":null,"max_length":null,"max_length_bytes":null,"max_priority":null}`, string(raw))
}

func FuzzDecodeControl(f *testing.F) {
	f.Add([]byte(`{"method":"revoke","arguments":{"task_id":["a"],"terminate":true},"destination":["a@b"],"pattern":"*","matcher":"glob","ticket":"t","reply_to":{"exchange":"e","routing_key":"k"}}`))
	f.Add([]byte(`{"method":"ping","pattern":"(a|b","matcher":"pcre"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := DecodeControl(&amqp.Delivery{ContentType: "application/json", Body: body})
		if err != nil {
			return
		}
		if c.Method == "" {
			t.Fatal("a command without a method")
		}
		_, _ = c.Addressed("a@b")
		for name := range c.Arguments {
			_, _ = c.Strings(name)
			_, _ = c.Bool(name)
			_, _ = c.Text(name)
		}
		if p, err := c.Reply("a@b", OK{"pong"}, 1); err != nil || !json.Valid(p.Body) {
			t.Fatalf("reply %q: %v", p.Body, err)
		}
	})
}
