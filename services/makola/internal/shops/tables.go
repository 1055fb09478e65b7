package shops

import (
	"time"

	"github.com/google/uuid"
)

// assignment says that somebody sees a storefront.
type assignment struct {
	user, storefront uuid.UUID
	at               time.Time
}

func (s *Shop) assignments() (list []assignment) {
	for _, p := range s.People {
		if p.Role == "OWNER" {
			continue
		}
		for i := 1; i < len(s.branches); i++ {
			if p.branch == 0 || p.branch == i {
				list = append(list, assignment{p.ID, s.branches[i].id, s.opened()})
			}
		}
	}
	return list
}

// tables lists all rows of a shop, in an order in which every row finds what it refers to.
func (b *Books) tables(s *Shop) []*table {
	id, manager, opened := s.ID, s.manager().ID, s.opened()
	number := -1
	return []*table{
		describe("inventory.location", id, s.branches, "id kind name code address manager_id created_at updated_at", func(p *branch) []any {
			kind := "STOREFRONT"
			if number++; number == 0 {
				kind = "WAREHOUSE"
			}
			return []any{p.id, kind, p.name, p.code, p.address, manager, opened, opened}
		}),
		describe("accounts.storefront_assignment", id, s.assignments(), "user_id storefront_id created_at", func(a *assignment) []any {
			return []any{a.user, a.storefront, a.at}
		}),
		describe("inventory.category", id, b.categories, "id name created_at", func(r *category) []any { return []any{r.id, r.name, r.at} }),
		describe("inventory.supplier", id, b.suppliers, "id name contact email phone created_at", func(r *supplier) []any {
			return []any{r.id, r.name, r.contact, r.email, r.phone, r.at}
		}),
		describe("inventory.product", id, b.products, "id name sku barcode category_id unit reorder_level alerts_muted is_active created_at updated_at", func(r *product) []any {
			return []any{r.id, r.name, r.sku, orNull(r.barcode), r.category, r.unit, r.reorder, r.muted, r.active, r.at, r.at}
		}),
		describe("inventory.stock_batch", id, b.batches, "id arrival_date reference description created_by created_at", func(r *batch) []any {
			return []any{r.id, r.arrived, r.reference, r.description, r.by, r.arrived.Add(10 * time.Hour)}
		}),
		describe("inventory.stock_item", id, b.items, "id batch_id location_id product_id supplier_id source_item_id expiry_date quantity_received currency unit_cost_minor unit_additional_minor retail_price_minor wholesale_price_minor created_at", func(r *item) []any {
			return []any{r.id, r.batch, r.location, r.product, r.supplier, orNull(r.source), instant(r.expiry), r.received, currency, r.cost, r.additional, r.retail, orNull(r.wholesale), r.at}
		}),
		describe("inventory.stock_level", id, b.levels, "location_id product_id on_hand currency retail_price_minor wholesale_price_minor reorder_level updated_at", func(r *level) []any {
			return []any{r.location, r.product, 0, currency, r.retail, orNull(r.wholesale), unless(-1, r.reorder), r.at}
		}),
		describe("inventory.movement", id, b.movements, "id product_id location_id stock_item_id delta kind source_type source_id reason user_id at", func(r *movement) []any {
			return []any{r.id, r.product, r.location, r.item, r.delta, r.kind, r.sourceType, r.source, r.reason, orNull(r.by), r.at}
		}),
		describe("inventory.stock_adjustment", id, b.adjustments, "id stock_item_id location_id product_id type quantity quantity_before currency unit_cost_minor reason reference status created_by decided_by decided_at completed_at created_at updated_at", func(r *adjustment) []any {
			completed, updated := time.Time{}, r.at
			if r.status == "COMPLETED" {
				completed = r.decided
			}
			if !r.decided.IsZero() {
				updated = r.decided
			}
			return []any{r.id, r.item, r.location, r.product, r.kind, r.quantity, r.before, currency, r.cost, r.reason, r.reference, r.status, r.by, orNull(r.decider), instant(r.decided), instant(completed), r.at, updated}
		}),
		describe("inventory.transfer", id, b.transfers, "id reference type status source_id destination_id expected_arrival created_by created_at dispatched_by dispatched_at completed_by completed_at", func(r *transfer) []any {
			dispatcher := r.by
			if r.dispatched.IsZero() {
				dispatcher = uuid.Nil
			}
			return []any{r.id, r.reference, "W2S", r.status, r.source, r.destination, r.expected, r.by, r.at, orNull(dispatcher), instant(r.dispatched), orNull(r.completedBy), instant(r.completed)}
		}),
		describe("inventory.transfer_item", id, b.lines, "transfer_id product_id quantity", func(r *transferLine) []any { return []any{r.transfer, r.product, r.quantity} }),
		describe("inventory.stock_alert", id, b.alerts, "id product_id location_id type stock_item_id bucket current_quantity threshold opened_at", func(r *alert) []any {
			return []any{r.id, r.product, r.location, r.kind, orNull(r.item), unless(-1, r.bucket), r.current, r.threshold, r.at}
		}),
		describe("sales.customer", id, b.customers, "id name email phone address type currency credit_limit_minor credit_terms_days credit_blocked is_walk_in created_by created_at updated_at", func(r *customer) []any {
			return []any{r.id, r.name, orNull(r.email), r.phone, r.address, r.kind, currency, r.limit, r.terms, r.blocked, r.walkIn, r.by, r.at, r.at}
		}),
		describe("sales.sale", id, b.sales, "id storefront_id user_id customer_id receipt_number type status currency subtotal_minor discount_minor total_minor paid_minor returned_minor cash_refunded_minor due_minor payment_type is_credit_sale override_by override_reason created_at updated_at completed_at", func(r *sale) []any {
			return []any{r.id, r.storefront, r.user, r.customer, orNull(r.receipt), r.kind, r.status, currency, r.subtotal, r.discount, r.total, r.paid, r.returned, r.cashBack, r.due, orNull(r.payment), r.credit, orNull(r.overrideBy), r.overrideReason, r.created, r.updated, instant(r.completed)}
		}),
		describe("sales.sale_item", id, b.saleItems, "id sale_id product_id line quantity unit_price_minor discount_minor sale_discount_minor total_minor cost_minor returned product_name product_sku", func(r *saleItem) []any {
			return []any{r.id, r.sale, r.product, r.line, r.quantity, r.price, r.discount, r.share, r.total, unless(-1, r.cost), r.returned, r.name, r.sku}
		}),
		describe("sales.credit_transaction", id, b.credits, "id customer_id kind amount_minor balance_minor source_type source_id reference user_id at", func(r *credit) []any {
			return []any{r.id, r.customer, r.kind, r.amount, r.balance, r.sourceType, r.source, r.reference, orNull(r.by), r.at}
		}),
		describe("sales.payment", id, b.payments, "id sale_id customer_id amount_minor currency method reference processed_by at", func(r *payment) []any {
			return []any{r.id, r.sale, r.customer, r.amount, currency, r.method, r.reference, r.by, r.at}
		}),
		describe("sales.receivable", id, b.receivables, "id sale_id customer_id currency original_minor paid_minor returned_minor outstanding_minor status due_date created_at updated_at", func(r *receivable) []any {
			return []any{r.id, r.sale, r.customer, currency, r.original, r.paid, r.returned, r.open, r.status, r.due, r.at, r.updated}
		}),
		describe("sales.receivable_payment", id, b.settlements, "id receivable_id payment_id amount_minor at", func(r *settlement) []any {
			return []any{r.id, r.receivable, r.payment, r.amount, r.at}
		}),
		describe("sales.refund", id, b.refunds, "id sale_id type currency amount_minor cash_minor method restock reason created_by at", func(r *refund) []any {
			return []any{r.id, r.sale, r.kind, currency, r.amount, r.cash, orNull(r.method), r.restock, r.reason, r.by, r.at}
		}),
		describe("sales.refund_item", id, b.refundItems, "id refund_id sale_item_id quantity amount_minor cost_minor", func(r *refundItem) []any {
			return []any{r.id, r.refund, r.saleItem, r.quantity, r.amount, r.cost}
		}),
		describe("sales.reservation", id, b.reservations, "id sale_id storefront_id product_id quantity expires_at created_at", func(r *reservation) []any {
			return []any{r.id, r.sale, r.storefront, r.product, r.quantity, r.expires, r.at}
		}),
		describe("sales.receipt_counter", id, b.counters, "storefront_id day last", func(r *counter) []any { return []any{r.storefront, r.day, r.last} }),
	}
}
