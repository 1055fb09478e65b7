package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
	"makola/pkg/problem"
	"makola/pkg/tenant"
)

// Errors of reviews.
var (
	// ErrReviewNotFound reports a review that does not exist, or that the transaction does not see.
	ErrReviewNotFound = problem.New(problem.NotFound, "review_not_found", "There is no such review.")
	// ErrReviewResolved reports a review that was decided the other way before.
	ErrReviewResolved = problem.New(problem.Conflict, "review_resolved", "The review was decided the other way before.")
	// ErrReviewStale reports a purchase that is not where the review left it: the decision would change something else.
	ErrReviewStale = problem.New(problem.Conflict, "review_stale", "The purchase has moved on since the review was filed. Look at it again, and reject the review if nothing is left to do.")
	// ErrReviewCredits reports credits that the decision needs, or that make no sense for it.
	ErrReviewCredits = problem.New(problem.Invalid, "review_credits", "Name the credits for a payment that no purchase belongs to, and none where the review is not about credits to give.")
)

// PaymentReview is a payment that a person has to decide about, or has decided about.
type PaymentReview struct {
	// Tenant, and Purchase or Payment, which is of a subscription, are uuid.Nil when nothing has the reference; Event is uuid.Nil when nobody told of the payment.
	ID, Tenant, Purchase, Payment, Event uuid.UUID
	// Reason is one of the Reason constants.
	Provider, Reference, Reason string
	// Expected is the price, Received what the provider says was paid or given back; zero when unknown.
	Expected, Received money.Amount
	// Credits are those in question, for a refund of credits that were spent.
	Credits   money.Credits
	CreatedAt time.Time
	// Resolution is approved or rejected, and with By, Why and ResolvedAt empty while the review is open. Transfer is what the decision posted.
	Resolution, By, Why string
	ResolvedAt          *time.Time
	Transfer            uuid.UUID
	// PurchaseStatus is where the purchase or subscription payment is now, PurchaseCredits what it promised, bonus included.
	PurchaseStatus  Status
	PurchaseCredits money.Credits
	// Extended is set when the decision has just given the month of a subscription payment.
	Extended bool
}

const selectReview = `
	select r.id, r.tenant_id, r.purchase_id, r.event_id, r.provider, r.reference, r.reason, coalesce(r.expected_minor, 0), coalesce(r.expected_currency, ''),
	       coalesce(r.received_minor, 0), coalesce(r.received_currency, ''), coalesce(r.credits, 0), r.created_at, coalesce(r.resolution, ''), coalesce(r.resolved_by, ''),
	       coalesce(r.resolution_reason, ''), r.resolved_at, r.transfer_id, coalesce(p.status, s.status, ''), coalesce(p.credits + p.bonus, 0), r.payment_id
	  from billing.payment_review r left join billing.credit_purchase p on p.id = r.purchase_id left join billing.subscription_payment s on s.id = r.payment_id `

func scanReview(rows pgx.Rows) (*PaymentReview, error) {
	r := &PaymentReview{}
	var owner, purchase, event, transfer, payment uuid.NullUUID
	var expected, received string
	err := rows.Scan(&r.ID, &owner, &purchase, &event, &r.Provider, &r.Reference, &r.Reason, &r.Expected.Minor, &expected, &r.Received.Minor, &received, &r.Credits,
		&r.CreatedAt, &r.Resolution, &r.By, &r.Why, &r.ResolvedAt, &transfer, &r.PurchaseStatus, &r.PurchaseCredits, &payment)
	r.Payment = payment.UUID
	r.Tenant, r.Purchase, r.Event, r.Transfer = owner.UUID, purchase.UUID, event.UUID, transfer.UUID
	r.Expected.Currency, r.Received.Currency = money.Currency(expected), money.Currency(received)
	return r, err
}

// Reviews lists reviews, oldest first: the open ones, or all. It begins after the review with that id, uuid.Nil for the first. tx must be a platform transaction of makola_operator.
func Reviews(tx *gorm.DB, all bool, after uuid.UUID, limit int) (list []*PaymentReview, err error) {
	err = query(tx, "list reviews", selectReview+`where r.id > $1 and ($2 or r.resolved_at is null) order by r.id limit $3`, func(rows pgx.Rows) error {
		r, err := scanReview(rows)
		list = append(list, r)
		return err
	}, after, all, min(max(limit, 1), MaxPage))
	return list, err
}

// ReviewByID returns one review, or ErrReviewNotFound.
func ReviewByID(tx *gorm.DB, id uuid.UUID) (r *PaymentReview, err error) {
	err = query(tx, "read review", selectReview+`where r.id = $1`, func(rows pgx.Rows) (err error) {
		r, err = scanReview(rows)
		return err
	}, id)
	if err == nil && r == nil {
		err = fmt.Errorf("review %s: %w", id, ErrReviewNotFound)
	}
	return r, err
}

// Decision is what an operator decides about a review.
type Decision struct {
	Review  uuid.UUID
	Approve bool
	// Credits is what was agreed to credit, for a payment; zero means what the purchase promised. A payment without a purchase needs them named.
	Credits money.Credits
	By      By
}

// Resolve carries out a decision. Approving credits exactly what was agreed, through the ledger: money that waits in suspense becomes a sale, and the purchase is completed. For a
// refund that did not match, the suspense is settled against the sales; for credits that were refunded after they were spent, the debt is written off; a dispute is only closed. Rejecting
// credits nothing and ends a purchase that waits as failed; its money stays in suspense until its refund is heard of. Either is kept in the audit log.
// A subscription payment is decided alike: approving gives its month.
//
// Deciding the same again changes nothing, and fresh is then false. tx must be bound to the review's business, or, for a payment that no purchase belongs to, to the business
// that gets the credits; rejecting such a one needs a platform transaction.
// Errors: ErrReviewNotFound, ErrReviewResolved, ErrReviewStale, ErrReviewCredits, ErrReviewRefund, ErrGrantAmount, ErrNoAccount.
func Resolve(tx *gorm.DB, d Decision) (r *PaymentReview, fresh bool, err error) {
	if _, err := exec(tx, "lock review", `select from billing.payment_review where id = $1 for no key update`, d.Review); err != nil {
		return nil, false, err
	}
	if r, err = ReviewByID(tx, d.Review); err != nil {
		return nil, false, err
	}
	word := map[bool]string{true: "approved", false: "rejected"}[d.Approve]
	if r.Resolution != "" {
		if r.Resolution != word {
			return nil, false, fmt.Errorf("review %s: %w", r.ID, ErrReviewResolved)
		}
		return r, false, nil
	}
	if d.Credits < 0 || d.Credits > MaxGrant {
		return nil, false, fmt.Errorf("review %s: %w", r.ID, ErrGrantAmount)
	}
	business, _ := tenant.From(tx.Statement.Context)
	if r.Tenant != uuid.Nil {
		business = r.Tenant
	}
	x := &resolution{review: r, decision: d, business: business, post: &posting{}, subject: r.Purchase, sales: kindSales}
	switch {
	case r.Payment != uuid.Nil:
		x.subject, x.sales = r.Payment, kindSubscriptionSales
		err = x.decideMonth(tx)
	case d.Approve:
		err = x.approve(tx)
	default:
		err = x.reject(tx)
	}
	if err != nil {
		return nil, false, err
	}
	var transfer *uuid.UUID
	if len(x.post.transfers) > 0 {
		if err := x.post.write(tx); err != nil {
			return nil, false, fmt.Errorf("review %s: %w", r.ID, err)
		}
		transfer, r.Transfer = &x.post.transfers[0].id, x.post.transfers[0].id
	}
	n, err := exec(tx, "resolve review", `
		update billing.payment_review set resolved_at = now(), resolution = $2, resolved_by = $3, resolution_reason = $4, transfer_id = $5
		 where id = $1 and resolved_at is null`, r.ID, word, d.By.Actor, d.By.Reason, transfer)
	if err == nil && n != 1 {
		err = fmt.Errorf("%d rows changed", n)
	}
	if err != nil {
		return nil, false, fmt.Errorf("resolve review %s: %w", r.ID, err)
	}
	r.Resolution, r.By, r.Why = word, d.By.Actor, d.By.Reason
	err = audit.Record(tx, append(x.paid, d.By.entry(business, "review."+word, "payment_review", r.ID.String(), map[string]any{
		"case": r.Reason, "payment": r.Reference, "credits": x.credited.String(), "transfer": r.Transfer,
	}))...)
	if err != nil {
		return nil, false, err
	}
	return r, true, x.post.writeBalances(tx)
}

// resolution is a decision while it is carried out.
type resolution struct {
	review   *PaymentReview
	decision Decision
	business uuid.UUID
	post     *posting
	credited money.Credits
	// subject is the purchase or subscription payment, sales the account of what it buys.
	subject uuid.UUID
	sales   string
	// paid is what the audit log says of a payment that the decision completed.
	paid []audit.Entry
}

func (x *resolution) approve(tx *gorm.DB) error {
	switch x.review.Reason {
	case ReasonAmount, ReasonCurrency, ReasonNoTxn, ReasonTxnReused, ReasonUnsettled:
		return x.complete(tx)
	case ReasonPaidAgain, ReasonWhileReview, ReasonUnmatched:
		return x.credit(tx)
	case ReasonPartial:
		return x.settleReturn(tx)
	case ReasonSpent:
		return x.writeOff(tx)
	default: // a dispute, and what older builds filed: there is nothing to post
		return x.nothing()
	}
}

// nothing refuses credits where none are at stake.
func (x *resolution) nothing() error {
	if x.decision.Credits != 0 {
		return fmt.Errorf("review %s is %s: %w", x.review.ID, x.review.Reason, ErrReviewCredits)
	}
	return nil
}

// complete completes the purchase of the review with what was agreed.
func (x *resolution) complete(tx *gorm.DB) error {
	r := x.review
	var agreed *int64
	if x.decision.Credits != 0 && x.decision.Credits != r.PurchaseCredits {
		c := int64(x.decision.Credits)
		agreed = &c
	}
	var credits, bonus money.Credits
	var txn string
	o := &openPurchase{tenant: x.business, id: r.Purchase, provider: r.Provider, reference: r.Reference, expected: r.Expected}
	err := query(tx, "complete purchase", `
		update billing.credit_purchase set status = 'completed', completed_at = now(), credits_agreed = $3, review_reason = null, updated_at = now()
		 where tenant_id = $1 and id = $2 and status in ('review', 'expired', 'failed', 'pending') returning credits, bonus, coalesce(provider_txn_id, ''), user_id`,
		func(rows pgx.Rows) error { return rows.Scan(&credits, &bonus, &txn, &o.user) }, x.business, r.Purchase, agreed)
	switch {
	case err != nil:
		return err
	case credits == 0:
		return fmt.Errorf("review %s: %w", r.ID, ErrReviewStale)
	case agreed != nil:
		credits, bonus = x.decision.Credits, 0
	}
	account, err := lockAccount(tx, x.business) // after the purchase, as payments do
	if err != nil {
		return fmt.Errorf("review %s: %w", r.ID, err)
	}
	if err := x.post.transfer(x.business, "purchase", "purchase:"+r.Purchase.String(), r.Reference); err != nil {
		return err
	}
	if err := x.sell(tx, txn); err != nil {
		return err
	}
	if err := x.post.grant(account, r.Purchase, "PURCHASE", credits); err != nil {
		return err
	}
	if bonus > 0 {
		if err := x.post.grant(account, r.Purchase, "BONUS", bonus); err != nil {
			return err
		}
	}
	x.credited = credits + bonus
	x.post.entry(creditsIssued, uuid.Nil, unitCredits, -int64(x.credited))
	x.paid = append(x.paid, o.paid("credit_purchase", "operator:"+x.decision.By.Actor, x.credited))
	return nil
}

// credit gives credits for money that no open purchase waits for.
func (x *resolution) credit(tx *gorm.DB) error {
	r := x.review
	x.credited = x.decision.Credits
	if x.credited == 0 {
		x.credited = r.PurchaseCredits
	}
	if x.credited == 0 || x.business == uuid.Nil {
		return fmt.Errorf("review %s: %w", r.ID, ErrReviewCredits)
	}
	account, err := lockAccount(tx, x.business)
	if err != nil {
		return fmt.Errorf("review %s: %w", r.ID, err)
	}
	txn, err := x.transaction(tx)
	if err != nil {
		return err
	}
	if err := x.post.transfer(x.business, "settlement", "review:"+r.ID.String(), r.Reference); err != nil {
		return err
	}
	if err := x.sell(tx, txn); err != nil {
		return err
	}
	if err := x.post.grant(account, uuid.Nil, "ADMIN", x.credited); err != nil {
		return err
	}
	x.post.entry(creditsIssued, uuid.Nil, unitCredits, -int64(x.credited))
	return nil
}

// transaction is the money movement that the review's event tells of.
func (x *resolution) transaction(tx *gorm.DB) (txn string, err error) {
	err = query(tx, "read event of review", `select provider_txn_id from billing.webhook_event where id = $1`,
		func(rows pgx.Rows) error { return rows.Scan(&txn) }, x.review.Event)
	return txn, err
}

// sell books the money of the review as a sale: out of suspense, if it waits there; as money that the provider owes us, if it was never booked and the provider told of it; and not at all
// where it is booked with another purchase.
func (x *resolution) sell(tx *gorm.DB, txn string) error {
	r := x.review
	waiting := money.Amount{}
	if x.subject != uuid.Nil {
		err := query(tx, "read suspense", `
			select e.amount, e.unit from billing.ledger_transfer t join billing.ledger_entry e on e.transfer_id = t.id and e.amount > 0 where t.idempotency_key = $1`,
			func(rows pgx.Rows) error { return rows.Scan(&waiting.Minor, &waiting.Currency) }, arrivalKey(x.subject, txn))
		if err != nil {
			return err
		}
	}
	from, amount := kindSuspense, waiting
	if !bookable(waiting) {
		from, amount = kindReceivable, r.Received
		if r.Reason == ReasonUnsettled {
			amount = r.Expected
		}
		if r.Reason == ReasonTxnReused || !bookable(amount) {
			return nil
		}
	}
	return x.book(tx, from, x.sales, amount)
}

// book moves money from one of the platform's accounts to another.
func (x *resolution) book(tx *gorm.DB, to, from string, amount money.Amount) error {
	currency := string(amount.Currency)
	accounts, err := platformAccounts(tx, []string{currency})
	if err != nil {
		return err
	}
	x.post.entry(accounts[platformAccount{to, currency}], uuid.Nil, currency, amount.Minor)
	x.post.entry(accounts[platformAccount{from, currency}], uuid.Nil, currency, -amount.Minor)
	return nil
}

// settleReturn accepts that a part of what was sold was given back.
func (x *resolution) settleReturn(tx *gorm.DB) error {
	if err := x.nothing(); err != nil || !bookable(x.review.Received) || x.business == uuid.Nil {
		return err
	}
	if err := x.post.transfer(x.business, "settlement", "review:"+x.review.ID.String(), x.review.Reference); err != nil {
		return err
	}
	return x.book(tx, x.sales, kindSuspense, x.review.Received)
}

// writeOff forgives the debt that a refund of spent credits left.
func (x *resolution) writeOff(tx *gorm.DB) error {
	if err := x.nothing(); err != nil {
		return err
	}
	debts, err := debtAccounts(tx, []uuid.UUID{x.business})
	if err != nil {
		return err
	}
	if err := x.post.transfer(x.business, "write_off", "review:"+x.review.ID.String(), x.review.Reference); err != nil {
		return err
	}
	x.post.entry(debts[x.business], uuid.Nil, unitCredits, int64(x.review.Credits))
	x.post.entry(creditsIssued, uuid.Nil, unitCredits, -int64(x.review.Credits))
	return nil
}

// reject ends a purchase that waits for the decision; everything else stays as it is.
func (x *resolution) reject(tx *gorm.DB) error {
	if x.decision.Credits != 0 {
		return fmt.Errorf("review %s is rejected: %w", x.review.ID, ErrReviewCredits)
	}
	switch x.review.Reason {
	case ReasonAmount, ReasonCurrency, ReasonNoTxn, ReasonTxnReused:
		_, err := exec(tx, "reject purchase", `
			update billing.credit_purchase set status = 'failed', updated_at = now() where tenant_id = $1 and id = $2 and status = 'review'`, x.business, x.review.Purchase)
		return err
	default:
		return nil
	}
}
