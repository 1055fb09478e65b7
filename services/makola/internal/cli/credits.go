package cli

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/task"
	"makola/proto/contract"
	aifeatures "makola/proto/makola/ai_features/v1"
)

func newCredits(e *env) *cobra.Command {
	return group("credits", "Grant and reverse AI credits, and refund purchases", newCreditsGrant(e), newCreditsReverse(e), newCreditsRefund(e))
}

func newCreditsGrant(e *env) *cobra.Command {
	var r request
	var key string
	c := &cobra.Command{
		Use: "grant BUSINESS CREDITS", Short: "Give a business credits",
		Long: "Gives the business one lot of credits, which lasts 180 days as bought ones do. --key names the grant: the same key is granted once.\n" + requestHelp,
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			business, err := parseID(args[0])
			if err != nil {
				return err
			}
			credits, err := money.ParseCredits(args[1])
			if err != nil || credits <= 0 || credits > billing.MaxGrant {
				return fmt.Errorf("%w: %q is no number of credits from 0.01 to %s", errUsage, args[1], billing.MaxGrant)
			}
			if err := r.decided(); err != nil {
				return err
			}
			id := uuid.Must(uuid.NewV7())
			if key != "" {
				id = uuid.NewSHA1(business, []byte(key))
			}
			return r.run(c.Context(), e, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
				return tasks.GrantCredits(c.Context(), tx, &aifeatures.GrantCreditsArgs{
					BusinessId: business.String(), GrantId: id.String(), Credits: credits.String(), Actor: r.actor, Reason: r.reason,
				}, task.ForTenant(business))
			})
		},
	}
	r.flags(e, c)
	c.Flags().StringVar(&key, "key", "", "your own name for this grant, so that repeating the command grants once")
	return c
}

func newCreditsReverse(e *env) *cobra.Command {
	var r request
	c := &cobra.Command{
		Use: "reverse BUSINESS TRANSFER", Short: "Undo a grant, a trial or a use of credits",
		Long: `Posts the opposite of a transfer that makola ledger show lists. Of a grant or trial it takes back what is unspent; a use it gives back to the lots that it came
from, which stay ended if they have ended. A purchase is refunded instead.
` + requestHelp,
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			business, err := parseID(args[0])
			if err != nil {
				return err
			}
			transfer, err := parseID(args[1])
			if err != nil {
				return err
			}
			if err := r.decided(); err != nil {
				return err
			}
			return r.run(c.Context(), e, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
				return tasks.ReverseTransfer(c.Context(), tx, &aifeatures.ReverseTransferArgs{
					BusinessId: business.String(), TransferId: transfer.String(), Actor: r.actor, Reason: r.reason,
				}, task.ForTenant(business))
			})
		},
	}
	r.flags(e, c)
	return c
}

func newCreditsRefund(e *env) *cobra.Command {
	var r request
	var amount string
	c := &cobra.Command{
		Use: "refund REFERENCE", Short: "Have the provider give a purchase's money back",
		Long: `Asks the provider to give the payment back: all that is left of it, or --amount. The credits go when the provider says that the money has gone, which may take
days, and a part takes its share: what is unspent of them is taken back, and what was spent becomes a debt with a review.
` + refundHelp + requestHelp,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.decided(); err != nil {
				return err
			}
			return r.run(c.Context(), e, func(tx *gorm.DB, tasks *aifeatures.Tasks) (contract.ID, error) {
				p, err := billing.PurchaseByReference(tx, args[0])
				if err != nil {
					return uuid.Nil, err
				}
				if err := checkPart(amount, p.Received, p.Returned); err != nil {
					return uuid.Nil, err
				}
				return tasks.RefundPurchase(c.Context(), tx, &aifeatures.RefundPurchaseArgs{PaymentReference: p.Reference, Actor: r.actor, Reason: r.reason, Amount: amount},
					task.ForTenant(p.Tenant), task.Unique(refundKey(p.Reference, amount, r.reason)))
			})
		},
	}
	r.flags(e, c)
	amountFlag(c, &amount)
	return c
}

// refundHelp is about refunds of either product.
const refundHelp = `A part whose answer was lost is not asked for again by itself: look at the provider's page, and repeat the command with another --reason if it was not given back.
`

func amountFlag(c *cobra.Command, amount *string) {
	c.Flags().StringVar(amount, "amount", "", "the part to give back, such as 20 or 20.50, in the currency of the payment; without it all that is left")
}

// checkPart refuses a part that is none of what was paid. Whether anything was paid is for billing-worker to say.
func checkPart(amount string, received, returned money.Amount) error {
	if amount == "" || !received.Positive() {
		return nil
	}
	if _, _, err := billing.Part(amount, received, returned); err != nil {
		return fmt.Errorf("%w: --amount: %w", errUsage, err)
	}
	return nil
}

// refundKey names a request for a refund, so that repeating the command asks once.
func refundKey(reference, amount, reason string) string {
	if amount == "" {
		return "refund:" + reference + ":" + reason
	}
	return "refund:" + reference + ":" + amount + ":" + reason
}
