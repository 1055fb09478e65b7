package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

func newSubscription(e *env) *cobra.Command {
	return group("subscription", "Show, suspend and activate a business's subscription, and refund its payments", newSubscriptionShow(e), newSubscriptionRefund(e),
		newSubscriptionChange(e, "suspend", "Take a business's access away", "No payment brings a suspended subscription back, only makola subscription activate.",
			func(c *cobra.Command, tx *gorm.DB, tasks *subscriptionspb.Tasks, business uuid.UUID, r *request) (contract.ID, error) {
				return tasks.SuspendSubscription(c.Context(), tx, &subscriptionspb.SuspendSubscriptionArgs{BusinessId: business.String(), Actor: r.actor, Reason: r.reason}, task.ForTenant(business))
			}),
		newSubscriptionChange(e, "activate", "Lift a suspension", "The subscription is then what its period says: this gives no days away.",
			func(c *cobra.Command, tx *gorm.DB, tasks *subscriptionspb.Tasks, business uuid.UUID, r *request) (contract.ID, error) {
				return tasks.ActivateSubscription(c.Context(), tx, &subscriptionspb.ActivateSubscriptionArgs{BusinessId: business.String(), Actor: r.actor, Reason: r.reason}, task.ForTenant(business))
			}))
}

func newSubscriptionChange(e *env, use, short, long string, enqueue func(*cobra.Command, *gorm.DB, *subscriptionspb.Tasks, uuid.UUID, *request) (contract.ID, error)) *cobra.Command {
	var r request
	c := &cobra.Command{
		Use: use + " BUSINESS", Short: short, Long: long + "\n" + requestHelp, Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			business, err := parseID(args[0])
			if err != nil {
				return err
			}
			if err := r.decided(); err != nil {
				return err
			}
			return r.enqueue(c.Context(), e, func(tx *gorm.DB, queue *task.Queue) (contract.ID, error) {
				return enqueue(c, tx, subscriptionspb.NewTasks(queue), business, &r)
			})
		},
	}
	r.flags(e, c)
	return c
}

func newSubscriptionRefund(e *env) *cobra.Command {
	var r request
	var amount string
	c := &cobra.Command{
		Use: "refund REFERENCE", Short: "Have the provider give a subscription payment back",
		Long: `Asks the provider to give the payment back: all that is left of it, or --amount. A part takes no days away. When all of it has gone back, which the provider may say days
later, its month goes if it is the last one; if later months stand on it, a review is filed and a person decides.
` + refundHelp + requestHelp,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.decided(); err != nil {
				return err
			}
			return r.enqueue(c.Context(), e, func(tx *gorm.DB, queue *task.Queue) (contract.ID, error) {
				p, err := billing.SubscriptionPaymentByReference(tx, args[0])
				if err != nil {
					return uuid.Nil, err
				}
				if err := checkPart(amount, p.Received, p.Returned); err != nil {
					return uuid.Nil, err
				}
				return subscriptionspb.NewTasks(queue).RefundPayment(c.Context(), tx, &subscriptionspb.RefundPaymentArgs{PaymentReference: p.Reference, Actor: r.actor, Reason: r.reason, Amount: amount},
					task.ForTenant(p.Tenant), task.Unique(refundKey(p.Reference, amount, r.reason)))
			})
		},
	}
	r.flags(e, c)
	amountFlag(c, &amount)
	return c
}

func newSubscriptionShow(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "show BUSINESS", Short: "Show what a subscription is now, and its latest payments", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			business, err := parseID(args[0])
			if err != nil {
				return err
			}
			db, err := e.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			var s *billing.Subscription
			var payments []*billing.SubscriptionPayment
			err = db.InTenant(tenant.With(c.Context(), business), func(tx *gorm.DB) (err error) {
				if s, err = billing.SubscriptionOf(tx); err != nil {
					return err
				}
				payments, _, err = billing.SubscriptionPayments(tx, uuid.Nil, 10)
				return err
			})
			if err != nil {
				return err
			}
			return printSubscription(e, s, payments)
		},
	}
}

// paymentLine is a payment as makola shows it.
type paymentLine struct {
	Reference   string     `json:"reference"`
	Status      string     `json:"status"`
	Amount      string     `json:"amount"`
	Returned    string     `json:"returned,omitempty"`
	Reason      string     `json:"review_reason,omitempty"`
	PeriodStart *time.Time `json:"period_start,omitempty"`
	PeriodEnd   *time.Time `json:"period_end,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
}

func printSubscription(e *env, s *billing.Subscription, payments []*billing.SubscriptionPayment) error {
	status := string(s.StatusAt(time.Now()))
	lines := []paymentLine{}
	rows := [][]string{
		{"status", status}, {"period", clock(&s.PeriodStart) + " to " + clock(&s.PeriodEnd)}, {"storefronts", fmt.Sprint(s.Storefronts)}, {"payment", s.PaymentStatus},
	}
	if s.CancelAtPeriodEnd {
		rows = append(rows, []string{"ends", "with its period"})
	}
	if s.SuspendedAt != nil {
		rows = append(rows, []string{"suspended", clock(s.SuspendedAt) + ": " + oneLine(s.SuspendReason, 100)})
	}
	for _, p := range payments {
		l := paymentLine{Reference: p.Reference, Status: string(p.Status), Amount: p.Total.Display(), Reason: p.ReviewReason, PeriodStart: p.PeriodStart, PeriodEnd: p.PeriodEnd, CreatedAt: p.CreatedAt}
		note := p.ReviewReason
		if p.Returned.Positive() {
			l.Returned = p.Returned.Display()
			note = strings.TrimSpace(l.Returned + " went back " + note)
		}
		lines = append(lines, l)
		rows = append(rows, []string{l.Reference, l.Status, l.Amount, clock(l.PeriodStart) + " to " + clock(l.PeriodEnd), note})
	}
	return e.print(map[string]any{
		"business_id": s.Tenant, "status": status, "stored_status": s.Stored, "payment_status": s.PaymentStatus, "storefronts": s.Storefronts, "period_start": s.PeriodStart, "period_end": s.PeriodEnd,
		"cancel_at_period_end": s.CancelAtPeriodEnd, "suspended_at": s.SuspendedAt, "suspend_reason": s.SuspendReason, "payments": lines,
	}, nil, rows)
}
