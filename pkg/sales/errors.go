package sales

import (
	"fmt"

	"github.com/google/uuid"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// Errors of this package. Their words are what a client reads.
var (
	// ErrCustomerNotFound reports a customer who does not exist, or is another business's.
	ErrCustomerNotFound = problem.New(problem.NotFound, "customer_not_found", "There is no such customer.")
	// ErrUnknownCustomer is ErrCustomerNotFound for a body that names the customer.
	ErrUnknownCustomer = field("customer_id", "unknown", "is no customer of this business")
	// ErrCustomerInactive reports a customer who was switched off.
	ErrCustomerInactive = field("customer_id", "inactive", "is switched off")
	// ErrPhone reports a phone number that nobody could call.
	ErrPhone = field("phone", "invalid", "must be 6 to 20 digits, perhaps after a +")
	// ErrPhoneTaken reports a phone number that another customer has.
	ErrPhoneTaken = problem.New(problem.Conflict, "phone_taken", "Another customer has this phone number.",
		problem.FieldError{Pointer: "/phone", Field: "phone", Code: "taken", Message: "is another customer's"})
	// ErrWalkIn reports a change of the customer who stands for people without a name.
	ErrWalkIn = problem.New(problem.Conflict, "walk_in_customer", "The walk-in customer stands for whoever is not known, and cannot be changed.")

	// ErrNotFound reports a sale that does not exist, is another business's, or was made in a storefront that is not the person's.
	ErrNotFound = problem.New(problem.NotFound, "sale_not_found", "There is no such sale.")
	// ErrItemNotFound reports a line that the sale does not have.
	ErrItemNotFound = problem.New(problem.NotFound, "sale_item_not_found", "The sale has no such line.")
	// ErrUnknownStorefront reports a place that is no storefront of the business, or is closed.
	ErrUnknownStorefront = field("storefront_id", "unknown", "is no open storefront of this business")
	// ErrNotAssigned reports a storefront that the person is not assigned to.
	ErrNotAssigned = problem.New(problem.Forbidden, "storefront_not_assigned", "You are not assigned to this storefront. Ask the owner of the business.")
	// ErrStorefrontClosed reports a checkout in a storefront that was switched off meanwhile.
	ErrStorefrontClosed = problem.New(problem.Conflict, "storefront_closed", "This storefront is switched off. Nothing is sold there.")
	// ErrNotDraft reports a cart that has been paid for or given up.
	ErrNotDraft = problem.New(problem.Conflict, "sale_not_draft", "This sale is no cart any more: it was completed or given up.")
	// ErrEmpty reports a checkout of nothing.
	ErrEmpty = problem.New(problem.Conflict, "sale_empty", "There is nothing in this cart.")
	// ErrTooManyLines reports a cart with more lines than MaxLines.
	ErrTooManyLines = problem.New(problem.Conflict, "sale_too_long", fmt.Sprintf("A sale has at most %d lines.", MaxLines))
	// ErrUnknownProduct reports a product that the storefront does not stock, or that does not exist.
	ErrUnknownProduct = field("product_id", "unknown", "is not on sale in this storefront")
	// ErrProductInactive reports a product that was switched off.
	ErrProductInactive = field("product_id", "inactive", "is switched off")
	// ErrPriceOverride reports a cashier who names a price.
	ErrPriceOverride = problem.New(problem.Forbidden, "price_override", "Only a manager may sell at another price.")
	// ErrDiscount reports a discount of more than there is to pay.
	ErrDiscount = field("discount", "too_large", "is more than there is to pay")
	// ErrTooLarge reports a sale of more than MaxMinor.
	ErrTooLarge = problem.New(problem.Invalid, "sale_too_large", "This comes to more than a sale may.")

	// ErrOverpaid reports payments other than cash of more than is to pay.
	ErrOverpaid = problem.New(problem.Invalid, "overpaid", "This is more than is owed. Only cash gives change, and only at checkout.")
	// ErrUnderpaid reports payments that do not cover a sale that is not on credit.
	ErrUnderpaid = problem.New(problem.Invalid, "underpaid", "The payments do not cover the total. To sell on credit, ask with payment_type CREDIT.")
	// ErrNothingDue reports a payment on a sale that is paid, refunded, cancelled or still a cart.
	ErrNothingDue = problem.New(problem.Conflict, "nothing_due", "Nothing is due on this sale.")
	// ErrOverrideForbidden reports a cashier who overrides the rules of credit.
	ErrOverrideForbidden = problem.New(problem.Forbidden, "credit_override", "Only a manager may override the rules of credit.")
	// ErrDueDate reports a due date before the sale, or more than a year after it.
	ErrDueDate = field("due_date", "out_of_range", "must be today or later, and within a year")

	// ErrNotReturnable reports a refund, an exchange or a cancellation of a cart, or of a sale that was refunded or cancelled.
	ErrNotReturnable = problem.New(problem.Conflict, "sale_not_returnable", "Only a sale that was completed, and neither refunded nor cancelled since, can be taken back.")
	// ErrUnknownItem reports a line that the sale does not have, named in a body.
	ErrUnknownItem = field("items", "unknown", "names a line that this sale does not have, or one twice")
	// ErrReturnedTooMuch reports that more would come back than was sold.
	ErrReturnedTooMuch = problem.New(problem.Conflict, "refund_exceeds_sold", "More would come back than was sold and has not come back yet.")

	// ErrReceivableNotFound reports a receivable that does not exist, is another business's or another storefront's.
	ErrReceivableNotFound = problem.New(problem.NotFound, "receivable_not_found", "There is no such receivable.")
)

func field(name, code, message string) error {
	return problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/" + name, Field: name, Code: code, Message: message})
}

// InsufficientStock reports that less is available than was asked for. It answers 409.
func InsufficientStock(product uuid.UUID, available, requested int64) error {
	return problem.New(problem.Conflict, "insufficient_stock", fmt.Sprintf("Only %d are available, and %d were asked for.", available, requested),
		problem.FieldError{
			Pointer: "/quantity", Field: "quantity", Code: "insufficient_stock", Message: "is more than is available",
			Values: map[string]any{"product_id": product, "available": available, "requested": requested},
		})
}

// CreditReason says why a customer may not buy on credit; empty when they may.
type CreditReason string

// The reasons.
const (
	CreditWalkIn   CreditReason = "walk_in"
	CreditInactive CreditReason = "inactive"
	CreditBlocked  CreditReason = "blocked"
	CreditOverdue  CreditReason = "overdue"
	CreditLimit    CreditReason = "limit"
)

var creditWords = map[CreditReason]string{
	CreditWalkIn:   "Whoever is not known cannot buy on credit.",
	CreditInactive: "This customer is switched off.",
	CreditBlocked:  "This customer is blocked from buying on credit.",
	CreditOverdue:  "This customer has a debt that is overdue.",
	CreditLimit:    "This is more than the customer's credit leaves.",
}

// overridable reports whether a manager may override the reason. Two are no matter of trust: there is nobody to ask for the money.
func (r CreditReason) overridable() bool { return r != CreditWalkIn && r != CreditInactive }

// creditRefused reports a sale on credit that the rules do not allow. It answers 409.
func creditRefused(reason CreditReason, available, requested money.Amount) error {
	words := creditWords[reason]
	if reason.overridable() {
		words += " A manager may override this with a reason."
	}
	return problem.New(problem.Conflict, "credit_refused", words, problem.FieldError{
		Pointer: "/payments", Field: "payments", Code: string(reason), Message: words,
		Values: map[string]any{"available": available.Decimal(), "requested": requested.Decimal()},
	})
}
