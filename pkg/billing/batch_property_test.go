package billing_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/payments"
)

// modelPurchase is a purchase in the reference model: an ordinary object, changed by one piece of evidence at a time.
type modelPurchase struct {
	p      *billing.Purchase
	status billing.Status
	txn    string
	got    money.Amount // what was received
	back   int64        // what went back
	heard  bool         // of a success, after its refund
}

// model is what the books must say, computed the slow and obvious way.
type model struct {
	purchases map[string]*modelPurchase
	paidFor   map[string]string // money movement → reference
	suspended map[string]bool   // reference and money movement → booked to suspense
	strayed   map[string]int64  // reference and whose money → what went back and is explained by nothing
	credits   map[uuid.UUID]money.Credits
	suspense  map[money.Currency]int64
}

func (m *model) apply(e billing.Evidence) billing.OutcomeKind {
	p := m.purchases[e.Reference]
	if p == nil || e.Requester != uuid.Nil && e.Requester != p.p.Tenant {
		return billing.UnknownReference
	}
	switch e.Status {
	case payments.StatusFailed:
		if p.status == billing.Pending {
			p.status = billing.Failed
			return billing.MarkedFailed
		}
		return billing.Ignored
	case payments.StatusReversed:
		return m.reverse(p, e)
	case payments.StatusSucceeded:
	default:
		return billing.Ignored
	}
	exact := e.Amount == p.p.Total
	payer, used := m.paidFor[e.TransactionID]
	foreign := used && payer != e.Reference
	told := p.txn != "" && p.txn == e.TransactionID // of money this purchase has seen
	isOpen := p.status == billing.Pending || p.status == billing.Failed
	switch {
	case isOpen && e.TransactionID != "" && !foreign && exact:
		p.status, p.txn, p.heard, p.got = billing.Completed, e.TransactionID, true, e.Amount
		m.paidFor[e.TransactionID] = e.Reference
		m.credits[p.p.Tenant] += p.p.Credits + p.p.Bonus - p.share(p.back)
		return billing.Credited
	case p.status == billing.Completed && told && exact:
		return billing.AlreadyProcessed
	case p.status == billing.Refunded && e.TransactionID != "" && !foreign && exact && (told || p.txn == "" && !p.heard):
		p.txn, p.heard = e.TransactionID, true
		m.paidFor[e.TransactionID] = e.Reference
		return billing.AlreadyProcessed
	}
	if isOpen {
		p.status, p.got = billing.Review, e.Amount
		if e.TransactionID != "" && !foreign {
			p.txn = e.TransactionID
			m.paidFor[e.TransactionID] = e.Reference
			m.suspense[p.p.Total.Currency] -= p.back // it went back before we heard of it
			if e.Amount.Currency != "" && e.Amount.Currency != p.p.Total.Currency {
				p.back = 0 // that was of other money
			}
		}
	}
	key := e.Reference + "/" + e.TransactionID
	if e.TransactionID != "" && !foreign && !told && !m.suspended[key] && e.Amount.Currency != "" {
		m.suspended[key] = true
		m.suspense[e.Amount.Currency] += e.Amount.Minor
	}
	return billing.InReview
}

// share is what so much of the price has bought.
func (p *modelPurchase) share(minor int64) money.Credits {
	return (p.p.Credits + p.p.Bonus) * money.Credits(minor) / money.Credits(p.p.Total.Minor)
}

// reverse is what becomes of money that was taken and given back: the evidence says how much went back altogether.
func (m *model) reverse(p *modelPurchase, e billing.Evidence) billing.OutcomeKind {
	payer, used := m.paidFor[e.TransactionID]
	waits, unpaid := p.status == billing.Review, (p.status == billing.Pending || p.status == billing.Failed) && p.txn == ""
	paid := p.p.Total
	if !unpaid && p.txn != "" && p.got.Minor > 0 {
		paid = p.got
	}
	if used && payer != e.Reference || p.txn != "" && e.TransactionID != "" && p.txn != e.TransactionID {
		return m.stray(e, "foreign "+e.TransactionID)
	}
	if e.Amount.Currency != paid.Currency || waits && (p.txn == "" || p.got.Minor == 0) || e.Amount.Minor > paid.Minor {
		return m.stray(e, "unexplained")
	}
	known := p.back
	if p.status == billing.Refunded {
		known = paid.Minor
	}
	if e.Amount.Minor <= known {
		return billing.AlreadyProcessed
	}
	p.back = e.Amount.Minor
	whole := p.back == paid.Minor
	switch {
	case waits:
		m.suspense[paid.Currency] -= p.back - known
		if !whole {
			return billing.InReview
		}
	case unpaid && whole:
		p.txn = e.TransactionID
		if e.TransactionID != "" {
			m.paidFor[e.TransactionID] = e.Reference
		}
	case unpaid:
	default:
		m.credits[p.p.Tenant] -= p.share(p.back) - p.share(known)
	}
	if whole {
		p.status = billing.Refunded
		return billing.Returned
	}
	return billing.PartlyReturned
}

// stray books money that left against suspense, as far as it was not booked before.
func (m *model) stray(e billing.Evidence, whose string) billing.OutcomeKind {
	if e.Amount.Currency == "" {
		return billing.InReview
	}
	key := e.Reference + " " + whose + " " + string(e.Amount.Currency)
	fresh := e.Amount.Minor - m.strayed[key]
	if fresh <= 0 {
		return billing.AlreadyProcessed
	}
	m.strayed[key] += fresh
	m.suspense[e.Amount.Currency] -= fresh
	return billing.InReview
}

func TestPropertyEvidenceInAnyOrderKeepsTheBooks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	round := 0
	suspense := func(c money.Currency) int64 {
		return -int64(h.count(t, "select coalesce(sum(balance), 0) from billing.ledger_account where kind = 'suspense' and unit = $1", string(c)))
	}
	rapid.Check(t, func(rt *rapid.T) {
		round++
		m := &model{purchases: map[string]*modelPurchase{}, paidFor: map[string]string{}, suspended: map[string]bool{}, strayed: map[string]int64{},
			credits: map[uuid.UUID]money.Credits{}, suspense: map[money.Currency]int64{}}
		tenants := []uuid.UUID{openTenant(t, h.gateway, 0), openTenant(t, h.gateway, 0)}
		refs := []string{"AI-UNKNOWN"}
		for range 4 {
			p := buy(t, h.gateway, rapid.SampledFrom(tenants).Draw(rt, "tenant"), rapid.SampledFrom([]string{"starter", "value", "premium"}).Draw(rt, "package"))
			m.purchases[p.Reference] = &modelPurchase{p: p, status: billing.Pending}
			refs = append(refs, p.Reference)
		}
		before := map[money.Currency]int64{money.GHS: suspense(money.GHS), money.NGN: suspense(money.NGN)}
		for range rapid.IntRange(1, 5).Draw(rt, "batches") {
			var evidence []billing.Evidence
			var want []billing.OutcomeKind
			for range rapid.IntRange(0, 8).Draw(rt, "size") {
				e := drawEvidence(rt, m, refs, tenants, round)
				evidence = append(evidence, e)
				want = append(want, m.apply(e))
			}
			out, err := h.credit(t.Context(), evidence...)
			require.NoError(rt, err)
			var got []billing.OutcomeKind
			for _, o := range out {
				got = append(got, o.Kind)
			}
			require.Equal(rt, want, got)
		}
		for ref, p := range m.purchases {
			require.Equal(rt, p.status, h.purchase(t, p.p).Status, ref)
		}
		for _, id := range tenants {
			require.Equal(rt, m.credits[id], h.balance(t, id).Total)
		}
		for c, was := range before {
			require.Equal(rt, m.suspense[c], suspense(c)-was, c)
		}
		requireBooksBalance(t, h.operator)
	})
}

func drawEvidence(rt *rapid.T, m *model, refs []string, tenants []uuid.UUID, round int) billing.Evidence {
	e := billing.Evidence{
		Provider:  "paystack",
		Reference: rapid.SampledFrom(refs).Draw(rt, "reference"),
		Status: rapid.SampledFrom([]payments.Status{payments.StatusSucceeded, payments.StatusSucceeded, payments.StatusSucceeded, payments.StatusFailed,
			payments.StatusPending, payments.StatusAbandoned, payments.StatusReversed}).Draw(rt, "status"),
		Requester: rapid.SampledFrom([]uuid.UUID{uuid.Nil, uuid.Nil, tenants[0], tenants[1]}).Draw(rt, "requester"),
		Amount:    money.FromMinor(1, money.GHS),
	}
	if p := m.purchases[e.Reference]; p != nil {
		e.Amount = p.p.Total
	}
	switch rapid.SampledFrom([]string{"as asked", "as asked", "as asked", "one less", "one more", "currency", "unreadable"}).Draw(rt, "amount") {
	case "one less":
		e.Amount.Minor--
	case "one more":
		e.Amount.Minor++
	case "currency":
		e.Amount.Currency = money.NGN
	case "unreadable":
		e.Amount = money.Amount{}
	}
	if e.Amount.Minor == 0 {
		e.Amount = money.Amount{}
	}
	if n := rapid.IntRange(0, 6).Draw(rt, "transaction"); n > 0 {
		e.TransactionID = fmt.Sprintf("r%d-t%d", round, n)
	}
	return e
}
