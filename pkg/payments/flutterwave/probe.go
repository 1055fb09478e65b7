package flutterwave

import (
	"context"
	"encoding/json"
	"fmt"
)

// Probe implements payments.Provider. It asks for the account's balances, which are few numbers and need the secret key
// (https://developer.flutterwave.com/v3.0/reference/get-all-wallet-balances), and does not look at them.
func (c *Client) Probe(ctx context.Context) error {
	got, err := c.api.Probe(ctx, "/balances")
	if err == nil {
		var balances []json.RawMessage
		err = decode(got, &balances, nil)
	}
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}
