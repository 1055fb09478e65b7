package billing_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/postgres"
)

// requireBooksBalance runs the operator's ledger check and wants no fault.
func requireBooksBalance(t testing.TB, operator *postgres.DB) {
	t.Helper()
	require.Empty(t, ledgerFaults(t, operator))
}

func ledgerFaults(t testing.TB, operator *postgres.DB) (faults []billing.Fault) {
	t.Helper()
	require.NoError(t, operator.InSystem(t.Context(), func(tx *gorm.DB) (err error) {
		faults, err = billing.VerifyLedger(tx)
		return err
	}))
	return faults
}

//nolint:tparallel // the cases share one database and follow each other
func TestTheLedgerCheckSeesEveryKindOfDrift(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := buy(t, h.gateway, openTenant(t, h.gateway, 50_00), billing.PackageValue)
	_, err := h.reserve(t.Context(), p.Tenant, cheap)
	require.NoError(t, err)
	requireBooksBalance(t, h.operator)
	admin, operator := h.admin, h.operator
	_, err = admin.Exec(t.Context(), "set session_replication_role = replica") // a fault needs the triggers out of the way
	require.NoError(t, err)
	for _, tc := range []struct{ rule, harm, undo string }{
		{"an account's balance is the sum of its entries", "update billing.ledger_account set balance = balance + 1 where kind = 'credits_issued'", "update billing.ledger_account set balance = balance - 1 where kind = 'credits_issued'"},
		{"a transfer's entries sum to zero in every unit", "update billing.ledger_entry set amount = amount + 1 where line = 2", "update billing.ledger_entry set amount = amount - 1 where line = 2"},
		{"a lot's remainder is the sum of its entries", "update billing.credit_lot set remaining = remaining - 1", "update billing.credit_lot set remaining = remaining + 1"},
		{"a business's balance is what is left in its lots", "update billing.credit_lot set remaining = remaining - 1", "update billing.credit_lot set remaining = remaining + 1"},
		{"a purchase credits in full exactly when it is completed", "update billing.credit_purchase set completed_at = now() where id = '" + p.ID.String() + "'", "update billing.credit_purchase set completed_at = null"},
		{"a purchase was completed exactly when its status says so", "update billing.credit_purchase set status = 'completed' where id = '" + p.ID.String() + "'", "update billing.credit_purchase set status = 'pending'"},
		{"a hold is the sum of what it takes of its lots", "update billing.credit_hold set amount = amount + 1", "update billing.credit_hold set amount = amount - 1"},
		{"no lot holds less than what is set aside of it", "update billing.credit_hold_lot set amount = amount + 10000", "update billing.credit_hold_lot set amount = amount - 10000"},
		{"a captured hold is in the ledger as it was captured", "update billing.credit_hold set state = 'captured', captured = 10, ended_at = now(), posted_at = now()", "update billing.credit_hold set state = 'held', captured = 0, ended_at = null, posted_at = null"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := admin.Exec(t.Context(), tc.harm)
			require.NoError(t, err)
			var rules []string
			for _, f := range ledgerFaults(t, operator) {
				rules = append(rules, f.Rule)
			}
			require.Contains(t, rules, tc.rule)
			_, err = admin.Exec(t.Context(), tc.undo)
			require.NoError(t, err)
			requireBooksBalance(t, operator)
		})
	}
}
