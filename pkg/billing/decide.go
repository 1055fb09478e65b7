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
	// credited asks for the credits, reversed for the reversal of what is due; both in one batch is possible.
	credited, reversed bool
	// returned is what went back of the payment, and posted what of it was taken out of the sales before this batch; owed are the credits that were spent before.
	returned, posted int64
	owed             money.Credits
	returns          returns
}

// verdict is what one piece of evidence does.
type verdict struct {
	kind   OutcomeKind
	reason string
	// file asks for a row that tells a person; suspend books the money to suspense, because it arrived and pays for nothing; giveBack books money that left against
	// suspense, because it was never a sale. parked is set when the purchase has gone to review just now.
	file, suspend, giveBack, parked bool
	// back is what this evidence adds to what went back, and scope whose money that was. noted went back before its payment was heard of, which has gone to suspense just now.
	back  money.Amount
	scope string
	// sum is what went back in that scope altogether.
	sum, noted int64
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

// decideReturn applies money that goes back to the payer. Only a return that is done counts, once under whatever names it is told of. When all that was paid has gone back, at once or in
// parts, the purchase is undone; a part takes its share of it. Either is noted when it is heard of before the payment. What cannot be of this payment is booked, and a person looks.
func decideReturn(p *openPurchase, e Evidence, payer uuid.UUID) verdict {
	if e.Return != payments.ReturnDone {
		return verdict{kind: Ignored} // asked for or refused: the money is where it was
	}
	paid := p.basis()
	foreign := payer != uuid.Nil && payer != p.id || p.txn != "" && e.TransactionID != "" && e.TransactionID != p.txn
	readable := e.Amount.Currency == paid.Currency || e.Amount.Currency == "" && e.ReturnedTotal.Currency == paid.Currency
	waits := (p.status == Review || p.status == Failed) && p.txn != "" // its money is in suspense
	unpaid := (p.status == Pending || p.status == Failed || p.status == Expired) && p.txn == ""
	switch {
	case foreign: // of the money that was paid twice, for example
		return p.stray(e, "transaction:"+e.TransactionID)
	case !readable || p.status == Review && p.txn == "" || waits && !bookable(p.received):
		return p.stray(e, "unexplained")
	}
	fresh, fits := p.returns.hear(claimsOf(e, p.own(), paid.Currency), paid.Minor)
	switch {
	case !fits && p.status == Refunded && e.Amount == paid:
		return verdict{kind: AlreadyProcessed} // a payment is given back whole once
	case !fits:
		return p.stray(e, "unexplained")
	case fresh == 0:
		return verdict{kind: AlreadyProcessed} // told before, perhaps by another name
	}
	p.returned, p.changed = p.returned+fresh, true
	v := verdict{kind: PartlyReturned, back: money.FromMinor(fresh, paid.Currency), scope: p.own(), sum: p.returned, giveBack: waits}
	whole := p.returned == paid.Minor
	switch {
	case waits && !whole:
		v.kind, v.reason, v.file = InReview, ReasonPartial, true
		return v
	case waits: // the money that waits in suspense goes back
	case unpaid && whole: // The refund is faster than the success that it undoes. Nothing was credited and nothing will be.
		p.txn = e.TransactionID
	case unpaid: // noted: the success takes it into account
	default:
		p.reversed = true
	}
	if whole {
		p.status, v.kind = Refunded, Returned
	}
	return v
}

// stray is the verdict about money that went back and was not this payment's own, as far as we can tell.
func (p *openPurchase) stray(e Evidence, scope string) verdict {
	v := verdict{kind: InReview, reason: ReasonPartial, file: true, giveBack: true, scope: scope}
	if !bookable(e.Amount) {
		return v
	}
	v.scope += ":" + string(e.Amount.Currency)
	fresh, _ := p.returns.hear(claimsOf(e, v.scope, e.Amount.Currency), 0)
	if fresh == 0 {
		return verdict{kind: AlreadyProcessed}
	}
	v.back, v.sum = money.FromMinor(fresh, e.Amount.Currency), p.returns.counted(v.scope)
	return v
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
				p.txn, v.noted = e.TransactionID, p.returned
				if p.own() != ownMoney {
					p.returned = 0 // that was of other money
				}
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
		p.reversed = p.returned > 0 // a part of it went back before we heard of it
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
