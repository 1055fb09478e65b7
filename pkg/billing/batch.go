package billing

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/money"
	"makola/pkg/postgres"
)

// CreditBatch settles many purchases at once: it locks them in the order of their references, compares each piece of evidence with its purchase,
// and posts what matches. Outcomes are in the order of the evidence. Evidence for one purchase counts in that order, so the second success in a
// batch is AlreadyProcessed as it would be a day later.
//
// It needs the same dozen statements whatever the number of payments: one for each table, with arrays for parameters. tx must be a platform
// transaction of billing-worker; it is bound to the tenants of the purchases from here to its end. An error means that nothing may be
// committed: a deadlock, a lost connection, or a money movement that another transaction has just used, which the next attempt sends to review.
func CreditBatch(ctx context.Context, tx *gorm.DB, evidence []Evidence) ([]Outcome, error) {
	if len(evidence) == 0 {
		return nil, nil
	}
	tx = tx.WithContext(ctx)
	b := &batch{evidence: evidence, outcomes: make([]Outcome, len(evidence)), payer: map[movement]uuid.UUID{}}
	if err := byKey(tx); err != nil {
		return nil, err
	}
	if err := b.match(tx); err != nil {
		return nil, err
	}
	if err := b.lock(tx); err != nil {
		return nil, err
	}
	if err := b.readReturns(tx, "purchase_id"); err != nil {
		return nil, err
	}
	b.decide()
	if err := b.write(tx); err != nil {
		return nil, err
	}
	return b.outcomes, nil
}

// movement is one money movement at a provider.
type movement struct{ provider, id string }

type batch struct {
	evidence []Evidence
	outcomes []Outcome
	verdicts []verdict
	// purchases are in the order of their locks; of holds, for each piece of evidence, the index of its purchase or -1.
	purchases []*openPurchase
	ids       []uuid.UUID
	of        []int
	payer     map[movement]uuid.UUID
}

// byKey tells the planner, until the end of the transaction, that a batch reads rows by their keys. From arrays of 256 keys and yesterday's statistics it would
// rather conclude that reading a whole table is cheaper, which took several times as long at 16,000 purchases and grows with the table.
func byKey(tx *gorm.DB) error {
	_, err := exec(tx, "prepare batch", `
		select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
		       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`)
	return err
}

// match finds the purchase of each reference and whatever the named money movements have paid for, across tenants, and binds the transaction to the tenants found.
func (b *batch) match(tx *gorm.DB) error {
	b.of = make([]int, len(b.evidence))
	at := map[uuid.UUID]int{}
	tenants := map[uuid.UUID]bool{}
	bound := []uuid.UUID{}
	for i := range b.of {
		b.of[i] = -1
	}
	err := query(tx, "match references", `
		select e.ord, coalesce(p.id, u.id), coalesce(p.tenant_id, u.tenant_id), u.id
		  from unnest($1::text[], $2::text[], $3::text[]) with ordinality as e (provider, reference, txn, ord)
		  left join billing.credit_purchase p on p.provider = e.provider and p.reference = e.reference
		  left join billing.credit_purchase u on u.provider = e.provider and u.provider_txn_id = e.txn and e.txn <> ''
		 where p.id is not null or e.reference = '' and u.id is not null `, // some disputes name the money movement alone
		func(rows pgx.Rows) error {
			var ord int
			var id, owner uuid.UUID
			var payer uuid.NullUUID
			if err := rows.Scan(&ord, &id, &owner, &payer); err != nil {
				return err
			}
			e := b.evidence[ord-1]
			if e.Requester != uuid.Nil && e.Requester != owner {
				return nil // another business's reference is as good as none
			}
			if payer.Valid {
				b.payer[movement{e.Provider, e.TransactionID}] = payer.UUID
			}
			n, seen := at[id]
			if !seen {
				n = len(b.ids)
				at[id] = n
				b.ids = append(b.ids, id)
			}
			b.of[ord-1] = n
			if !tenants[owner] {
				tenants[owner] = true
				bound = append(bound, owner)
			}
			return nil
		},
		column(b.evidence, func(e Evidence) string { return e.Provider }),
		column(b.evidence, func(e Evidence) string { return e.Reference }),
		column(b.evidence, func(e Evidence) string { return e.TransactionID }))
	if err != nil || len(b.ids) == 0 {
		return err
	}
	if err := postgres.BindTenants(tx, bound); err != nil {
		return fmt.Errorf("credit batch: %w", err)
	}
	return nil
}

// lock locks the purchases and reads what they say now. NO KEY UPDATE keeps every other batch out and lets rows that refer to a purchase be inserted.
func (b *batch) lock(tx *gorm.DB) error {
	if len(b.ids) == 0 {
		return nil
	}
	byID := make(map[uuid.UUID]*openPurchase, len(b.ids))
	err := query(tx, "lock purchases", `
		select p.id, p.tenant_id, p.provider, p.reference, p.status, p.amount_expected, p.currency, p.credits, p.bonus,
		       coalesce(p.provider_txn_id, ''), coalesce(p.review_reason, ''), coalesce(p.amount_received, 0), coalesce(p.currency_received, ''), a.id,
		       p.user_id, coalesce(u.email, ''), p.amount_returned, p.credits_owed
		  from billing.credit_purchase p
		  left join accounts.user u on u.id = p.user_id
		  left join billing.ledger_account a on a.tenant_id = p.tenant_id and a.kind = 'credits' and a.unit = 'CRD'
		 where p.id = any ($1::uuid[])
		 order by p.reference, p.id
		   for no key update of p`,
		func(rows pgx.Rows) error {
			p := &openPurchase{}
			var account uuid.NullUUID
			var currency, received string
			if err := rows.Scan(&p.id, &p.tenant, &p.provider, &p.reference, &p.status, &p.expected.Minor, &currency, &p.credits, &p.bonus,
				&p.txn, &p.reason, &p.received.Minor, &received, &account, &p.user, &p.email, &p.returned, &p.owed); err != nil {
				return err
			}
			if !account.Valid {
				return fmt.Errorf("purchase %s: %w", p.id, ErrNoAccount)
			}
			p.expected.Currency, p.received.Currency, p.account = money.Currency(currency), money.Currency(received), account.UUID
			p.known()
			if p.txn != "" {
				b.payer[movement{p.provider, p.txn}] = p.id
			}
			byID[p.id] = p
			return nil
		}, b.ids)
	if err != nil {
		return err
	}
	b.purchases = make([]*openPurchase, len(b.ids))
	for i, id := range b.ids {
		if b.purchases[i] = byID[id]; b.purchases[i] == nil {
			return fmt.Errorf("lock purchases: %s has vanished", id)
		}
	}
	return nil
}

// decide applies the rules to each piece of evidence in turn.
func (b *batch) decide() {
	b.verdicts = make([]verdict, len(b.evidence))
	for i, e := range b.evidence {
		if b.of[i] < 0 {
			b.verdicts[i].kind = UnknownReference
			b.outcomes[i].Kind = UnknownReference
			continue
		}
		p := b.purchases[b.of[i]]
		v := decide(p, e, b.payer[movement{e.Provider, e.TransactionID}])
		if p.txn != "" {
			b.payer[movement{p.provider, p.txn}] = p.id
		}
		b.verdicts[i] = v
		b.outcomes[i] = Outcome{Kind: v.kind, Tenant: p.tenant, Purchase: p.id, Reason: v.reason, Parked: v.parked}
		if v.kind == Credited {
			b.outcomes[i].Credits = p.credits + p.bonus
		}
	}
}

// write writes what was decided: first the rows that only this batch touches, last the accounts that every batch shares.
func (b *batch) write(tx *gorm.DB) error {
	accounts, err := b.accounts(tx)
	if err != nil {
		return err
	}
	booked, err := b.suspenseBefore(tx)
	if err != nil {
		return err
	}
	p, err := b.post(accounts, booked, (*posting).credit)
	if err != nil {
		return err
	}
	if err := p.write(tx); err != nil {
		return err
	}
	reversals, owed, err := b.reverse(tx, accounts)
	if err != nil {
		return err
	}
	p.entries = append(p.entries, reversals.entries...)
	if err := b.writeReturns(tx, "purchase_id"); err != nil {
		return err
	}
	if err := b.writePurchases(tx); err != nil {
		return err
	}
	if err := insertReviews(tx, owed); err != nil {
		return err
	}
	if err := insertReviews(tx, b.reviews()); err != nil {
		return err
	}
	if err := b.writeEvents(tx); err != nil {
		return err
	}
	if err := b.audit(tx, "credit_purchase"); err != nil {
		return err
	}
	return p.writeBalances(tx)
}

// bookable reports whether money can be booked at all: an amount that was read, in a currency that was understood.
func bookable(a money.Amount) bool { return a.Positive() && a.Currency.Known() }

// accounts returns the platform's accounts in every currency that the batch books.
func (b *batch) accounts(tx *gorm.DB) (map[platformAccount]uuid.UUID, error) {
	var currencies []string
	add := func(c money.Currency) {
		if !slices.Contains(currencies, string(c)) {
			currencies = append(currencies, string(c))
		}
	}
	for i, v := range b.verdicts {
		if v.kind == Credited || v.suspend && bookable(b.evidence[i].Amount) {
			add(b.evidence[i].Amount.Currency)
		}
		if v.giveBack && bookable(v.back) {
			add(v.back.Currency)
		}
		if v.noted > 0 {
			add(b.purchases[b.of[i]].expected.Currency)
		}
	}
	for _, p := range b.purchases {
		if p.reversed {
			add(p.basis().Currency)
		}
	}
	if len(currencies) == 0 {
		return nil, nil
	}
	return platformAccounts(tx, currencies)
}

// suspended is a transfer to or from suspense that a verdict asks for. key is the same for whatever tells of the same money; before is what older builds called it.
type suspended struct {
	key, before string
	amount      money.Amount
}

// suspense lists what a verdict books to suspense.
func (b *batch) suspense(i int) (list []suspended) {
	v := b.verdicts[i]
	if !v.suspend && !v.giveBack {
		return nil
	}
	e, p := b.evidence[i], b.purchases[b.of[i]]
	if v.suspend && bookable(e.Amount) {
		list = append(list, suspended{key: arrivalKey(p.id, e.TransactionID), amount: e.Amount})
	}
	back := func(scope string, sum int64, amount money.Amount) {
		if bookable(amount) {
			key := fmt.Sprintf("%s=%s:%d", returnKey(p.id, scope), amount.Currency, sum)
			amount.Minor = -amount.Minor
			list = append(list, suspended{key: key, before: returnKey(p.id, cmp.Or(e.CaseID, e.TransactionID)), amount: amount})
		}
	}
	if v.giveBack {
		back(v.scope, v.sum, v.back)
	}
	if v.noted > 0 {
		back(ownMoney, v.noted, money.FromMinor(v.noted, p.expected.Currency))
	}
	return list
}

func arrivalKey(purchase uuid.UUID, txn string) string {
	return "suspense:" + purchase.String() + ":" + txn
}
func returnKey(purchase uuid.UUID, caseID string) string {
	return "return:" + purchase.String() + ":" + caseID
}

// suspenseBefore returns the keys of the batch's suspense transfers that were posted before. The locks on their purchases keep others from posting them now.
func (b *batch) suspenseBefore(tx *gorm.DB) (map[string]bool, error) {
	var keys []string
	for i := range b.verdicts {
		for _, s := range b.suspense(i) {
			keys = append(keys, s.key)
			if s.before != "" {
				keys = append(keys, s.before)
			}
		}
	}
	booked := map[string]bool{}
	if len(keys) == 0 {
		return booked, nil
	}
	return booked, query(tx, "read suspense transfers", `select idempotency_key from billing.ledger_transfer where idempotency_key = any ($1::text[])`,
		func(rows pgx.Rows) error {
			var key string
			err := rows.Scan(&key)
			booked[key] = true
			return err
		}, keys)
}

// post builds the transfers of the batch: sell adds that of what was bought. booked names the suspense transfers to leave out, and is added to.
func (b *batch) post(accounts map[platformAccount]uuid.UUID, booked map[string]bool, sell func(*posting, *openPurchase, map[platformAccount]uuid.UUID) error) (*posting, error) {
	p := &posting{}
	for i, v := range b.verdicts {
		if v.kind == Credited {
			if err := sell(p, b.purchases[b.of[i]], accounts); err != nil {
				return nil, err
			}
			continue
		}
		for _, s := range b.suspense(i) {
			if booked[s.key] || booked[s.before] {
				continue
			}
			booked[s.key] = true
			o, currency := b.purchases[b.of[i]], string(s.amount.Currency)
			if err := p.transfer(o.tenant, "suspense", s.key, o.reference); err != nil {
				return nil, err
			}
			p.entry(accounts[platformAccount{kindReceivable, currency}], uuid.Nil, currency, s.amount.Minor)
			p.entry(accounts[platformAccount{kindSuspense, currency}], uuid.Nil, currency, -s.amount.Minor)
		}
	}
	return p, nil
}

// credit adds the transfer of one completed purchase, as the package documentation shows it.
func (p *posting) credit(o *openPurchase, accounts map[platformAccount]uuid.UUID) error {
	currency := string(o.expected.Currency)
	if err := p.transfer(o.tenant, "purchase", "purchase:"+o.id.String(), o.reference); err != nil {
		return err
	}
	p.entry(accounts[platformAccount{kindReceivable, currency}], uuid.Nil, currency, o.expected.Minor)
	p.entry(accounts[platformAccount{kindSales, currency}], uuid.Nil, currency, -o.expected.Minor)
	if err := p.grant(o.account, o.id, "PURCHASE", o.credits); err != nil {
		return err
	}
	if o.bonus > 0 {
		if err := p.grant(o.account, o.id, "BONUS", o.bonus); err != nil {
			return err
		}
	}
	p.entry(creditsIssued, uuid.Nil, unitCredits, -int64(o.credits+o.bonus))
	return nil
}
