// Package sales keeps the till: customers and what they owe, carts, sales, payments, refunds, exchanges, receivables.
//
// # What always holds
//
//   - A cart is a sale in state DRAFT. What it holds is set aside for 30 minutes, and every change of it begins the half hour anew for all of it. What carts hold of a product never
//     exceeds what is on hand at the moment something is set aside.
//   - Checkout is one transaction: stock, reservations, payments, debt and receipt number change together or not at all, and once.
//   - total = max(0, subtotal - discount) + tax, the tax of each line rounded half-up and then summed. total - returned = paid - cash refunded + due. The table's constraints hold both.
//   - A line is worth its total, less its share of the sale's discount, plus its tax. The shares add up to the discount, and the worth of what comes back in pieces to the worth
//     of the whole, each to the unit (see share and portion).
//   - Goods that come back first lower what is still owed for them; only the rest is paid back. A sale that was paid is never owed again.
//   - A customer's debt is the sum of their open receivables and of their credit transactions. Each sale that is not paid in full has one receivable, for what is due.
//   - Nobody owes anything without having been asked for: Credit says when a customer may buy on credit, and a manager who overrides it is recorded with the reason.
//
// # The life of a sale
//
//	DRAFT ──checkout: nothing, part, all paid──▶ PENDING, PARTIAL, COMPLETED
//	DRAFT ──given up──▶ CANCELLED
//	PENDING ──payments──▶ PARTIAL ──▶ COMPLETED
//	PENDING, PARTIAL, COMPLETED ──all goods back──▶ REFUNDED
//	PENDING, PARTIAL, COMPLETED ──cancelled: all goods back, the sale counts no more──▶ CANCELLED
//
// # Locks
//
// Every function that changes something locks in this order, so that none waits for another in a ring: the sale (several by id), the stock of its products (the shelf locks it, in
// order), the customer, the receivables, and last the receipt counter, which a storefront's other checkouts wait for.
//
// # Stock
//
// This package knows nothing of how stock is kept: whoever calls hands it a Shelf.
//
// Functions that take tx begin no transaction: the caller does, with postgres.InTenant.
package sales
