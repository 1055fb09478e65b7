package billing

import (
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/payments"
)

// edge is how far from the ends of a period our row and the provider's may disagree about when a payment was opened.
const edge = 15 * time.Minute

// Comparison is what a provider's list and the books do not agree about.
type Comparison struct {
	// Ask are credit purchases, and AskMonths subscription payments, that the provider should be asked about: it says paid where we gave nothing, or given back where we still
	// count it as paid, or it names another amount or money movement than we booked, or it does not list as paid what we completed.
	Ask, AskMonths []Doubt
	// Unknown are payments that were paid under a reference of ours that nothing has.
	Unknown []Evidence
}

// Compare compares a provider's list of the payments that were opened from one instant to another with the credit purchases and subscription payments of that time, to the unit.
// Payments whose references begin with neither ReferencePrefix nor SubscriptionPrefix are somebody else's, and not looked at. tx must be a platform transaction of billing-worker.
func Compare(tx *gorm.DB, provider string, from, to time.Time, list []payments.Verification) (Comparison, error) {
	credits := product{prefix: ReferencePrefix, known: `
		select l.reference, p.status, coalesce(p.amount_received, 0), coalesce(p.currency_received, ''), coalesce(p.provider_txn_id, '')
		  from unnest($2::text[]) as l (reference) join billing.credit_purchase p on p.provider = $1 and p.reference = l.reference`,
		completed: `
		select reference from billing.credit_purchase
		 where provider = $1 and status = 'completed' and credits_agreed is null and created_at >= $2 and created_at < $3 and provider_txn_id is not null
		   and reference <> all ($4::text[]) order by reference`}
	months := product{prefix: SubscriptionPrefix, known: `
		select l.reference, case p.status when 'SUCCESSFUL' then 'completed' when 'CANCELLED' then 'failed' else lower(p.status) end,
		       coalesce(p.amount_received, 0), coalesce(p.currency_received, ''), coalesce(p.provider_txn_id, '')
		  from unnest($2::text[]) as l (reference) join billing.subscription_payment p on p.provider = $1 and p.reference = l.reference`,
		completed: `
		select reference from billing.subscription_payment
		 where provider = $1 and status = 'SUCCESSFUL' and created_at >= $2 and created_at < $3 and provider_txn_id is not null
		   and reference <> all ($4::text[]) order by reference`}
	var c Comparison
	var err error
	if c.Ask, c.Unknown, err = credits.compare(tx, provider, from, to, list); err != nil {
		return c, err
	}
	var unknown []Evidence
	c.AskMonths, unknown, err = months.compare(tx, provider, from, to, list)
	c.Unknown = append(c.Unknown, unknown...)
	return c, err
}

// product is what is compared: the payments whose references begin with prefix. known reads those with the listed references, completed finds those of the period that are not listed.
type product struct{ prefix, known, completed string }

// booked is a payment as our books have it.
type booked struct {
	status   Status
	received money.Amount
	txn      string
}

// differs reports whether the provider's word about a payment should be heard again.
func (p booked) differs(said payments.Verification) bool {
	counts := p.status == Completed || p.status == Disputed
	switch said.Status {
	case payments.StatusReversed:
		return counts
	case payments.StatusSucceeded:
		return p.status == Pending || p.status == Failed || p.status == Expired ||
			counts && (p.txn != "" && said.ProviderTransactionID != p.txn || p.received.Currency != "" && said.Amount != p.received)
	case payments.StatusFailed, payments.StatusAbandoned, payments.StatusPending, payments.StatusUnknown:
	}
	return false // that it is not listed as paid is looked at separately
}

func (p product) compare(tx *gorm.DB, provider string, from, to time.Time, list []payments.Verification) (ask []Doubt, unknown []Evidence, err error) {
	list = slices.DeleteFunc(slices.Clone(list), func(v payments.Verification) bool { return !strings.HasPrefix(v.Reference, p.prefix) })
	known := map[string]booked{}
	err = query(tx, "compare with the provider's list", p.known, func(rows pgx.Rows) error {
		var ref, currency string
		var b booked
		err := rows.Scan(&ref, &b.status, &b.received.Minor, &currency, &b.txn)
		b.received.Currency = money.Currency(currency)
		known[ref] = b
		return err
	}, provider, column(list, func(v payments.Verification) string { return v.Reference }))
	if err != nil {
		return nil, nil, err
	}
	paid := make([]string, 0, len(list))
	for _, said := range list {
		b, ok := known[said.Reference]
		switch {
		case !ok && said.Status == payments.StatusSucceeded:
			unknown = append(unknown, Evidence{Provider: provider, Reference: said.Reference, Status: said.Status, Amount: said.Amount, TransactionID: said.ProviderTransactionID, PaidAt: said.PaidAt})
		case ok && b.differs(said):
			ask = append(ask, Doubt{Reference: said.Reference, Provider: provider})
		}
		if said.Status == payments.StatusSucceeded || said.Status == payments.StatusReversed {
			paid = append(paid, said.Reference)
		}
	}
	err = query(tx, "find completed payments that are not listed", p.completed, func(rows pgx.Rows) error {
		d := Doubt{Provider: provider}
		err := rows.Scan(&d.Reference)
		ask = append(ask, d)
		return err
	}, provider, from.Add(edge), to.Add(-edge), paid)
	return ask, unknown, err
}
