package tasks

import (
	"context"
	"fmt"
	"log/slog"

	"gorm.io/gorm"

	"makola/pkg/billing"
	aifeatures "makola/proto/makola/ai_features/v1"
)

// VerifyLedger checks the whole ledger against its entries and keeps what it found for operators.
// SHORT: reading alone, apart from the record of the day.
func (a *AIFeatures) VerifyLedger(ctx context.Context, tx *gorm.DB, _ *aifeatures.VerifyLedgerArgs) (*aifeatures.VerifyLedgerResult, error) {
	c, err := billing.RecordLedgerCheck(tx)
	if err != nil {
		return nil, fmt.Errorf("verify ledger: %w", err)
	}
	result := &aifeatures.VerifyLedgerResult{Status: "ok", Accounts: c.Accounts, Entries: c.Entries, Faults: int32(c.Faults)}
	if c.Faults > 0 {
		result.Status = "drift"
		for _, f := range c.Details {
			slog.ErrorContext(ctx, "the ledger does not agree with itself", "rule", f.Rule, "row", f.ID, "want", f.Want, "stored", f.Got, "faults", c.Faults)
		}
	}
	return result, nil
}
