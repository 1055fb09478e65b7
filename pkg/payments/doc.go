// Package payments says what the product needs of a payment provider, in words no provider owns. Each provider is a package below:
// paystack speaks to Paystack, fake is a simulator of it for development and tests. There is no ledger and there are no rows here: these
// packages bring evidence about a payment, and the billing context decides what it is worth.
//
//	Initialize ──▶ Checkout (a page for the customer) ──▶ the customer pays ──┬──▶ webhook ──▶ VerifyWebhook ──▶ Event
//	                                                                          └──▶ Verify (asked, or polled) ──▶ Verification
//
// Before value is given, status, amount, currency and reference must equal what was asked for, to the unit; see [EventEvidence] for
// which evidence is good enough to be compared.
package payments
