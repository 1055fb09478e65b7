package inventory

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"makola/pkg/problem"
)

// Errors of this package. Their words are what a client reads.
var (
	// ErrQuantity reports a quantity that is not between 1 and MaxQuantity.
	ErrQuantity = problem.New(problem.Invalid, "", "", problem.FieldError{Pointer: "/quantity", Field: "quantity", Code: "out_of_range", Message: "must be a whole number from 1 to 1000000000"})
	// ErrBeyondTaken reports that more shall go back on the shelf than was taken and not put back yet.
	ErrBeyondTaken = problem.New(problem.Conflict, "beyond_taken", "No more can go back on the shelf than was taken from it.")

	// ErrLocationNotFound, and the errors below, report an id that the business does not have, or that belongs to another one.
	ErrLocationNotFound   = problem.New(problem.NotFound, "location_not_found", "There is no such place.")
	ErrCategoryNotFound   = problem.New(problem.NotFound, "category_not_found", "There is no such category.")
	ErrSupplierNotFound   = problem.New(problem.NotFound, "supplier_not_found", "There is no such supplier.")
	ErrProductNotFound    = problem.New(problem.NotFound, "product_not_found", "There is no such product.")
	ErrBatchNotFound      = problem.New(problem.NotFound, "stock_batch_not_found", "There is no such delivery.")
	ErrItemNotFound       = problem.New(problem.NotFound, "stock_item_not_found", "There is no such stock item.")
	ErrAdjustmentNotFound = problem.New(problem.NotFound, "stock_adjustment_not_found", "There is no such adjustment.")
	ErrTransferNotFound   = problem.New(problem.NotFound, "transfer_not_found", "There is no such transfer.")

	// ErrNameTaken reports a name that another one of its kind has, in whatever case.
	ErrNameTaken = problem.New(problem.Conflict, "name_taken", "There is one of this name already.", problem.FieldError{Pointer: "/name", Field: "name", Code: "taken", Message: "is in use"})
	// ErrCodeTaken reports the code of another place.
	ErrCodeTaken = problem.New(problem.Conflict, "code_taken", "Another place has this code.", problem.FieldError{Pointer: "/code", Field: "code", Code: "taken", Message: "is in use"})
	// ErrSKUTaken reports the SKU of another product, in whatever case.
	ErrSKUTaken = problem.New(problem.Conflict, "sku_taken", "Another product has this SKU.", problem.FieldError{Pointer: "/sku", Field: "sku", Code: "taken", Message: "is in use"})
	// ErrInUse reports something that cannot be deleted because something else names it.
	ErrInUse = problem.New(problem.Conflict, "in_use", "It is in use and cannot be deleted.")
	// ErrCodeFrozen reports a storefront whose code is on receipts.
	ErrCodeFrozen = problem.New(problem.Conflict, "code_frozen", "Something was sold here already, and receipts carry the code; it cannot change any more.")
	// ErrStorefrontLimit reports that the business has as many storefronts as its subscription covers.
	ErrStorefrontLimit = problem.New(problem.Conflict, "storefront_limit", "The subscription covers no more storefronts. Pay for one more, or close one.")
	// ErrCategoryCycle reports a category that would be its own ancestor.
	ErrCategoryCycle = problem.New(problem.Conflict, "category_cycle", "A category cannot be below itself.", problem.FieldError{Pointer: "/parent_id", Field: "parent_id", Code: "cycle", Message: "is below this category"})
	// ErrItemMoved reports that the quantity of an item cannot be corrected any more.
	ErrItemMoved = problem.New(problem.Conflict, "stock_item_moved", "Stock of this item has moved. Correct what is left with an adjustment.")
	// ErrNotPending reports an adjustment that was decided on.
	ErrNotPending = problem.New(problem.Conflict, "stock_adjustment_not_pending", "This adjustment was decided on before.")
	// ErrOwnAdjustment reports somebody who approves what they entered themselves, where the business does not want that.
	ErrOwnAdjustment = problem.New(problem.Forbidden, "own_adjustment", "Somebody else must approve what you entered.")
	// ErrNotDispatched reports a transfer that cannot arrive because it never left.
	ErrNotDispatched = problem.New(problem.Conflict, "transfer_not_dispatched", "This transfer was not dispatched yet.")
	// ErrTransferEnded reports a transfer that is completed or cancelled.
	ErrTransferEnded = problem.New(problem.Conflict, "transfer_ended", "This transfer is completed or cancelled.")
)

// problemBusy asks to try again what met somebody else at the same moment.
var problemBusy = problem.Later(problem.Conflict, "busy", "Somebody else changed this at the same moment. Try again.", time.Second)

// fault is a value of the body that breaks a rule.
func fault(pointer, code, message string) problem.FieldError {
	return problem.FieldError{Pointer: pointer, Field: pointer[strings.LastIndexByte(pointer, '/')+1:], Code: code, Message: message}
}

// invalid is the answer to faults, nil when there are none.
func invalid(faults ...problem.FieldError) error {
	if len(faults) == 0 {
		return nil
	}
	return problem.New(problem.Invalid, "", "", faults...)
}

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
