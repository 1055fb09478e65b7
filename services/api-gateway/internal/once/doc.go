// Package once keeps an Idempotency-Key's promise: however often a person asks with the same key and the same request within a day, the work is done once and
// everybody gets the same answer.
//
//	first request ──▶ claim (held for a minute) ──▶ handler ──▶ answer kept ──▶ answer sent
//	again         ──▶ answer kept: sent as it was, with Idempotent-Replayed: true
//	              ──▶ held by another: 409 with Retry-After
//	              ──▶ another request under the same key: 422
//	              ──▶ no answer, nobody holds it: the handler goes on with what the first one made
//
// A key belongs to a person in a business and to an operation. Answers of 5xx, and refusals that say nothing about the work (401, 403, 408, 429), are not kept: asking
// again tries again. A process may die between its business commit and the keeping of the answer; so a handler calls Claim.Keep in the transaction that makes
// something, and looks at Claim.Made first. That, and not the kept answer, is what makes the work happen once.
//
// An operation opts in with `x-idempotency: true` in openapi.yaml.
package once
