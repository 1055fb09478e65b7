package billing

import (
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/payments"
)

// edge is how far from the ends of a period our row and the provider's may disagree about when a payment was opened.
const edge = 15 * time.Minute

// Comparison is what a provider's list and the ledger do not agree about.
type Comparison struct {
	// Ask are payments that the provider should be asked about: it says paid where nothing was credited, or given back where the credits are still there, or it does not
	// list as paid what was credited.
	Ask []Doubt
	// Unknown are payments that were paid under a reference of ours that no purchase has.
	Unknown []Evidence
}

// Compare compares a provider's list of the payments that were opened from one instant to another with the purchases of that time. Payments of other products, which
// do not begin with ReferencePrefix, are not looked at. tx must be a platform transaction of billing-worker.
func Compare(tx *gorm.DB, provider string, from, to time.Time, list []payments.Verification) (c Comparison, err error) {
	var refs, states []string
	for _, v := range list {
		if len(v.Reference) > len(ReferencePrefix) && v.Reference[:len(ReferencePrefix)] == ReferencePrefix {
			refs, states = append(refs, v.Reference), append(states, string(v.Status))
		}
	}
	known := map[string]Status{}
	err = query(tx, "compare with the provider's list", `
		select l.reference, p.status from unnest($2::text[]) as l (reference) join billing.credit_purchase p on p.provider = $1 and p.reference = l.reference`,
		func(rows pgx.Rows) error {
			var ref string
			var status Status
			err := rows.Scan(&ref, &status)
			known[ref] = status
			return err
		}, provider, refs)
	if err != nil {
		return c, err
	}
	paid := make([]string, 0, len(refs))
	for i, ref := range refs {
		status, ok := known[ref]
		switch s := payments.Status(states[i]); {
		case s == payments.StatusSucceeded && !ok:
			c.Unknown = append(c.Unknown, evidenceOf(provider, ref, list))
		case s == payments.StatusSucceeded && (status == Pending || status == Failed || status == Expired),
			s == payments.StatusReversed && (status == Completed || status == Disputed):
			c.Ask = append(c.Ask, Doubt{Reference: ref, Provider: provider})
		}
		if s := payments.Status(states[i]); s == payments.StatusSucceeded || s == payments.StatusReversed {
			paid = append(paid, ref)
		}
	}
	err = query(tx, "find credited payments that are not listed", `
		select reference from billing.credit_purchase
		 where provider = $1 and status = 'completed' and credits_agreed is null and created_at >= $2 and created_at < $3 and provider_txn_id is not null and reference <> all ($4::text[])
		 order by reference`,
		func(rows pgx.Rows) error {
			d := Doubt{Provider: provider}
			err := rows.Scan(&d.Reference)
			c.Ask = append(c.Ask, d)
			return err
		}, provider, from.Add(edge), to.Add(-edge), paid)
	return c, err
}

func evidenceOf(provider, reference string, list []payments.Verification) Evidence {
	for _, v := range list {
		if v.Reference == reference {
			return Evidence{Provider: provider, Reference: reference, Status: v.Status, Amount: v.Amount, TransactionID: v.ProviderTransactionID, PaidAt: v.PaidAt}
		}
	}
	return Evidence{Provider: provider, Reference: reference}
}
