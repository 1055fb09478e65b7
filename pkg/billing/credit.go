package billing

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/money"
)

// TrialPeriod is how long a new business uses the product without paying.
const TrialPeriod = 14 * 24 * time.Hour

// lotLife is how long credits last, bought or given: 180 days from the day they arrive, by the database's clock.
const lotLife = "180 days"

// OpenTenant opens the books of a new business: a trial subscription of TrialPeriod from now, the credit account and, when trialCredits is
// positive, a lot of them. tx must be bound to the tenant. Opening a business twice is an error, because a trial is given once.
func OpenTenant(tx *gorm.DB, id uuid.UUID, trialCredits money.Credits, now time.Time) error {
	now = now.UTC()
	if _, err := exec(tx, "open trial subscription", `
		insert into billing.subscription (tenant_id, status, is_trial, trial_end, period_start, period_end) values ($1, 'TRIAL', true, $2, $3, $2)`,
		id, now.Add(TrialPeriod), now); err != nil {
		return err
	}
	account, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make account id: %w", err)
	}
	if _, err := exec(tx, "open credit account", `
		insert into billing.ledger_account (id, tenant_id, kind, unit) values ($1, $2, 'credits', 'CRD')`, account, id); err != nil {
		return err
	}
	if trialCredits <= 0 {
		return nil
	}
	var p posting
	if err := p.transfer(id, "trial", "trial:"+id.String(), ""); err != nil {
		return err
	}
	if err := p.grant(account, uuid.Nil, "TRIAL", trialCredits); err != nil {
		return err
	}
	p.entry(creditsIssued, uuid.Nil, unitCredits, -int64(trialCredits))
	if err := p.write(tx); err != nil {
		return fmt.Errorf("grant trial credits: %w", err)
	}
	if err := p.writeBalances(tx); err != nil {
		return fmt.Errorf("grant trial credits: %w", err)
	}
	return nil
}
