// Package flutterwave is a client of Flutterwave's API v3 (https://developer.flutterwave.com/v3.0/reference) and a reader of its webhooks.
//
// What to know of Flutterwave:
//   - Amounts are in major units, as JSON numbers: 96 and 96.00 and 96.5 cedis. They are converted from their text, exactly; digits below the smallest
//     unit are refused, never rounded.
//   - Webhooks come in one of two set-ups, and the account's owner says which. A signed one carries the base64 HMAC-SHA256 of the raw body in
//     flutterwave-signature, and is the provider's word. An unsigned one carries the secret itself in verif-hash: whoever has seen one request can
//     write the next, so it is only a hint.
//   - charge.completed is sent for both outcomes; its status tells which. Webhooks are not repeated unless the account says so: the reconciler exists for that.
//   - There are no idempotency keys, and the API may time out on its own side after 28 s: what was asked for may have happened.
//   - Refunds need the transaction's id, which is not our reference.
package flutterwave
