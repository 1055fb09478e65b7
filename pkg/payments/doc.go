// Package payments says what the product needs of a payment provider, in words no provider owns. Each provider is a package below: paystack,
// flutterwave and stripe; providers opens those that are configured, and fake is a simulator for development and tests. There is no ledger
// and there are no rows here: these packages bring evidence about a payment, and the billing context decides what it is worth.
//
//	Initialize ──▶ Checkout (a page for the customer) ──▶ the customer pays ──┬──▶ webhook ──▶ VerifyWebhook ──▶ Event
//	                                                                          ├──▶ Verify (asked, or polled) ──▶ Verification
//	                                                                          └──▶ List (yesterday, all of it) ─▶ Verification …
//	Probe (is it there, and does it take our key?)
//	Refund ──▶ the provider gives back, now or later ──▶ webhook ──▶ VerifyWebhook ──▶ Event (KindRefund)
//
// What the three differ in: who names the payment (we do; Stripe by a session of its own), units (Flutterwave counts major ones), how a webhook proves
// itself (a signature over the body; Flutterwave's bare secret is only a hint), and what may be repeated (everything at Stripe, questions elsewhere). Their
// package comments tell the rest. What they share — time limits, breaker, Retry-After, redaction, the checks of keys — is in internal/exchange.
//
// Before value is given, status, amount, currency and reference must equal what was asked for, to the unit; see [EventEvidence] for
// which evidence is good enough to be compared.
package payments
