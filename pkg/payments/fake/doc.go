// Package fake simulates Paystack for development, demonstrations and tests: real HTTP, real signatures, no money.
//
// A [Simulator] is an http.Handler with the part of Paystack's API that the product uses, the page on which a customer pays, and the delivery
// of signed webhooks with bounded retries. Beyond Paystack it misbehaves on request: a webhook twice, a webhook lost, a wrong amount, a wrong
// currency. Everything is held in memory and gone when the process ends.
//
//	POST /transaction/initialize            bearer key; answers authorization_url
//	GET  /transaction/verify/{reference}    bearer key
//	GET  /transaction                       bearer key; all transactions, newest first
//	GET  /checkout/{access_code}            the page: Pay, Fail, Pay twice, Lose the webhook
//	POST /_control/pay                      {"reference": "…", "mode": "pay|fail|twice|lose|wrong_amount|wrong_currency"}
//	GET  /_control/deliveries               every attempt to deliver a webhook, oldest first
//	GET  /livez                             answers 200
//
// It never runs in production: the command that serves it refuses to start there, and package paystack refuses its address and its key.
package fake
