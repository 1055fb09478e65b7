package billing

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// Status is the state of a purchase; the package documentation draws the moves between them.
type Status string

// The states of a purchase.
const (
	Pending   Status = "pending"
	Completed Status = "completed"
	Failed    Status = "failed"
	Refunded  Status = "refunded"
	Review    Status = "review"
	Expired   Status = "expired"
	Disputed  Status = "disputed"
)

// ErrNotFound reports a purchase that does not exist in the transaction's tenant; another tenant's is the same as none.
var ErrNotFound = problem.New(problem.NotFound, "purchase_not_found", "There is no such purchase.")

// ErrNoAccount reports a tenant that was never opened with OpenTenant.
var ErrNoAccount = problem.New(problem.Conflict, "no_credit_account", "The business has no credit account.")

// ReferencePrefix begins the reference of every credit purchase; it tells them from other payments that reach the same webhook address.
const ReferencePrefix = "AI-"

// Purchase is one purchase of credits.
type Purchase struct {
	ID, Tenant, User uuid.UUID
	Quote
	// Reference is ours, and what the provider calls the payment by: letters, digits and hyphens.
	Reference, Provider, Method string
	Status                      Status
	// CheckoutURL and AccessCode are empty until AttachCheckout.
	CheckoutURL, AccessCode string
	// ProviderTransactionID and Received are set by the evidence; Received is the zero Amount before.
	ProviderTransactionID string
	Received              money.Amount
	// Returned is what is known to have gone back of it.
	Returned money.Amount
	// ReviewReason says why the purchase is in review.
	ReviewReason string
	CompletedAt  *time.Time
	CreatedAt    time.Time
}

// NewPurchase is what a purchase begins with.
type NewPurchase struct {
	Tenant, User uuid.UUID
	// Package is one of the package codes; Custom the amount before tax, for PackageCustom only.
	Package string
	Custom  *money.Amount
	// Provider names the payment provider, Method the way to pay: mobile_money, card or bank_transfer.
	Provider, Method string
	// Now chooses the taxes. The calendar date is taken in UTC, which is Ghana's time all year.
	Now time.Time
}

// referenceText keeps the order of the ids, so that sorting by reference is sorting by age.
var referenceText = base32.HexEncoding.WithPadding(base32.NoPadding)

// reference writes a purchase's id as 26 letters and digits behind the prefix. Paystack takes letters, digits, "-", "." and "=" only.
func reference(id uuid.UUID) string { return ReferencePrefix + referenceText.EncodeToString(id[:]) }

// CreatePurchase prices the package, and inserts a pending purchase. Commit it before asking the provider for a checkout: a payable link
// without a row is money without an owner. tx must be bound to the tenant.
// Errors: ErrUnknownPackage, ErrCustomAmount, ErrNoAccount.
func CreatePurchase(tx *gorm.DB, n NewPurchase) (*Purchase, error) {
	q, err := Price(tx, n.Package, n.Custom, n.Now.UTC())
	if err != nil {
		return nil, fmt.Errorf("create purchase: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("create purchase: make id: %w", err)
	}
	taxes, err := json.Marshal(q.Taxes)
	if err != nil {
		return nil, fmt.Errorf("create purchase: encode taxes: %w", err)
	}
	p := &Purchase{ID: id, Tenant: n.Tenant, User: n.User, Quote: q, Reference: reference(id), Provider: n.Provider, Method: n.Method, Status: Pending}
	err = query(tx, "create purchase", `
		insert into billing.credit_purchase
		       (id, tenant_id, user_id, package, base_minor, tax_lines, tax_minor, amount_expected, currency, credits, bonus, reference, provider, method)
		select $1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11, $12, $13, $14
		 where exists (select from billing.ledger_account where tenant_id = $2 and kind = 'credits' and unit = 'CRD')
		returning created_at`,
		func(rows pgx.Rows) error { return rows.Scan(&p.CreatedAt) },
		p.ID, p.Tenant, p.User, p.Package, p.Base.Minor, string(taxes), p.Tax.Minor, p.Total.Minor, string(p.Total.Currency),
		int64(p.Credits), int64(p.Bonus), p.Reference, p.Provider, p.Method)
	if err != nil {
		return nil, err
	}
	if p.CreatedAt.IsZero() {
		return nil, fmt.Errorf("create purchase: %w", ErrNoAccount)
	}
	return p, nil
}

// AttachCheckout stores the page on which the customer pays. Only a pending purchase takes one; for another it changes nothing and reports false.
// tx must be bound to the tenant.
func AttachCheckout(tx *gorm.DB, id uuid.UUID, url, accessCode string) (bool, error) {
	n, err := exec(tx, "attach checkout", `
		update billing.credit_purchase set authorization_url = $2, access_code = $3, updated_at = now()
		 where id = $1 and status = 'pending'`, id, url, accessCode)
	return n == 1, err
}
