package inventory

import (
	"fmt"

	"github.com/google/uuid"

	"makola/pkg/problem"
)

// Errors of selling and taking back.
var (
	// ErrQuantity reports a quantity that is not between 1 and MaxQuantity.
	ErrQuantity = problem.New(problem.Invalid, "quantity", "A quantity is a whole number from 1 to 1000000000.")
	// ErrBeyondTaken reports that more shall go back on the shelf than was taken and not put back yet.
	ErrBeyondTaken = problem.New(problem.Conflict, "beyond_taken", "No more can go back on the shelf than was taken from it.")
)

// MaxQuantity is the most units one line of anything may name; the schema holds it too.
const MaxQuantity = 1_000_000_000

// InsufficientStockError reports that a place holds less of a product than is asked for. Callers find it with errors.AsType.
type InsufficientStockError struct {
	Product              uuid.UUID
	Available, Requested int64
}

// Error says how much there is.
func (e *InsufficientStockError) Error() string {
	return fmt.Sprintf("product %s: %d available, %d requested", e.Product, e.Available, e.Requested)
}

// Unwrap is what a client reads: 409, with the numbers.
func (e *InsufficientStockError) Unwrap() error {
	return problem.New(problem.Conflict, "insufficient_stock", fmt.Sprintf("Only %d are available; %d were asked for.", e.Available, e.Requested),
		problem.FieldError{Field: "product_id", Code: "insufficient_stock", Message: fmt.Sprintf("product %s: available %d, requested %d", e.Product, e.Available, e.Requested)})
}
