package rabbit

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// maxShort is the length limit of names and most properties in AMQP 0-9-1, in bytes.
	maxShort = 255
	// maxHeaderBytes keeps a message's properties well inside one frame (128 KiB by RabbitMQ's default): the broker closes the
	// connection over a header frame that is larger. Bodies are split into frames and have no such limit.
	maxHeaderBytes = 64 << 10
)

// validate refuses what would cost the whole connection: the library closes it over an over-long property, the broker over
// over-long headers, and the innocent messages around it would share its fate at every retry.
func validate(m Publishing) error {
	msg := m.Msg
	for _, s := range [...]string{
		m.Exchange, m.Key, msg.ContentType, msg.ContentEncoding, msg.CorrelationId, msg.ReplyTo, msg.Expiration,
		msg.MessageId, msg.Type, msg.UserId, msg.AppId,
	} {
		if len(s) > maxShort {
			return fmt.Errorf("%w: property of %d bytes, %d allowed", ErrInvalid, len(s), maxShort)
		}
	}
	if err := msg.Headers.Validate(); err != nil {
		return fmt.Errorf("%w: headers: %w", ErrInvalid, err)
	}
	if fieldSize(msg.Headers) > maxHeaderBytes {
		return fmt.Errorf("%w: headers over %d bytes, or a name over %d", ErrInvalid, maxHeaderBytes, maxShort)
	}
	return nil
}

// fieldSize estimates the encoded size of a header value, in bytes; scalars count as 16. A name that is too long counts as too much.
func fieldSize(value any) int {
	size := 16
	switch v := value.(type) {
	case string:
		size += len(v)
	case []byte:
		size += len(v)
	case []any:
		for _, item := range v {
			size += fieldSize(item)
		}
	case amqp.Table:
		for name, item := range v {
			if len(name) > maxShort {
				return maxHeaderBytes + 1
			}
			size += len(name) + fieldSize(item)
		}
	}
	return size
}
