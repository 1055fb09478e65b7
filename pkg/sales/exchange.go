package sales

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
)

// Exchange is goods that come back, and others that are taken for them.
type Exchange struct {
	Return
	// Take is what is taken instead.
	Take []NewItem
	// Payout says how what the new goods cost more is paid. What they cost less is given back by Return.Method.
	Payout
}

// Swap takes goods back and sells others for them in one go: what the customer gets back for the old ones pays for the new ones, and the difference is paid or given back. What was
// still owed for the old ones is lowered first, as with any return; only the rest can pay. The new sale is of the same customer, storefront and type.
// Errors: as for TakeBack, AddItem and Complete.
func Swap(tx *gorm.DB, shelf Shelf, who Actor, id uuid.UUID, e Exchange, now time.Time) (old, fresh *Sale, err error) {
	if old, err = lockLive(tx, who, id); err != nil {
		return nil, nil, err
	}
	if !old.StorefrontOpen {
		return nil, nil, ErrStorefrontClosed
	}
	g, err := old.giveBack(e.Return)
	if err != nil {
		return nil, nil, err
	}
	g.kind = exchangeRefund
	// The stock of both is locked together, in its order, before either moves.
	var ids []uuid.UUID
	for _, i := range g.items {
		ids = append(ids, old.item(i.Item).Product)
	}
	for _, n := range e.Take {
		ids = append(ids, n.Product)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	if _, err := shelf.Offers(tx, old.Storefront, ids); err != nil {
		return nil, nil, err
	}
	costs, err := g.restock(tx, shelf, who, now)
	if err != nil {
		return nil, nil, err
	}
	offers, err := shelf.Offers(tx, old.Storefront, ids) // what came back may go out again
	if err != nil {
		return nil, nil, err
	}
	fresh, paid, payout, err := old.replacement(tx, who, e, g, offers, now)
	if err != nil {
		return nil, nil, err
	}
	if err := old.book(tx, who, g, costs, now); err != nil {
		return nil, nil, err
	}
	if err := fresh.finish(tx, shelf, who, payout, paid, now); err != nil {
		return nil, nil, err
	}
	old, err = SaleByID(tx, id, who.Scope)
	return old, fresh, err
}

// replacement opens the sale of the new goods, and pays it with what the old ones give back as far as that goes.
func (s *Sale) replacement(tx *gorm.DB, who Actor, e Exchange, g *giveBack, offers map[uuid.UUID]Offer, now time.Time) (fresh *Sale, paid []Payment, payout Payout, err error) {
	id, err := open(tx, who, NewCart{Storefront: s.Storefront, Type: s.Type}, s.Customer, &s.ID)
	if err != nil {
		return nil, nil, payout, err
	}
	if fresh, err = read(tx, id, who.Scope, ""); err != nil {
		return nil, nil, payout, err
	}
	for k, n := range e.Take {
		i, err := n.line(who, offers, s.Type)
		if err != nil {
			return nil, nil, payout, err
		}
		i.Line = k + 1
		fresh.Items = append(fresh.Items, i)
	}
	if err := insertItems(tx, who, id, fresh.Items); err != nil {
		return nil, nil, payout, err
	}
	if err := fresh.price(Discount{}, fresh.terms.taxBP); err != nil {
		return nil, nil, payout, err
	}
	if err := fresh.available(tx, offers); err != nil {
		return nil, nil, payout, err
	}
	payout = e.Payout
	g.exchange, g.exchanged = &id, min(g.cash, fresh.Total)
	if payout.All != "" && fresh.Total > g.exchanged {
		payout.Tenders = append(payout.Tenders, Tender{Method: payout.All, Minor: fresh.Total - g.exchanged})
	}
	payout.All = ""
	if g.exchanged > 0 {
		payout.Tenders = append([]Tender{{Method: byExchange, Minor: g.exchanged, Reference: text(s.Receipt)}}, payout.Tenders...)
	}
	paid, err = fresh.settle(payout, who, now)
	return fresh, paid, payout, err
}
