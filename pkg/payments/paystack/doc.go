// Package paystack is a client of Paystack (https://paystack.com/docs/api/) and a reader of its webhooks.
//
// What to know of Paystack:
//   - Amounts are integers in minor units (pesewas, kobo) in both directions.
//   - Webhooks are signed with the API secret key: hex HMAC-SHA512 of the raw body in x-paystack-signature. There is no time stamp, so
//     an old body stays valid for ever, and no event id, so events are told apart by type, data.id and data.status.
//   - No event may be relied on for a failed charge: failures are learned by Verify. Delivery is at least once, in any order.
//   - A reference may hold letters, digits and - . = only.
//
// Calls have a timeout, share a circuit breaker, and only GET is retried here; whoever calls retries the rest, after a Verify.
package paystack
