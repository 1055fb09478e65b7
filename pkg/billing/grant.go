package billing

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
	"makola/pkg/problem"
)

// MaxGrant is the most credits that an operator may give at once, in centicredits: 10,000.00. It bounds a typing mistake; the largest package has 250.
const MaxGrant money.Credits = 10_000_00

// Errors of operators' changes.
var (
	// ErrGrantAmount reports a number of credits that is not between 0.01 and MaxGrant.
	ErrGrantAmount = problem.New(problem.Invalid, "grant_amount", "A grant is from 0.01 to 10000.00 credits.")
	// ErrTransferNotFound reports a transfer that does not exist in the transaction's tenant.
	ErrTransferNotFound = problem.New(problem.NotFound, "transfer_not_found", "There is no such transfer.")
	// ErrNotReversible reports a transfer that is not undone this way: a purchase is refunded, and an expiry or a reversal stands.
	ErrNotReversible = problem.New(problem.Conflict, "not_reversible", "Only grants, trials and uses can be reversed. Refund a purchase instead.")
)

// By is who changes something by hand, and why. Both are kept in the audit log.
type By struct{ Actor, Reason string }

func (b By) entry(tenant uuid.UUID, action, entity, id string, changes map[string]any) audit.Entry {
	changes["reason"] = b.Reason
	return audit.Entry{Tenant: tenant, Actor: "operator:" + b.Actor, Action: action, Entity: entity, EntityID: id, Changes: changes}
}

// Grant gives credits to the transaction's tenant: one lot of source ADMIN, and an audit entry. id names the grant; granting it again changes nothing, and fresh is then false.
// tx must be bound to the tenant. Errors: ErrGrantAmount, ErrNoAccount.
func Grant(tx *gorm.DB, id uuid.UUID, credits money.Credits, by By) (transfer uuid.UUID, fresh bool, err error) {
	if credits <= 0 || credits > MaxGrant {
		return uuid.Nil, false, fmt.Errorf("grant %s credits: %w", credits, ErrGrantAmount)
	}
	owner, err := owner(tx)
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("grant credits: %w", err)
	}
	account, err := lockAccount(tx, owner)
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("grant credits: %w", err)
	}
	key := "grant:" + id.String()
	if done, err := transferByKey(tx, key); err != nil || done != uuid.Nil {
		return done, false, err
	}
	p := &posting{}
	if err := p.transfer(owner, "grant", key, ""); err != nil {
		return uuid.Nil, false, err
	}
	if err := p.grant(account, uuid.Nil, "ADMIN", credits); err != nil {
		return uuid.Nil, false, err
	}
	p.entry(creditsIssued, uuid.Nil, unitCredits, -int64(credits))
	if err := p.post(tx); err != nil {
		return uuid.Nil, false, fmt.Errorf("grant credits: %w", err)
	}
	transfer = p.transfers[0].id
	return transfer, true, audit.Record(tx, by.entry(owner, "credits.granted", "ledger_transfer", transfer.String(), map[string]any{"credits": credits.String()}))
}

// post writes the posting with its balances.
func (p *posting) post(tx *gorm.DB) error {
	if err := p.write(tx); err != nil {
		return err
	}
	return p.writeBalances(tx)
}

// transferByKey returns the transfer that was posted under the key before; uuid.Nil for none.
func transferByKey(tx *gorm.DB, key string) (id uuid.UUID, err error) {
	err = query(tx, "look up transfer", `select id from billing.ledger_transfer where idempotency_key = $1`,
		func(rows pgx.Rows) error { return rows.Scan(&id) }, key)
	return id, err
}

// Reversal is what ReverseTransfer did.
type Reversal struct {
	// Transfer is the reversal's own. Credits is the change of the balance: negative for a grant that was taken back, positive for a use that was given back.
	Transfer uuid.UUID
	Credits  money.Credits
	// Fresh is false when the transfer was reversed before.
	Fresh bool
}

// ReverseTransfer undoes a transfer of the transaction's tenant by a new one: of a grant or trial it takes back what is unspent, and a use it gives back to the lots
// that it came from. Lots that have ended are not revived: what comes back to them expires. tx must be bound to the tenant.
// Errors: ErrTransferNotFound, ErrNotReversible, ErrNoAccount.
func ReverseTransfer(tx *gorm.DB, id uuid.UUID, by By) (Reversal, error) {
	owner, err := owner(tx)
	if err != nil {
		return Reversal{}, fmt.Errorf("reverse transfer: %w", err)
	}
	account, err := lockAccount(tx, owner)
	if err != nil {
		return Reversal{}, fmt.Errorf("reverse transfer: %w", err)
	}
	var kind, reference string
	p := &posting{}
	var sum int64
	var parts []part
	err = query(tx, "read transfer", `
		select t.kind, t.reference, e.lot_id,
		       case t.kind when 'usage' then -e.amount else -greatest(0, l.remaining - `+heldNow+`) end
		  from billing.ledger_transfer t join billing.ledger_entry e on e.transfer_id = t.id and e.lot_id is not null join billing.credit_lot l on l.id = e.lot_id
		 where t.tenant_id = $1 and t.id = $2 order by e.line`,
		func(rows pgx.Rows) error {
			var lot part
			err := rows.Scan(&kind, &reference, &lot.lot, &lot.amount)
			parts, sum = append(parts, lot), sum+lot.amount
			return err
		}, owner, id)
	switch {
	case err != nil:
		return Reversal{}, err
	case kind == "":
		return Reversal{}, fmt.Errorf("reverse transfer %s: %w", id, ErrTransferNotFound)
	case kind != "grant" && kind != "trial" && kind != "usage":
		return Reversal{}, fmt.Errorf("reverse transfer %s, a %s: %w", id, kind, ErrNotReversible)
	}
	key := "reversal:" + id.String()
	if done, err := transferByKey(tx, key); err != nil || done != uuid.Nil {
		return Reversal{Transfer: done}, err
	}
	if sum == 0 {
		return Reversal{}, fmt.Errorf("reverse transfer %s: nothing of it is left: %w", id, ErrNotReversible)
	}
	if err := p.transfer(owner, "reversal", key, reference); err != nil {
		return Reversal{}, err
	}
	for _, lot := range parts {
		if lot.amount != 0 {
			p.move(account, lot.lot, lot.amount)
		}
	}
	p.entry(creditsIssued, uuid.Nil, unitCredits, -sum)
	if err := p.post(tx); err != nil {
		return Reversal{}, fmt.Errorf("reverse transfer %s: %w", id, err)
	}
	r := Reversal{Transfer: p.transfers[0].id, Credits: money.Credits(sum), Fresh: true}
	return r, audit.Record(tx, by.entry(owner, "credits.reversed", "ledger_transfer", id.String(), map[string]any{"credits": r.Credits.String(), "kind": kind, "reversal": r.Transfer}))
}
