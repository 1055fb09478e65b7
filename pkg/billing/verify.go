package billing

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Fault is one place where the books do not agree with themselves.
type Fault struct {
	// Rule names what was broken, ID the row it was seen on.
	Rule, ID string
	// Want and Got are in the smallest unit: what the entries say, and what is stored.
	Want, Got int64
}

// String names the rule, the row and both numbers.
func (f Fault) String() string {
	return fmt.Sprintf("%s: %s: entries say %d, stored is %d", f.Rule, f.ID, f.Want, f.Got)
}

// VerifyLedger recomputes every balance from the entries and returns what does not agree; none means that the books are right. It reads every
// entry, so it belongs in a quiet hour. tx must see all tenants: a platform transaction of makola_operator.
func VerifyLedger(tx *gorm.DB) ([]Fault, error) {
	var faults []Fault
	for _, c := range ledgerChecks() {
		err := query(tx, "verify ledger: "+c.rule, c.query, func(rows pgx.Rows) error {
			f := Fault{Rule: c.rule}
			err := rows.Scan(&f.ID, &f.Want, &f.Got)
			faults = append(faults, f)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return faults, nil
}

type ledgerCheck struct{ rule, query string }

// ledgerChecks are queries that find rows only where a rule is broken: the row's id, what it should be, what it is.
func ledgerChecks() []ledgerCheck {
	return []ledgerCheck{
		{"an account's balance is the sum of its entries", `
			select a.id::text, coalesce(sum(e.amount), 0)::bigint, a.balance
			  from billing.ledger_account a left join billing.ledger_entry e on e.account_id = a.id
			 group by a.id having a.balance <> coalesce(sum(e.amount), 0)`},
		{"a transfer's entries sum to zero in every unit", `
			select transfer_id::text, 0::bigint, sum(amount)::bigint from billing.ledger_entry group by transfer_id, unit having sum(amount) <> 0`},
		{"a lot's remainder is the sum of its entries", `
			select l.id::text, coalesce(sum(e.amount), 0)::bigint, l.remaining
			  from billing.credit_lot l left join billing.ledger_entry e on e.lot_id = l.id
			 group by l.id having l.remaining <> coalesce(sum(e.amount), 0)`},
		{"a business's balance is what is left in its lots", `
			select a.id::text, coalesce(sum(l.remaining), 0)::bigint, a.balance
			  from billing.ledger_account a left join billing.credit_lot l on l.tenant_id = a.tenant_id
			 where a.kind = 'credits' group by a.id having a.balance <> coalesce(sum(l.remaining), 0)`},
		{"a purchase credits in full exactly when it is completed", `
			select p.id::text, coalesce(sum(l.granted), 0)::bigint, (p.credits + p.bonus) * (p.status in ('completed', 'refunded'))::int
			  from billing.credit_purchase p left join billing.credit_lot l on l.purchase_id = p.id
			 group by p.id having coalesce(sum(l.granted), 0) <> (p.credits + p.bonus) * (p.status in ('completed', 'refunded'))::int`},
	}
}
