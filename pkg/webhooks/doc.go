// Package webhooks tells a business's own programs what happened in it: it keeps where they want to be told, what there is to tell, and what came of each attempt.
//
// # Life of an event
//
//	Emit, in the transaction of what happened ──▶ one event, one delivery and one task for each endpoint that wants its kind
//	    task webhooks.deliver_event ──▶ Begin ──▶ Sender.Send ──▶ Attempt.Conclude ──▶ DELIVERED
//	                                                                 │
//	                                                                 ├──▶ PENDING, and a task for the next attempt, for three days (schedule.go)
//	                                                                 └──▶ FAILED
//
// A business without an endpoint for a kind keeps nothing: no event, no task. Sales ask with the statement that completes them (Sale.Heard), so that a checkout of a business
// that has no endpoint costs no statement more.
//
// # What is promised
//
// An event whose transaction committed is sent to each endpoint that wanted it, until one attempt is answered with 2xx or three days are over. It may be sent more than once:
// when an answer is lost, and when a worker dies between the request and its commit. Every time it has the same webhook-id and the same bytes. Events come in no promised order.
//
// An attempt and what follows from it are one commit: the log of a delivery, the state of its endpoint, and the task of the next attempt. So each attempt is a task of its own
// that succeeds, and the engine's twelve attempts remain for what they are for: databases that are away and workers that die.
//
// # An endpoint that does not answer
//
// Three failures in a row, and its deliveries wait for it (pauseAfter); then one of them is tried first. One process has MostAtOnce requests under way at one endpoint. An
// endpoint to which nothing got through for three days, or that answers 410, is disabled, and the owner is told.
//
// # Secrets
//
// What signs is encrypted with a key that no database holds (Keys), shown once when it is made, and for a day after it was changed the one before signs as well.
//
// # The private network
//
// An address is looked at when it is registered and, which is what counts, when it is dialled (package outbound).
package webhooks
