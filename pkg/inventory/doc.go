// Package inventory owns what a business holds: its places, products, deliveries, adjustments and transfers, and the ledger of movements that every on-hand figure follows from.
//
// Stock changes in one way: a movement is inserted (post), and the database's trigger carries it to the item it names and to the level of its product and place. Nobody may
// write those figures. What leaves a place leaves its items first expired, first out.
//
//	delivery ──INTAKE──▶ item at a place ──SALE──▶ sold ──REFUND──▶ back in the item it came from
//	                       │      ▲
//	                       │      └──ADJUSTMENT (approved)
//	                       └──TRANSFER_OUT──▶ on the road ──TRANSFER_IN──▶ an item of its own at the destination, or, cancelled, back where it was
//
// Everybody who changes stock first locks the levels concerned, in order of product and place, and only then looks at the items: whoever holds a level knows what is there.
// So buyers of the last unit take turns, and two that need the same levels never wait for each other in a circle. The check constraints behind it cannot be reached by a race.
//
// See docs/adr/0025-stock-is-a-ledger-of-movements.md.
package inventory
