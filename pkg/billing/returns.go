package billing

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/payments"
)

// returnSource is where a provider said something about money that went back. Within a source one refund has one name; in another it may have another.
type returnSource string

const (
	// returnTold is an event about one refund, returnAsked the answer to our own request for one, returnDispute a lost dispute.
	returnTold    returnSource = "told"
	returnAsked   returnSource = "asked"
	returnDispute returnSource = "dispute"
	// returnTotal is about all refunds of the payment together.
	returnTotal returnSource = "total"
)

// ownMoney is the scope of the money that paid for the purchase; other scopes are about money that arrived beside it, or that cannot have been its own.
const ownMoney = ""

// returnClaim is one thing that a provider said about money going back.
type returnClaim struct {
	scope  string
	source returnSource
	name   string
	amount int64
}

// returns are the claims about one purchase: those that are stored, and those of this batch.
type returns struct {
	claims []returnClaim
	stored int // The first so many are stored.
}

// claimsOf reads what a piece of evidence says about money going back.
func claimsOf(e Evidence, scope string, currency money.Currency) (claims []returnClaim) {
	add := func(source returnSource, name string, amount int64) {
		claims = append(claims, returnClaim{scope: scope, source: source, name: name, amount: amount})
	}
	if e.Kind != payments.KindRefund && e.Kind != payments.KindDispute { // the provider calls the payment reversed: all of it
		add(returnTotal, strconv.FormatInt(e.Amount.Minor, 10), e.Amount.Minor)
		return claims
	}
	totalled := e.ReturnedTotal.Positive() && e.ReturnedTotal.Currency == currency
	if totalled {
		add(returnTotal, strconv.FormatInt(e.ReturnedTotal.Minor, 10), e.ReturnedTotal.Minor)
	}
	source := returnTold
	switch {
	case e.Kind == payments.KindDispute:
		source = returnDispute
	case e.Asked:
		source = returnAsked
	}
	if e.Amount.Positive() && e.Amount.Currency == currency && (e.CaseID != "" || !totalled) { // a refund without a name is told from another by its amount alone
		add(source, cmp.Or(e.CaseID, "?"+strconv.FormatInt(e.Amount.Minor, 10)), e.Amount.Minor)
	}
	return claims
}

// counted is what the claims of a scope come to. Refunds of one amount are as many as the source that names most of them says: what another source calls them is another name, not
// another refund. The whole is at least what the provider says of all together. So neither the order in which claims come nor their repetition matters.
func (r *returns) counted(scope string) (sum int64) {
	most := map[int64]int{}
	times := map[returnClaim]int{} // by source and amount
	var total int64
	for _, c := range r.claims {
		if c.scope != scope {
			continue
		}
		if c.source == returnTotal {
			total = max(total, c.amount)
			continue
		}
		k := returnClaim{source: c.source, amount: c.amount}
		times[k]++
		most[c.amount] = max(most[c.amount], times[k])
	}
	for amount, n := range most {
		sum += amount * int64(n)
	}
	return max(sum, total)
}

// hear takes claims in, unless they would bring their scope beyond limit (0 for none), and returns what they add to it.
func (r *returns) hear(claims []returnClaim, limit int64) (fresh int64, fits bool) {
	if len(claims) == 0 {
		return 0, true
	}
	scope, n := claims[0].scope, len(r.claims)
	before := r.counted(scope)
	for _, c := range claims {
		known := false
		for _, old := range r.claims {
			known = known || old.scope == c.scope && old.source == c.source && old.name == c.name
		}
		if !known {
			r.claims = append(r.claims, c)
		}
	}
	after := r.counted(scope)
	if limit > 0 && after > limit {
		r.claims = r.claims[:n]
		return 0, false
	}
	return after - before, true
}

// basis is what was paid, as the books have it: what arrived, or the price while nothing has, and where nobody told us.
func (p *openPurchase) basis() money.Amount {
	arrived := p.txn != "" || p.status == Completed || p.status == Disputed || p.status == Refunded
	if arrived && bookable(p.received) {
		return p.received
	}
	return p.expected
}

// own is the scope of the money that paid for the purchase. Money of another currency is counted by itself.
func (p *openPurchase) own() string {
	if c := p.basis().Currency; c != p.expected.Currency {
		return string(c)
	}
	return ownMoney
}

// known completes what the row of a locked purchase says about its returns: what went back of a completed one is out of the sales, and of a refunded one nothing is left.
func (p *openPurchase) known() {
	if p.status == Refunded {
		p.returned = p.basis().Minor
	}
	if p.status == Completed || p.status == Disputed || p.status == Refunded {
		p.posted = p.returned
	}
}

// due is what went back of a completed purchase and is not taken out of the sales yet.
func (p *openPurchase) due() int64 { return p.returned - p.posted }

// readReturns reads the stored claims about those purchases of the batch that a piece of evidence may add to.
func (b *batch) readReturns(tx *gorm.DB, subject string) error {
	var ids []uuid.UUID
	at := map[uuid.UUID]*openPurchase{}
	for i, e := range b.evidence {
		if b.of[i] < 0 || e.Return != payments.ReturnDone && e.Status != payments.StatusReversed {
			continue
		}
		if p := b.purchases[b.of[i]]; at[p.id] == nil {
			at[p.id] = p
			ids = append(ids, p.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	err := query(tx, "read returns", `select `+subject+`, scope, source, case_id, amount_minor from billing.payment_return where `+subject+` = any ($1::uuid[]) order by id`,
		func(rows pgx.Rows) error {
			var id uuid.UUID
			var c returnClaim
			err := rows.Scan(&id, &c.scope, &c.source, &c.name, &c.amount)
			r := &at[id].returns
			r.claims = append(r.claims, c)
			r.stored = len(r.claims)
			return err
		}, ids)
	if err != nil {
		return err
	}
	for _, p := range at { // refunded before returns were kept
		if known := p.returns.counted(p.own()); p.returned > known {
			p.returns.claims = append(p.returns.claims, returnClaim{scope: p.own(), source: returnTotal, name: strconv.FormatInt(p.returned, 10), amount: p.returned})
		}
	}
	return nil
}

// writeReturns stores the new claims of the batch.
func (b *batch) writeReturns(tx *gorm.DB, subject string) error {
	type row struct {
		id, tenant, subject uuid.UUID
		returnClaim
	}
	var rows []row
	for _, p := range b.purchases {
		for _, c := range p.returns.claims[p.returns.stored:] {
			id, err := uuid.NewV7()
			if err != nil {
				return fmt.Errorf("make id of a return: %w", err)
			}
			rows = append(rows, row{id, p.tenant, p.id, c})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := exec(tx, "store returns", `
		insert into billing.payment_return (id, tenant_id, `+subject+`, scope, source, case_id, amount_minor)
		select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[]) on conflict do nothing`,
		column(rows, func(r row) uuid.UUID { return r.id }),
		column(rows, func(r row) uuid.UUID { return r.tenant }),
		column(rows, func(r row) uuid.UUID { return r.subject }),
		column(rows, func(r row) string { return r.scope }),
		column(rows, func(r row) string { return string(r.source) }),
		column(rows, func(r row) string { return r.name }),
		column(rows, func(r row) int64 { return r.amount }))
	return err
}
