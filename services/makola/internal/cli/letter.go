package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/task"
)

// letter is a message that could not become a task, as it is printed.
type letter struct {
	ID         uuid.UUID       `json:"id"`
	Queue      string          `json:"queue"`
	Reason     string          `json:"reason"`
	Detail     string          `json:"detail"`
	MessageID  string          `json:"message_id,omitempty"`
	TaskName   string          `json:"task_name,omitempty"`
	ReceivedAt time.Time       `json:"received_at"`
	SizeBytes  int64           `json:"size_bytes"`
	ClosedBy   string          `json:"closed_by,omitempty"`
	Closed     string          `json:"closed,omitempty"` // replayed, discarded, or empty
	Headers    json.RawMessage `json:"headers,omitempty"`
	// Payload is the body as text, PayloadBase64 when it is none. It is cut where the worker cut it.
	Payload       string `json:"payload,omitempty"`
	PayloadBase64 string `json:"payload_base64,omitempty"`
	raw           []byte
}

// findLetter reads one dead letter, open or closed. task.ErrNotFound when there is none.
func findLetter(tx *gorm.DB, id uuid.UUID) (*letter, error) {
	l := &letter{}
	err := postgres.Query(tx, func(rows pgx.Rows) error {
		if !rows.Next() {
			return errors.Join(rows.Err(), fmt.Errorf("%w: no dead letter %s either", task.ErrNotFound, id))
		}
		return rows.Scan(&l.ID, &l.Queue, &l.Reason, &l.Detail, &l.MessageID, &l.TaskName, &l.Headers, &l.raw, &l.SizeBytes, &l.ReceivedAt, &l.Closed, &l.ClosedBy)
	}, `select id, queue, reason, detail, coalesce(message_id, ''), coalesce(task_name, ''), headers, payload, size_bytes, received_at,
		case when replayed_at is not null then 'replayed' when discarded_at is not null then 'discarded' else '' end, coalesce(replayed_by, discarded_by, '')
		from task.dead_letter where id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("read dead letter: %w", err)
	}
	if utf8.Valid(l.raw) {
		l.Payload = string(l.raw)
	} else {
		l.PayloadBase64 = base64.StdEncoding.EncodeToString(l.raw)
	}
	return l, nil
}

// message makes the message again, without what the broker wrote on it. The properties of the original are not kept; a task message needs no
// others than these.
func (l *letter) message() (rabbit.Publishing, error) {
	if int64(len(l.raw)) < l.SizeBytes {
		return rabbit.Publishing{}, fmt.Errorf("%w: only %d of the message's %d bytes were kept, so it cannot be sent again", errRefused, len(l.raw), l.SizeBytes)
	}
	headers, err := decodeHeaders(l.Headers)
	if err != nil {
		return rabbit.Publishing{}, fmt.Errorf("read headers of dead letter %s: %w", l.ID, err)
	}
	return rabbit.Publishing{Exchange: rabbit.ExchangeTasks, Key: l.Queue, Msg: rabbit.Message{
		ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: rabbit.Persistent,
		MessageId: l.ID.String(), CorrelationId: l.MessageID, Headers: headers, Body: l.raw,
	}}, nil
}

// decodeHeaders turns kept headers into a table that AMQP can carry: whole numbers become integers again.
func decodeHeaders(raw json.RawMessage) (rabbit.Table, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	t := rabbit.Table{}
	for k, v := range m {
		// x-death, x-first-death-queue, x-delivery-count, x-acquired-count (4.x) and their like are the broker's record of the old message's fate.
		if strings.HasPrefix(k, "x-death") || strings.HasPrefix(k, "x-first-death") || strings.HasPrefix(k, "x-last-death") ||
			k == "x-delivery-count" || k == "x-acquired-count" {
			continue
		}
		t[k] = headerValue(v)
	}
	return t, nil
}

func headerValue(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil && !math.IsInf(f, 0) {
			return f
		}
		return v.String()
	case map[string]any:
		t := rabbit.Table{}
		for k, item := range v {
			t[k] = headerValue(item)
		}
		return t
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = headerValue(item)
		}
		return list
	default:
		return v
	}
}
