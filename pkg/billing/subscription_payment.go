package billing

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/problem"
)

// SubscriptionPrefix begins the reference of every subscription payment, as ReferencePrefix does that of a credit purchase.
const SubscriptionPrefix = "SUB-"

// SubscriptionPaymentStatus is the state of a subscription payment. Its arrows are those of a credit purchase (see the package documentation), where completed is called
// SUCCESSFUL; and a pending one is CANCELLED with its subscription, after which a payment that arrives all the same goes to REVIEW.
type SubscriptionPaymentStatus string

// The states of a subscription payment.
const (
	SubPaymentPending    SubscriptionPaymentStatus = "PENDING"
	SubPaymentSuccessful SubscriptionPaymentStatus = "SUCCESSFUL"
	SubPaymentFailed     SubscriptionPaymentStatus = "FAILED"
	SubPaymentCancelled  SubscriptionPaymentStatus = "CANCELLED"
	SubPaymentRefunded   SubscriptionPaymentStatus = "REFUNDED"
	SubPaymentReview     SubscriptionPaymentStatus = "REVIEW"
	SubPaymentExpired    SubscriptionPaymentStatus = "EXPIRED"
	SubPaymentDisputed   SubscriptionPaymentStatus = "DISPUTED"
)

// ErrSubscriptionPaymentNotFound reports a payment that does not exist in the transaction's tenant; another tenant's is the same as none.
var ErrSubscriptionPaymentNotFound = problem.New(problem.NotFound, "subscription_payment_not_found", "There is no such subscription payment.")

// SubscriptionPayment is one payment for one month.
type SubscriptionPayment struct {
	ID, Tenant, User uuid.UUID
	SubscriptionQuote
	// Reference is ours, and what the provider calls the payment by.
	Reference, Provider string
	Status              SubscriptionPaymentStatus
	// Attempt counts the payments since the last successful one, from 1.
	Attempt int
	// PeriodStart and PeriodEnd are the month that it paid for; nil before it has.
	PeriodStart, PeriodEnd *time.Time
	// CheckoutURL and AccessCode are empty until AttachSubscriptionCheckout.
	CheckoutURL, AccessCode string
	// ProviderTransactionID and Received are what the provider says was paid; empty and the zero Amount before. Returned is what is known to have gone back of it.
	ProviderTransactionID string
	Received, Returned    money.Amount
	ReviewReason          string
	CompletedAt           *time.Time
	CreatedAt             time.Time
}

// NewSubscriptionPayment is what a payment begins with.
type NewSubscriptionPayment struct {
	Tenant, User uuid.UUID
	Storefronts  int
	Provider     string
	// Now chooses the taxes and service charges: its calendar date in UTC, which is Ghana's time all year.
	Now time.Time
}

// CreateSubscriptionPayment prices a month and inserts a pending payment for it, and an inactive subscription for a business that has none. Commit it before asking the
// provider for a checkout. tx must be bound to the tenant. Errors: ErrStorefronts, ErrNoTier, ErrSuspended.
func CreateSubscriptionPayment(tx *gorm.DB, n NewSubscriptionPayment) (*SubscriptionPayment, error) {
	q, err := PriceSubscription(tx, n.Storefronts, n.Provider, n.Now.UTC())
	if err != nil {
		return nil, err
	}
	if _, err := exec(tx, "open subscription", `
		insert into billing.subscription (tenant_id, status, period_start, period_end) values ($1, 'INACTIVE', $2, $2) on conflict (tenant_id) do nothing`, n.Tenant, n.Now.UTC()); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("create subscription payment: make id: %w", err)
	}
	taxes, err := json.Marshal(q.Taxes)
	if err != nil {
		return nil, fmt.Errorf("create subscription payment: encode taxes: %w", err)
	}
	charges, err := json.Marshal(append([]ChargeLine{}, q.Charges...))
	if err != nil {
		return nil, fmt.Errorf("create subscription payment: encode service charges: %w", err)
	}
	tier, err := json.Marshal(q.Tier)
	if err != nil {
		return nil, fmt.Errorf("create subscription payment: encode tier: %w", err)
	}
	p := &SubscriptionPayment{ID: id, Tenant: n.Tenant, User: n.User, SubscriptionQuote: q, Reference: SubscriptionPrefix + referenceText.EncodeToString(id[:]), Provider: n.Provider, Status: SubPaymentPending}
	err = query(tx, "create subscription payment", `
		with earlier as (
			select count(*) as n, (array_agg(id order by id desc))[1] as last
			  from billing.subscription_payment
			 where tenant_id = $2 and id > coalesce((select id from billing.subscription_payment where tenant_id = $2 and completed_at is not null order by id desc limit 1),
			                                        '00000000-0000-0000-0000-000000000000')
		)
		insert into billing.subscription_payment
		       (id, tenant_id, user_id, reference, provider, storefronts, tier, base_minor, tax_lines, tax_minor, charge_lines, charges_minor, amount_expected, currency, attempt,
		        previous_attempt)
		select $1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9::jsonb, $10, $11::jsonb, $12, $13, $14, e.n + 1, e.last
		  from earlier e where not exists (select from billing.subscription where tenant_id = $2 and status = 'SUSPENDED')
		returning attempt, created_at`,
		func(rows pgx.Rows) error { return rows.Scan(&p.Attempt, &p.CreatedAt) },
		p.ID, p.Tenant, p.User, p.Reference, p.Provider, p.Storefronts, string(tier), p.Base.Minor, string(taxes), p.Tax.Minor, string(charges), p.Charged.Minor, p.Total.Minor,
		string(p.Total.Currency))
	if err != nil {
		return nil, err
	}
	if p.CreatedAt.IsZero() {
		return nil, fmt.Errorf("create subscription payment: %w", ErrSuspended)
	}
	return p, nil
}

// AttachSubscriptionCheckout stores the page on which the customer pays; of a payment that is not pending any more it changes nothing. tx must be bound to the tenant.
func AttachSubscriptionCheckout(tx *gorm.DB, id uuid.UUID, url, accessCode string) error {
	_, err := exec(tx, "attach checkout", `
		update billing.subscription_payment set authorization_url = $2, access_code = $3, updated_at = now() where id = $1 and status = 'PENDING'`, id, url, accessCode)
	return err
}

const selectSubscriptionPayment = `
	select id, tenant_id, user_id, reference, provider, status, attempt, storefronts, tier, base_minor, tax_lines, tax_minor, charge_lines, charges_minor, amount_expected, currency, period_start, period_end,
	       coalesce(authorization_url, ''), coalesce(access_code, ''), coalesce(amount_received, 0), coalesce(currency_received, ''), coalesce(review_reason, ''), completed_at, created_at,
	       coalesce(provider_txn_id, ''), amount_returned
	  from billing.subscription_payment `

func scanSubscriptionPayment(rows pgx.Rows) (*SubscriptionPayment, error) {
	p := &SubscriptionPayment{}
	var tier, taxes, charges []byte
	var currency, received string
	var got int64
	if err := rows.Scan(&p.ID, &p.Tenant, &p.User, &p.Reference, &p.Provider, &p.Status, &p.Attempt, &p.Storefronts, &tier, &p.Base.Minor, &taxes, &p.Tax.Minor, &charges, &p.Charged.Minor, &p.Total.Minor, &currency,
		&p.PeriodStart, &p.PeriodEnd, &p.CheckoutURL, &p.AccessCode, &got, &received, &p.ReviewReason, &p.CompletedAt, &p.CreatedAt,
		&p.ProviderTransactionID, &p.Returned.Minor); err != nil {
		return nil, err
	}
	c := money.Currency(currency)
	p.Base.Currency, p.Tax.Currency, p.Charged.Currency, p.Total.Currency = c, c, c, c
	p.Returned.Currency = c
	if received != "" {
		p.Received = money.FromMinor(got, money.Currency(received))
		p.Returned.Currency = p.Received.Currency
	}
	if err := json.Unmarshal(tier, &p.Tier); err != nil {
		return nil, fmt.Errorf("decode tier: %w", err)
	}
	var err error
	if p.Taxes, err = decodeTaxes(taxes, c); err == nil {
		p.Charges, err = decodeCharges(charges, c)
	}
	return p, err
}

// SubscriptionPayments returns the tenant's payments after the one with id after, newest first, and the id to continue with, as Purchases does.
func SubscriptionPayments(tx *gorm.DB, after uuid.UUID, limit int) (list []*SubscriptionPayment, next uuid.UUID, err error) {
	limit = min(max(limit, 1), MaxPage)
	owner, err := owner(tx)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("list subscription payments: %w", err)
	}
	if after == uuid.Nil {
		after = uuid.Max
	}
	err = query(tx, "list subscription payments", selectSubscriptionPayment+`where tenant_id = $1 and id < $2 order by id desc limit $3`, func(rows pgx.Rows) error {
		p, err := scanSubscriptionPayment(rows)
		list = append(list, p)
		return err
	}, owner, after, limit+1)
	if err != nil {
		return nil, uuid.Nil, err
	}
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].ID
	}
	return list, next, nil
}

// SubscriptionPaymentByReference returns the payment with that reference, or ErrSubscriptionPaymentNotFound when the transaction sees none.
func SubscriptionPaymentByReference(tx *gorm.DB, ref string) (*SubscriptionPayment, error) {
	return oneSubscriptionPayment(tx, `where reference = $1`, ref)
}

// SubscriptionPaymentByID returns the payment with that id, or ErrSubscriptionPaymentNotFound.
func SubscriptionPaymentByID(tx *gorm.DB, id uuid.UUID) (*SubscriptionPayment, error) {
	return oneSubscriptionPayment(tx, `where id = $1`, id)
}

func oneSubscriptionPayment(tx *gorm.DB, where string, arg any) (p *SubscriptionPayment, err error) {
	err = query(tx, "read subscription payment", selectSubscriptionPayment+where, func(rows pgx.Rows) (err error) {
		p, err = scanSubscriptionPayment(rows)
		return err
	}, arg)
	if err == nil && p == nil {
		err = fmt.Errorf("read subscription payment: %w", ErrSubscriptionPaymentNotFound)
	}
	return p, err
}

// SubscriptionReceipt is what a mail about a subscription payment says.
type SubscriptionReceipt struct {
	Payment *SubscriptionPayment
	// Name and Email are the payer's, or the owner's when the payer is gone. Business and Timezone are the business's.
	Name, Email, Business, Timezone string
}

// SubscriptionReceipts gathers what mails about the payments say, by the payments' ids. tx must be bound to their businesses.
func SubscriptionReceipts(tx *gorm.DB, ids []uuid.UUID) (map[uuid.UUID]*SubscriptionReceipt, error) {
	receipts := make(map[uuid.UUID]*SubscriptionReceipt, len(ids))
	if len(ids) == 0 {
		return receipts, nil
	}
	err := query(tx, "read subscription payments", selectSubscriptionPayment+`where id = any ($1::uuid[])`, func(rows pgx.Rows) error {
		p, err := scanSubscriptionPayment(rows)
		if err == nil {
			receipts[p.ID] = &SubscriptionReceipt{Payment: p}
		}
		return err
	}, ids)
	if err != nil {
		return nil, err
	}
	err = query(tx, "read payers", `
		select p.id, coalesce(u.name, o.name, b.name), coalesce(u.email, o.email, b.email), b.name, b.timezone
		  from billing.subscription_payment p
		  join accounts.business b on b.id = p.tenant_id
		  left join accounts.user u on u.id = p.user_id and u.is_active
		  left join accounts.user o on o.id = b.owner_id and o.is_active
		 where p.id = any ($1::uuid[])`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var r SubscriptionReceipt
			if err := rows.Scan(&id, &r.Name, &r.Email, &r.Business, &r.Timezone); err != nil {
				return err
			}
			if known := receipts[id]; known != nil {
				r.Payment = known.Payment
				*known = r
			}
			return nil
		}, ids)
	return receipts, err
}
