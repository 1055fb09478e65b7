// Package live streams tasks and notices to those who watch them, as server-sent events (WHATWG HTML, section 9.2).
//
//	worker ──task.events──▶ gateway.<instance> ──▶ Hub ──rings──▶ stream ──reads the row──▶ client
//
// An event only rings: what a client is sent is always the row, read in a transaction bound to its tenant. So events may be lost, repeated or late, the broker may be
// away, and a client sees no state that is not so. A stream looks at its row also when nobody rings: every two seconds while no events arrive, every
// fifteen otherwise, together with the heartbeat.
//
// The id of an event is the ETag of the task as it was sent, on every replica: nothing in a row counts everything a person can see, so there is no number that would only
// grow. A client that comes back with Last-Event-ID is sent the row unless it is still the same. One whose last event showed the end is answered 204, which
// tells an EventSource to stop.
//
// A person's notices are streamed by the same means (Feed). They are rung for by their business, when the transaction that posted one has committed; what is sent is what has
// become visible since the snapshot that the stream looked with last, and the id of an event is that snapshot (docs/adr/0023).
package live
