package stripe

import (
	"context"
	"fmt"

	"github.com/stripe/stripe-go/v85"

	"makola/pkg/payments"
)

// Probe implements payments.Provider. It asks for the account's balance, which is a few numbers and needs the secret key (https://docs.stripe.com/api/balance/balance_retrieve),
// and does not look at it.
func (c *Client) Probe(ctx context.Context) error {
	var balance *stripe.Balance
	err := c.calling(ctx, c.Caller.Probe, func(ctx context.Context) (err error) {
		balance, err = c.api.V1Balance.Retrieve(ctx, &stripe.BalanceRetrieveParams{})
		return err
	})
	if err == nil && balance.Object != "balance" {
		err = fmt.Errorf("%w: no balance", payments.ErrMalformed)
	}
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}
