// Package fake simulates Paystack, Flutterwave and Stripe for development, demonstrations and tests: real HTTP, real signatures, no money.
//
// A [Simulator] is an http.Handler with the part of each provider's API that the product uses, the page on which a customer pays, and the delivery
// of signed webhooks with bounded retries. All three APIs are facades of one book of transactions. It misbehaves on command: see [Fault] for what a provider
// does wrong, [Mode] for what a customer does. Everything is held in memory, bounded, and gone when the process ends.
//
//	                                  ┌─ /transaction, /refund                     Paystack
//	client ── API, bearer key ──────▶ ├─ /flutterwave/v3/payments, /transactions   Flutterwave version 3
//	                                  └─ /v1/checkout/sessions, /refunds, …        Stripe; also under /stripe/v1
//	                                           │ faults of initialize, verify, refund, list, probe
//	                                        ┌──▼───┐  Pay, Refund, Dispute   ┌───────────┐ faults of webhook
//	customer ── /checkout/{access_code} ──▶ │ book │ ──────────────────────▶ │ deliver   │ ──▶ signed POST to the gateway,
//	test, CLI ── /_simulator/…, Go ───────▶ └──────┘                         │ & repeat  │     one after the other per action
//	                                                                         └───────────┘
//
//	GET    /                                               transactions, faults and webhooks, for people
//	GET    /checkout/{access_code}                         the page: Pay, Fail, Pay twice, Lose the webhook, Misbehave
//	POST   /_control/pay                                   {"reference": "…", "mode": "pay"}; a mode is a Mode
//	GET    /_control/deliveries                            every attempt to deliver a webhook, oldest first
//	POST   /_simulator/faults                              a Fault; GET lists, DELETE clears all or, with /{id}, one
//	GET    /_simulator/transactions[/{reference}]          in the words of no provider
//	POST   /_simulator/transactions/{reference}/refund     {"amount": "10.00"}, or no body for all that is left
//	POST   /_simulator/transactions/{reference}/dispute    no body opens one, {"resolution": "won"} or "lost" closes it
//	POST   /_simulator/transactions/{reference}/webhook    sends the latest again, or {"event": "…"}
//	GET    /livez                                          answers 200
//
// It never runs in production: the command that serves it refuses to start there, and the clients refuse its address and its keys.
package fake
