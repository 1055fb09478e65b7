package celery

import (
	"encoding/json"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestEventsAreAsCelerySendsThem compares with what Celery 5.2 was seen to send.
func TestEventsAreAsCelerySendsThem(t *testing.T) {
	t.Parallel()
	at := func(micros int64) time.Time { return time.UnixMicro(micros) }
	delivery := func(body string, headers amqp.Table) *amqp.Delivery {
		return &amqp.Delivery{Body: []byte(body), Headers: headers}
	}
	const none = `{"callbacks": null, "errbacks": null, "chain": null, "chord": null}`
	for name, c := range map[string]struct {
		event Event
		clock int64
		key   string
		want  string
	}{
		"heartbeat": {
			WorkerEvent(EventWorkerHeartbeat, at(1795428980856961), WorkerState{Freq: 2, LoadAvg: [3]float64{0.55, 1.4, 1.41}, Software: "py-celery", Version: "5.2.6", System: "Linux"}), 3, "worker.heartbeat",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":3,"freq":2.0,"active":0,"processed":0,"loadavg":[0.55,1.4,1.41],"sw_ident":"py-celery","sw_ver":"5.2.6","sw_sys":"Linux","timestamp":1795428980.856961,"type":"worker-heartbeat"}`,
		},
		"received": {
			TaskReceived(at(1795429100427196), delivery(`[[1, 2], {}, `+none+`]`, amqp.Table{"id": "eb7134b0", "task": "t.add", "root_id": "eb7134b0", "parent_id": nil, "retries": int32(0), "eta": nil, "expires": nil, "argsrepr": "(1, 'secret')"})), 168, "task.received",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":168,"uuid":"eb7134b0","name":"t.add","args":"[1, 2]","kwargs":"{}","root_id":"eb7134b0","parent_id":null,"retries":0,"eta":null,"expires":null,"timestamp":1795429100.427196,"type":"task-received"}`,
		},
		"received with all": {
			TaskReceived(at(1000000), delivery(`[[], {"a": "x"}, `+none+`]`, amqp.Table{"id": "i", "task": "t.add", "shadow": "nice", "parent_id": "p", "retries": int64(2), "eta": "2026-11-23T10:18:21.443018+00:00", "expires": "2026-11-23T10:19:20+00:00"})), 1, "task.received",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":1,"uuid":"i","name":"nice","args":"[]","kwargs":"{'a': 'x'}","root_id":"i","parent_id":"p","retries":2,"eta":"2026-11-23T10:18:21.443018+00:00","expires":"2026-11-23T10:19:20+00:00","timestamp":1.0,"type":"task-received"}`,
		},
		"received of what is no task": {
			TaskReceived(at(1000000), delivery(`garbage`, amqp.Table{"id": "i", "task": "t.add", "retries": "many"})), 1, "task.received",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":1,"uuid":"i","name":"t.add","args":"[]","kwargs":"{}","root_id":"i","parent_id":null,"retries":0,"eta":null,"expires":null,"timestamp":1.0,"type":"task-received"}`,
		},
		"started": {
			TaskStarted(at(1000000), "i"), 1, "task.started",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":1,"uuid":"i","timestamp":1.0,"type":"task-started"}`,
		},
		"succeeded": {
			TaskSucceeded(at(1795429100432708), "eb7134b0", json.RawMessage(`3`), 2445245*time.Nanosecond), 170, "task.succeeded",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":170,"uuid":"eb7134b0","result":"3","runtime":0.002445245,"timestamp":1795429100.432708,"type":"task-succeeded"}`,
		},
		"failed": {
			TaskFailed(at(1000000), "i", "ValueError", "bad"), 1, "task.failed",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":1,"uuid":"i","exception":"ValueError('bad')","timestamp":1.0,"type":"task-failed"}`,
		},
		"retried": {
			TaskRetried(at(1000000), "i", "RuntimeError", "again, token=abc"), 1, "task.retried",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":1,"uuid":"i","exception":"RuntimeError('again, token=********')","timestamp":1.0,"type":"task-retried"}`,
		},
		"expired": {
			TaskRevoked(at(1795429106439532), "9557201e", false, true), 228, "task.revoked",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":228,"uuid":"9557201e","terminated":false,"signum":null,"expired":true,"timestamp":1795429106.439532,"type":"task-revoked"}`,
		},
		"terminated": {
			TaskRevoked(at(1000000), "i", true, false), 1, "task.revoked",
			`{"hostname":"py1@vm","utcoffset":0,"pid":7842,"clock":1,"uuid":"i","terminated":true,"signum":15,"expired":false,"timestamp":1.0,"type":"task-revoked"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, p, err := EventPublishing(Sender{Node: "py1@vm", PID: 7842}, []Event{c.event}, func() int64 { return c.clock })
			require.NoError(t, err)
			require.Equal(t, c.want, string(p.Body))
			require.Equal(t, c.key, key)
			require.Equal(t, []any{"application/json", "utf-8", amqp.Transient, amqp.Table{"hostname": "py1@vm"}}, []any{p.ContentType, p.ContentEncoding, p.DeliveryMode, p.Headers})
		})
	}
}

func TestSeveralEventsShareAMessage(t *testing.T) {
	t.Parallel()
	clock := int64(6)
	key, p, err := EventPublishing(Sender{Node: "w@h", PID: 1}, []Event{TaskStarted(time.Unix(1, 0), "a"), TaskStarted(time.Unix(1, 0), "<b>")}, func() int64 { clock++; return clock })
	require.NoError(t, err)
	require.Equal(t, "task.multi", key)
	require.Equal(t, `[{"hostname":"w@h","utcoffset":0,"pid":1,"clock":7,"uuid":"a","timestamp":1.0,"type":"task-started"},`+
		`{"hostname":"w@h","utcoffset":0,"pid":1,"clock":8,"uuid":"<b>","timestamp":1.0,"type":"task-started"}]`, string(p.Body))
}

func BenchmarkReceivedAndSucceeded(b *testing.B) {
	d := &amqp.Delivery{Body: []byte(`[[], {"event_id": "0193f5a0-7c3e-7000-8000-0123456789ab", "provider": "paystack"}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
		Headers: amqp.Table{"id": "0193f5a0-7c3e-7000-8000-0123456789ab", "task": "ai_features.process_payment_webhook", "retries": int64(0), "root_id": "0193f5a0-7c3e-7000-8000-0123456789ab"}}
	b.ReportAllocs()
	for b.Loop() {
		at := time.Now()
		events := []Event{TaskReceived(at, d), TaskStarted(at, "0193f5a0-7c3e-7000-8000-0123456789ab"), TaskSucceeded(at, "0193f5a0-7c3e-7000-8000-0123456789ab", json.RawMessage(`{"outcome": "credited"}`), time.Millisecond)}
		if _, _, err := EventPublishing(Sender{Node: "w@h", PID: 1}, events, func() int64 { return 1 }); err != nil {
			b.Fatal(err)
		}
	}
}
