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
	// user bought it, and email is theirs; empty when they are gone.
	user           uuid.UUID
	email          string
	status         Status
	expected       money.Amount
	credits, bonus money.Credits
	changed        bool
	received       money.Amount
	reason         string
	// credited asks for the credits, reversed for their reversal; both in one batch is possible.
	credited, reversed bool
}

// verdict is what one piece of evidence does.
type verdict struct {
	kind   OutcomeKind
	reason string
	// file asks for a row that tells a person; suspend books the money to suspense, because it arrived and pays for nothing; giveBack books money that left against
	// suspense, because it does not undo a whole purchase. parked is set when the purchase has gone to review just now.
	file, suspend, giveBack, parked bool
}

func review(reason string, suspend bool) verdict {
	return verdict{kind: InReview, reason: reason, file: true, suspend: suspend}
}

// decide applies one piece of evidence to its purchase. payer is the purchase that the same money movement has paid for, uuid.Nil when none.
// It touches no database: these are the rules, and only the rules.
func decide(p *openPurchase, e Evidence, payer uuid.UUID) verdict {
	switch e.Kind {
	case payments.KindRefund:
		return decideReturn(p, e, payer)
	case payments.KindDispute:
		return decideDispute(p, e, payer)
	case payments.KindCharge:
	}
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
		e.Return = payments.ReturnDone // taken and given back: the same as a refund of all
		return decideReturn(p, e, payer)
	case payments.StatusAbandoned, payments.StatusPending, payments.StatusUnknown:
		return verdict{kind: Ignored}
	default:
		return verdict{kind: Ignored}
	}
}

// decideReturn applies money that goes back to the payer. Only a return that is done counts, and one that gives back exactly what was paid undoes the purchase, before or
// after its success is heard of. Any other is booked, and a person looks.
func decideReturn(p *openPurchase, e Evidence, payer uuid.UUID) verdict {
	whole := e.Amount == p.expected
	foreign := payer != uuid.Nil && payer != p.id || p.txn != "" && e.TransactionID != "" && e.TransactionID != p.txn
	switch {
	case e.Return != payments.ReturnDone:
		return verdict{kind: Ignored} // asked for or refused: the money is where it was
	case foreign:
		return verdict{kind: InReview, reason: ReasonPartial, file: true, giveBack: true} // of the money that was paid twice, for example
	case p.status == Refunded && whole:
		return verdict{kind: AlreadyProcessed} // a payment is given back whole once
	case (p.status == Completed || p.status == Disputed) && whole:
		p.status, p.changed, p.reversed = Refunded, true, true
		return verdict{kind: Returned}
	case (p.status == Pending || p.status == Failed || p.status == Expired) && p.txn == "" && whole:
		// The refund is faster than the success that it undoes. Nothing was credited and nothing will be.
		p.status, p.txn, p.changed = Refunded, e.TransactionID, true
		return verdict{kind: Returned}
	case (p.status == Review || p.status == Failed) && p.txn != "" && e.Amount == p.received:
		p.status, p.changed = Refunded, true // the money that waits in suspense goes back
		return verdict{kind: Returned, giveBack: true}
	default:
		return verdict{kind: InReview, reason: ReasonPartial, file: true, giveBack: true}
	}
}

// decideDispute applies a payer's bank asking for the money: only a lost dispute moves it.
func decideDispute(p *openPurchase, e Evidence, payer uuid.UUID) verdict {
	switch {
	case e.Return == payments.ReturnDone:
		return decideReturn(p, e, payer)
	case e.Return != payments.ReturnPending:
		return verdict{kind: Ignored} // won; the review that is open tells the story
	case p.status == Completed:
		p.status, p.changed = Disputed, true
		return verdict{kind: DisputeOpened, reason: ReasonDisputed, file: true}
	case p.status == Disputed || p.status == Refunded:
		return verdict{kind: AlreadyProcessed}
	default:
		return verdict{kind: InReview, reason: ReasonDisputed, file: true} // of a payment that we have not heard of yet
	}
}

func decideSuccess(p *openPurchase, e Evidence, payer uuid.UUID) verdict {
	open := p.status == Pending || p.status == Failed || p.status == Expired
	park := func(reason string, suspend bool) verdict {
		v := review(reason, suspend)
		if open {
			p.status, p.reason, p.received, p.changed, v.parked = Review, reason, e.Amount, true, true
			if suspend {
				p.txn = e.TransactionID
			}
		}
		return v
	}
	switch {
	case p.status == Failed && p.txn != "" && p.txn == e.TransactionID:
		return verdict{kind: Ignored} // a person has rejected this money; it waits in suspense to go back
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
	case p.status == Refunded && (p.txn == "" || p.txn == e.TransactionID) && p.received == (money.Amount{}) && e.Amount == p.expected:
		p.txn, p.received, p.changed = e.TransactionID, e.Amount, true // its refund was heard of first
		return verdict{kind: AlreadyProcessed}
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
