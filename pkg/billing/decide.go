package billing

import (
	"github.com/google/uuid"

	"makola/pkg/money"
	"makola/pkg/payments"
)

// openPurchase is a locked purchase while a batch is decided. Pieces of evidence are applied to it one after the other, as if each had a
// transaction of its own; what is written at the end is its last state.
type openPurchase struct {
	id, tenant, account      uuid.UUID
	provider, reference, txn string
	status                   Status
	expected                 money.Amount
	credits, bonus           money.Credits
	changed                  bool
	received                 money.Amount
	reason                   string
	credited                 bool
}

// verdict is what one piece of evidence does.
type verdict struct {
	kind   OutcomeKind
	reason string
	// file asks for a row that tells a person; suspend books the money to suspense, because it arrived and pays for nothing.
	file, suspend bool
}

func review(reason string, suspend bool) verdict {
	return verdict{kind: InReview, reason: reason, file: true, suspend: suspend}
}

// decide applies one piece of evidence to its purchase. payer is the purchase that the same money movement has paid for, uuid.Nil when none.
// It touches no database: these are the rules, and only the rules.
func decide(p *openPurchase, e Evidence, payer uuid.UUID) verdict {
	switch e.Status {
	case payments.StatusSucceeded:
		return decideSuccess(p, e, payer)
	case payments.StatusFailed:
		if p.status != Pending {
			return verdict{kind: Ignored} // states only move forward: an old failure does not undo a success
		}
		p.status, p.changed = Failed, true
		return verdict{kind: MarkedFailed}
	case payments.StatusReversed:
		if p.status != Completed {
			return verdict{kind: Ignored}
		}
		return review(ReasonReversed, false) // the credits may be spent by now: a person decides
	case payments.StatusAbandoned, payments.StatusPending, payments.StatusUnknown:
		return verdict{kind: Ignored}
	default:
		return verdict{kind: Ignored}
	}
}

func decideSuccess(p *openPurchase, e Evidence, payer uuid.UUID) verdict {
	open := p.status == Pending || p.status == Failed || p.status == Expired
	park := func(reason string, suspend bool) verdict {
		if open {
			p.status, p.reason, p.received, p.changed = Review, reason, e.Amount, true
			if suspend {
				p.txn = e.TransactionID
			}
		}
		return review(reason, suspend)
	}
	switch {
	case e.TransactionID == "":
		return park(ReasonNoTxn, false)
	case payer != uuid.Nil && payer != p.id:
		return park(ReasonTxnReused, false) // that money is booked with the other purchase
	case open && e.Amount.Currency != p.expected.Currency:
		return park(ReasonCurrency, true)
	case open && e.Amount.Minor != p.expected.Minor:
		return park(ReasonAmount, true)
	case open:
		p.status, p.txn, p.received, p.changed, p.credited = Completed, e.TransactionID, e.Amount, true, true
		return verdict{kind: Credited}
	case p.status == Review && e.TransactionID == p.txn:
		return verdict{kind: InReview, reason: p.reason} // the same money, told again
	case p.status == Review:
		return review(ReasonWhileReview, true)
	case e.TransactionID != p.txn:
		return review(ReasonPaidAgain, true)
	case e.Amount != p.expected:
		return review(ReasonAmount, false) // booked as expected before, and now told otherwise
	default:
		return verdict{kind: AlreadyProcessed}
	}
}
