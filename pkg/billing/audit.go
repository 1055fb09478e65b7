package billing

import (
	"cmp"

	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/money"
)

// actionRefunded is the audit log's word for money that went back to its payer.
const actionRefunded = "payment.refunded"

// audit enters into the log, with one statement, what the batch completed and what was given back. A payment is its payer's deed, whoever brought the news; from where they
// paid nobody told us.
func (b *batch) audit(tx *gorm.DB, entity string) error {
	var entries []audit.Entry
	for i, v := range b.verdicts {
		switch v.kind {
		case Credited:
			p := b.purchases[b.of[i]]
			entries = append(entries, p.paid(entity, cmp.Or(p.email, "provider:"+p.provider), p.credits+p.bonus))
		case Returned, PartlyReturned:
			p, e := b.purchases[b.of[i]], b.evidence[i]
			entries = append(entries, audit.Entry{Tenant: p.tenant, Actor: "provider:" + p.provider, Action: actionRefunded, Entity: entity, EntityID: p.id.String(),
				Changes: auditedPayment{Reference: p.reference, Provider: p.provider, Amount: v.back.Display(), Refund: e.CaseID}})
		case AlreadyProcessed, InReview, MarkedFailed, DisputeOpened, Ignored, UnknownReference:
		}
	}
	return audit.Record(tx, entries...)
}

// auditedPayment is what an entry says of a payment.
type auditedPayment struct {
	Reference string `json:"reference"`
	Provider  string `json:"provider"`
	Amount    string `json:"amount"`
	// Credits is empty for a subscription, Refund for what was paid.
	Credits string `json:"credits,omitempty"`
	Refund  string `json:"refund,omitempty"`
}

// paid is the entry of a completed payment.
func (p *openPurchase) paid(entity, actor string, credits money.Credits) audit.Entry {
	c := auditedPayment{Reference: p.reference, Provider: p.provider, Amount: p.expected.Display()}
	if credits > 0 {
		c.Credits = credits.String()
	}
	return audit.Entry{Tenant: p.tenant, User: p.user, Actor: actor, Action: audit.Payment, Entity: entity, EntityID: p.id.String(), Changes: c}
}
