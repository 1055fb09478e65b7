package billing

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// Fault is one place where the books do not agree with themselves.
type Fault struct {
	// Rule names what was broken, ID the row it was seen on.
	Rule string `json:"rule"`
	ID   string `json:"id"`
	// Want and Got are in the smallest unit: what the entries say, and what is stored.
	Want int64 `json:"want"`
	Got  int64 `json:"stored"`
}

// String names the rule, the row and both numbers.
func (f Fault) String() string {
	return fmt.Sprintf("%s: %s: entries say %d, stored is %d", f.Rule, f.ID, f.Want, f.Got)
}

// VerifyLedger recomputes every balance from the entries and returns what does not agree; none means that the books are right. It reads every
// entry, so it belongs in a quiet hour. tx must see all tenants: a platform transaction of makola_operator or makola_billing.
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
		{"a hold is the sum of what it takes of its lots", `
			select h.id::text, h.amount, coalesce(sum(hl.amount), 0)::bigint
			  from billing.credit_hold h left join billing.credit_hold_lot hl on hl.hold_id = h.id
			 group by h.id having h.amount <> coalesce(sum(hl.amount), 0)`},
		{"a captured hold is in the ledger as it was captured", `
			select h.id::text, coalesce(sum(e.amount), 0)::bigint, -h.captured
			  from billing.credit_hold h
			  left join billing.ledger_transfer t on t.idempotency_key = 'usage:' || h.id
			  left join billing.ledger_entry e on e.transfer_id = t.id and e.lot_id is not null
			 where h.posted_at is not null group by h.id having -h.captured <> coalesce(sum(e.amount), 0)`},
		{"no lot holds less than what is set aside of it", `
			select l.id::text, s.held, l.remaining
			  from (select hl.lot_id, sum(case h.state when 'held' then hl.amount else hl.captured end)::bigint as held
			          from billing.credit_hold h join billing.credit_hold_lot hl on hl.hold_id = h.id
			         where h.state = 'held' and h.expires_at > clock_timestamp() or h.state = 'captured' and h.posted_at is null group by hl.lot_id) s
			  join billing.credit_lot l on l.id = s.lot_id where l.remaining < s.held`},
		{"a purchase credits in full exactly when it is completed", `
			select p.id::text, coalesce(sum(l.granted), 0)::bigint, coalesce(p.credits_agreed, p.credits + p.bonus) * (p.completed_at is not null)::int
			  from billing.credit_purchase p left join billing.credit_lot l on l.purchase_id = p.id
			 group by p.id having coalesce(sum(l.granted), 0) <> coalesce(p.credits_agreed, p.credits + p.bonus) * (p.completed_at is not null)::int`},
		{"a subscription payment is in the books as a sale exactly when it was completed", `
			select p.id::text, case when p.completed_at is null then 0 else p.amount_expected end, coalesce(-e.amount, 0)
			  from billing.subscription_payment p
			  left join (billing.ledger_transfer t join billing.ledger_entry e on e.transfer_id = t.id
			             join billing.ledger_account a on a.id = e.account_id and a.kind = 'subscription_sales')
			    on t.idempotency_key = 'subscription:' || p.id
			 where coalesce(-e.amount, 0) <> case when p.completed_at is null then 0 else p.amount_expected end
			   and not exists (select from billing.payment_review r where r.payment_id = p.id and r.resolution = 'approved')`},
		{"a subscription payment was completed exactly when its status says so", `
			select p.id::text, (p.status in ('SUCCESSFUL', 'DISPUTED'))::int::bigint, (p.completed_at is not null)::int::bigint
			  from billing.subscription_payment p
			 where p.status in ('SUCCESSFUL', 'DISPUTED') and p.completed_at is null or p.status in ('PENDING', 'FAILED', 'EXPIRED', 'REVIEW', 'CANCELLED') and p.completed_at is not null`},
		{"a purchase was completed exactly when its status says so", `
			select p.id::text, (p.status in ('completed', 'disputed'))::int::bigint, (p.completed_at is not null)::int::bigint
			  from billing.credit_purchase p
			 where p.status in ('completed', 'disputed') and p.completed_at is null or p.status in ('pending', 'failed', 'expired', 'review') and p.completed_at is not null`},
	}
}

// LedgerCheck is what one check of the whole ledger found.
type LedgerCheck struct {
	Day               time.Time
	CheckedAt         time.Time
	Accounts, Entries int64
	// Faults counts all; Details are the first of them.
	Faults  int
	Details []Fault
}

// maxFaultDetails is how many faults are kept with a check: one mistake can break thousands of rows, and a dozen tell which.
const maxFaultDetails = 100

// RecordLedgerCheck runs VerifyLedger and keeps what it found, as the check of the day in UTC. tx must be a platform transaction of billing-worker.
func RecordLedgerCheck(tx *gorm.DB) (*LedgerCheck, error) {
	faults, err := VerifyLedger(tx)
	if err != nil {
		return nil, err
	}
	c := &LedgerCheck{Faults: len(faults), Details: faults[:min(len(faults), maxFaultDetails)]}
	details := []byte("[]")
	if len(faults) > 0 {
		if details, err = json.Marshal(c.Details); err != nil {
			return nil, fmt.Errorf("encode faults: %w", err)
		}
	}
	err = query(tx, "record ledger check", `
		insert into billing.ledger_check as k (day, checked_at, accounts, entries, faults, details)
		select (now() at time zone 'UTC')::date, now(), (select count(*) from billing.ledger_account), (select count(*) from billing.ledger_entry), $1, $2::jsonb
		    on conflict (day) do update set checked_at = excluded.checked_at, accounts = excluded.accounts, entries = excluded.entries, faults = excluded.faults, details = excluded.details
		returning day, checked_at, accounts, entries`,
		func(rows pgx.Rows) error { return rows.Scan(&c.Day, &c.CheckedAt, &c.Accounts, &c.Entries) }, len(faults), string(details))
	return c, err
}

// LedgerChecks returns the latest checks, newest first. tx must be a platform transaction of makola_operator.
func LedgerChecks(tx *gorm.DB, limit int) (list []LedgerCheck, err error) {
	err = query(tx, "list ledger checks", `select day, checked_at, accounts, entries, faults, details from billing.ledger_check order by day desc limit $1`,
		func(rows pgx.Rows) error {
			var c LedgerCheck
			var details []byte
			if err := rows.Scan(&c.Day, &c.CheckedAt, &c.Accounts, &c.Entries, &c.Faults, &details); err != nil {
				return err
			}
			list = append(list, c)
			return json.Unmarshal(details, &list[len(list)-1].Details)
		}, limit)
	return list, err
}
