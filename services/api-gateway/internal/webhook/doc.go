// Package webhook takes in what payment providers report.
//
//	body ≤ 1 MiB ─▶ raw bytes ─▶ signature ─▶ parse ─▶ shared commit: event row + task row ─▶ 200
//
// # What is promised
//
// A 200 means that the event is in the database, together with the task that settles it; anything else means that the provider must send it again. A
// duplicate is answered with 200 and creates nothing. A wrong signature is answered with 401 and stores nothing. The broker has no part in it.
//
// # Shared commits
//
// Events that arrive while others are being committed are stored together by the next commit (package groupcommit). There is no timer and no goroutine to wake: a lone
// request commits at once and by itself. When a shared commit fails because of what is in it, it
// is split in halves until the guilty event stands alone: one bad event never harms its neighbours. The number that may wait is bounded; beyond it
// the answer is 503 with Retry-After. A client that hangs up does not stop its event from being stored.
//
// The database role of this package can insert events and tasks and can do nothing else.
package webhook
