// Package stripe is a client of Stripe Checkout through Stripe's own library, and a reader of its webhooks.
//
// What to know of Stripe:
//   - A payment is a Checkout Session with an id of Stripe's. Our reference travels as client_reference_id and in the metadata of the session and of its
//     payment intent. Stripe does not look sessions up by it, so Verify wants the session's id, which Initialize gave as the access code; without it the
//     sessions of the hours after the payment's opening are read until one has our reference. Search would find payment intents by metadata,
//     but lags behind by minutes.
//   - The money movement is the payment intent; its id is the transaction's. It is empty until somebody tried to pay.
//   - Requests carry idempotency keys: the same request with the same key gets the same answer for 24 hours, so they are repeated here like questions.
//     The library's own repetition is off.
//   - Webhooks are signed over time and body, by the library's rules; events have an id. They come in no order, and more than once.
//   - charge.refunded tells the sum refunded so far. Disputes name the payment intent and not our reference.
package stripe
