package cli

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

func newReview(e *env) *cobra.Command {
	return group("review", "Decide about payments that do not match", newReviewList(e), newReviewShow(e), newReviewDecide(e, "approve"), newReviewDecide(e, "reject"))
}

// reviewLine is a review as it is printed.
type reviewLine struct {
	ID         uuid.UUID  `json:"id"`
	TenantID   *uuid.UUID `json:"tenant_id,omitempty"`
	PurchaseID *uuid.UUID `json:"purchase_id,omitempty"`
	PaymentID  *uuid.UUID `json:"subscription_payment_id,omitempty"`
	EventID    *uuid.UUID `json:"event_id,omitempty"`
	TransferID *uuid.UUID `json:"transfer_id,omitempty"`
	Provider   string     `json:"provider"`
	Reference  string     `json:"reference"`
	Reason     string     `json:"reason"`
	Expected   string     `json:"expected,omitempty"`
	Received   string     `json:"received,omitempty"`
	Credits    string     `json:"credits,omitempty"`
	Purchase   string     `json:"purchase_status,omitempty"`
	Promised   string     `json:"purchase_credits,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	Resolution string     `json:"resolution,omitempty"`
	ResolvedBy string     `json:"resolved_by,omitempty"`
	Why        string     `json:"resolution_reason,omitempty"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
}

func lineOfReview(r *billing.PaymentReview) reviewLine {
	l := reviewLine{ID: r.ID, TenantID: unlessNil(r.Tenant), PurchaseID: unlessNil(r.Purchase), PaymentID: unlessNil(r.Payment), EventID: unlessNil(r.Event), TransferID: unlessNil(r.Transfer),
		Provider: r.Provider, Reference: r.Reference, Reason: r.Reason, Purchase: string(r.PurchaseStatus), CreatedAt: r.CreatedAt,
		Resolution: r.Resolution, ResolvedBy: r.By, Why: r.Why, ResolvedAt: r.ResolvedAt}
	for _, a := range []struct {
		to     *string
		amount money.Amount
	}{{&l.Expected, r.Expected}, {&l.Received, r.Received}} {
		if a.amount.Currency.Known() {
			*a.to = a.amount.Display()
		}
	}
	if r.Credits != 0 {
		l.Credits = r.Credits.String()
	}
	if r.PurchaseCredits != 0 {
		l.Promised = r.PurchaseCredits.String()
	}
	return l
}

func unlessNil(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func newReviewList(e *env) *cobra.Command {
	var all bool
	var after string
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List payments that wait for a decision, oldest first", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			from := uuid.Nil
			if after != "" {
				var err error
				if from, err = parseID(after); err != nil {
					return err
				}
			}
			var reviews []*billing.PaymentReview
			err := e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				reviews, err = billing.Reviews(tx, all, from, limit)
				return err
			})
			if err != nil {
				return err
			}
			list := make([]reviewLine, len(reviews))
			rows := make([][]string, len(reviews))
			for i, r := range reviews {
				l := lineOfReview(r)
				list[i] = l
				rows[i] = []string{l.ID.String(), l.Reason, l.Reference, l.Expected, l.Received, l.Credits, l.Purchase, clock(&l.CreatedAt), l.Resolution}
			}
			return e.print(list, []string{"ID", "REASON", "REFERENCE", "EXPECTED", "RECEIVED", "CREDITS", "PURCHASE", "FILED", "DECIDED"}, rows)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "decided ones too")
	c.Flags().StringVar(&after, "after", "", "only reviews younger than the one with this id; continues a list")
	c.Flags().IntVar(&limit, "limit", 20, "most reviews to list, up to 100")
	return c
}

func newReviewShow(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one review, and what to look at before deciding", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			var r *billing.PaymentReview
			err = e.inSystem(c.Context(), func(tx *gorm.DB) (err error) {
				r, err = billing.ReviewByID(tx, id)
				return err
			})
			if err != nil {
				return err
			}
			l := lineOfReview(r)
			rows := [][]string{{"review", l.ID.String()}, {"reason", l.Reason}, {"provider", l.Provider}, {"reference", l.Reference}, {"expected", l.Expected}, {"received", l.Received},
				{"filed", clock(&l.CreatedAt)}}
			switch {
			case l.PaymentID != nil:
				rows = append(rows, []string{"business", l.TenantID.String()}, []string{"payment", l.Purchase + ", of the subscription"})
			case l.TenantID != nil:
				rows = append(rows, []string{"business", l.TenantID.String()}, []string{"purchase", l.Purchase + ", promised " + l.Promised + " credits"})
			}
			if l.Credits != "" {
				rows = append(rows, []string{"credits spent", l.Credits})
			}
			if l.EventID != nil {
				rows = append(rows, []string{"event", "makola webhook show " + l.EventID.String()})
			}
			if l.Resolution != "" {
				rows = append(rows, []string{l.Resolution, clock(l.ResolvedAt) + " by " + l.ResolvedBy + ": " + oneLine(l.Why, 300)})
			}
			return e.print(l, nil, rows)
		},
	}
}

func newReviewDecide(e *env, decision string) *cobra.Command {
	var r request
	var credits, business string
	short, long := "Credit what was agreed", `Completes the purchase with the credits it promised, or with --credits as agreed with the payer; the money leaves the suspense account as a sale.
A payment that no purchase belongs to needs --business and --credits. For a refund that did not match the suspense account is settled, for credits that were refunded
after they were spent the debt is written off, and a dispute is closed.
`
	if decision == "reject" {
		short, long = "Document that nothing is credited", `Credits nothing. A purchase that waits ends as failed; its money stays in the suspense account until its refund is heard of.
`
	}
	c := &cobra.Command{
		Use: decision + " ID", Short: short, Long: long + requestHelp, Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			if err := r.decided(); err != nil {
				return err
			}
			if credits != "" {
				if n, err := money.ParseCredits(credits); err != nil || n <= 0 || n > billing.MaxGrant {
					return fmt.Errorf("%w: --credits is %q; write a number from 0.01 to %s", errUsage, credits, billing.MaxGrant)
				}
			}
			return r.run(c.Context(), e, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
				review, err := billing.ReviewByID(tx, id)
				if err != nil {
					return uuid.Nil, err
				}
				to := review.Tenant
				if business != "" {
					named, err := parseID(business)
					if err != nil {
						return uuid.Nil, err
					}
					if to != uuid.Nil && to != named {
						return uuid.Nil, fmt.Errorf("%w: the payment is of business %s", errUsage, to)
					}
					to = named
				}
				a := &aifeatures.ResolveReviewArgs{ReviewId: id.String(), Decision: decision, Credits: credits, Actor: r.actor, Reason: r.reason}
				if to == uuid.Nil {
					return tasks.ResolveReview(c.Context(), tx, a)
				}
				a.BusinessId = to.String()
				if review.Tenant == uuid.Nil { // a platform task, which binds itself to the business: the review belongs to nobody
					return tasks.ResolveReview(c.Context(), tx, a)
				}
				return tasks.ResolveReview(c.Context(), tx, a, task.ForTenant(to))
			})
		},
	}
	r.flags(e, c)
	if decision == "approve" {
		c.Flags().StringVar(&credits, "credits", "", "what was agreed, such as 95 or 0.50; without it what the purchase promised")
		c.Flags().StringVar(&business, "business", "", "the business that gets the credits of a payment that no purchase belongs to")
	}
	return c
}
