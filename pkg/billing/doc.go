// Package billing keeps the books: what a business bought, what it paid, and the AI credits it may spend.
//
// # What always holds
//
//   - The ledger is double entry. A transfer is a set of entries that sum to zero in every unit; CRD is 1/100 AI credit, other units are
//     currencies in minor units. Transfers and entries are only ever added.
//   - An entry is positive where value arrives and negative where it comes from. An account's balance is the sum of its entries, cached on
//     the account's row and changed in the transaction that writes them. Accounts are locked in the order of their ids.
//   - A business has one account, "credits". Its balance is never negative and equals what is left in its lots. A business that was given its money back for credits
//     that it had spent has another, "credits_debt", which is never positive. The other accounts belong to the platform: credits_issued (CRD), provider_receivable,
//     credit_sales, subscription_sales and suspense (one of each for a currency).
//   - Credits are set aside before they are used: Reserve, then Capture or Release. Whoever does so, or takes credits away, locks the business's account first, so no
//     number of calls at once spends more than there is. Lots that end first are used first, and ended ones never again.
//   - A purchase credits once, in full, when a provider's own word matches it in status, amount, currency and reference to the unit, or it is
//     parked in review with the reason beside it. Nothing else credits.
//   - Money that goes back takes its share of what it bought along: see returns.go for how one refund under several names is counted once.
//   - Money that arrived and matches nothing is still booked: to suspense, with a payment_review row that says why.
//   - Rows are never deleted. A purchase moves only along the arrows.
//
// # The life of a purchase
//
//	pending ──success──▶ completed ──the payer's bank asks for the money──▶ disputed
//	pending ──the provider says failed──▶ failed ──late success──▶ completed
//	pending ──72 hours──▶ expired ──late success──▶ completed
//	pending, failed, expired ──mismatch──▶ review ──a person──▶ completed or failed
//	completed, disputed, review ──all the money goes back, at once or in parts──▶ refunded
//	pending, failed, expired ──a refund that is faster than its success──▶ refunded
//
// # The life of a hold
//
//	Reserve ──▶ held ──Capture──▶ captured ──RecordUsage──▶ in the ledger
//	             ├──Release, or its purchase is refunded──▶ released, cancelled
//	             ╰──15 minutes──▶ expired
//
// # One purchase in the books
//
// The value package (80.00 before tax, 80 + 20 credits, 96.00 with the taxes of 2026) is one transfer of five entries:
//
//	provider_receivable  GHS  + 9600     the provider owes us the money
//	credit_sales         GHS  − 9600
//	credits              CRD  + 8000     lot PURCHASE
//	credits              CRD  + 2000     lot BONUS
//	credits_issued       CRD  −10000
//
// # Subscriptions
//
// A month of the product is bought as credits are: one pending payment for each month, priced from billing.pricing_tier with the taxes of the day, settled on the same evidence by
// the same rules (SettleSubscriptions), into the account subscription_sales. What a subscription is at an instant, and what a business may do then, say Subscription.StatusAt and
// AccessOf; the arrows are drawn at SubscriptionStatus.
//
// Functions that take tx begin no transaction: the caller does, with postgres.InTenant or postgres.InSystem, as each function says.
package billing
