// Package rabbit keeps a process connected to RabbitMQ: one supervised connection, the topology, publishing with confirms and
// consuming with reconnects. It knows exchanges, queues and bytes; what a message means is for others. It is the only package
// that imports amqp091-go; others use the names Message, Table and Delivery.
//
// # Promises
//
//   - A message for which PublishBatch returns nil is kept by the broker in a queue. Any other answer is an error that says whether to repeat.
//   - Nothing blocks for ever. Whatever waits for the broker is bounded; past the bound the socket is cut and dialled again.
//   - An ack is sent on the channel its delivery came from, once, or refused with ErrStale.
//   - A consumer is registered again after a lost connection, a closed channel and a deleted queue.
//
// # Life of a connection
//
//	New ──Start──▶ dial ──▶ declare topology ──▶ watch ──lost──▶ pause 0…0.5 s, doubled up to 30 s ──▶ dial …
//	                 │            │                │
//	                 └──failed────┴── pause        ├── blocked, unblocked: Blocked, PublishBatch answers ErrBlocked
//	                                               ├── a queue is missing: declare again, at most once a second
//	                                               └── Stop: goodbye, at most 2 s
//
// Publishing and consuming use a Conn each: a broker short of memory stops reading from connections that publish, and acks
// must not wait behind them.
//
// # The three signals
//
// A consumer ends in three ways, and only one of them closes the connection:
//
//	connection closed   network, broker restart, operator      a new link, new channel, new consumer
//	channel closed      a refused declaration, ack timeout     new channel, new consumer
//	consumer cancelled  queue deleted; ack timeout on 4.3      connection and channel stay healthy and nothing ever arrives
//
// Consumer watches all three. Its Ready is true only while it is registered and its loop has turned within 30 s.
// In each case what was unacked is handed out again with Redelivered set, and acks of the old deliveries answer ErrStale. Those that
// were still waiting in the Deliveries channel are dropped.
//
// # Traps in the library and the broker, and where they are dealt with
//
//   - A write to the socket has no deadline, and the library's Close waits for the channel lock which the hanging write
//     holds; hence boundedWriter and link.cut.
//   - An unread return is dropped after 5 s while its confirm still says "kept"; hence a buffer of two windows, read with each confirm.
//   - A confirm that resolves to "no" after a close means "unknown", not "refused".
//   - A property over 255 bytes makes the library close the connection, an over-long header makes the broker do so; hence ErrInvalid,
//     so that one bad message does not stop all the others.
//   - Deliveries come over an unbuffered channel, so whoever gathers batches from it gathers ones and twos; hence the buffered pump.
//   - Two acks may race: a single one after a multiple one that covers it costs the channel (406); hence session.mu around the write.
//   - The arguments of an existing queue cannot be changed (406); see ErrTopology.
//   - Library recovery stays off. There is one supervisor, and it is Conn.
package rabbit
