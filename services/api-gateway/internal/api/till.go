package api

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/audit"
	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/pkg/sales"
	"makola/services/api-gateway/internal/auth"
)

// Shelf is the stock that sales sells from: the inventory's, in the transaction of the sale.
func Shelf() sales.Shelf {
	return sales.Shelf{
		Offers: func(tx *gorm.DB, storefront uuid.UUID, products []uuid.UUID) (map[uuid.UUID]sales.Offer, error) {
			list, err := inventory.LockOffers(tx, storefront, products)
			offers := make(map[uuid.UUID]sales.Offer, len(list))
			for id, o := range list {
				offer := sales.Offer{Name: o.Name, SKU: o.SKU, OnHand: o.OnHand, Retail: o.Retail.Minor, Active: o.Active}
				if o.Wholesale != nil {
					offer.Wholesale = &o.Wholesale.Minor
				}
				offers[id] = offer
			}
			return offers, err
		},
		Sell: func(tx *gorm.DB, storefront uuid.UUID, lines []sales.Take, user uuid.UUID, at time.Time) (map[uuid.UUID]int64, error) {
			takes := make([]inventory.Take, len(lines))
			for i, l := range lines {
				takes[i] = inventory.Take{SaleItemID: l.Item, ProductID: l.Product, Quantity: l.Quantity}
			}
			return inventory.Sell(tx, storefront, takes, user, at)
		},
		Restock: func(tx *gorm.DB, lines []sales.PutBack, user uuid.UUID, at time.Time) (map[uuid.UUID]int64, error) {
			back := make([]inventory.PutBack, len(lines))
			for i, l := range lines {
				back[i] = inventory.PutBack{SaleItemID: l.Item, Quantity: l.Quantity}
			}
			return inventory.Restock(tx, back, user, at)
		},
	}
}

// till is one transaction at the till, and who stands there.
type till struct {
	tx  *gorm.DB
	who sales.Actor
	now time.Time

	clock *sales.Clock // read when it is asked for
}

// atTill runs fn in a transaction of the business of whoever asks.
func (s *Server) atTill(ctx context.Context, fn func(t *till) error) error {
	who, client := auth.From(ctx), clientOf(ctx)
	return s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		scope, err := accounts.StorefrontsOf(tx, who.User, who.Role)
		if err != nil {
			return err
		}
		return fn(&till{tx: tx, now: time.Now().UTC().Truncate(time.Microsecond), who: sales.Actor{
			Entry: audit.Entry{Tenant: who.Tenant, User: who.User, Actor: who.Email, IP: client.IP, UserAgent: client.UserAgent},
			Scope: sales.Scope(scope), Approves: who.May(accounts.ApproveSales),
		}})
	})
}

// business is the currency and the days of the business.
func (t *till) business() (sales.Clock, error) {
	if t.clock == nil {
		clock, err := sales.ClockOf(t.tx)
		if err != nil {
			return clock, err
		}
		t.clock = &clock
	}
	return *t.clock, nil
}

// minor reads an amount in the business's currency, as a fault of the body's member if it is none.
func (t *till) minor(field, text string) (int64, error) {
	clock, err := t.business()
	if err != nil {
		return 0, err
	}
	amount, err := money.Parse(text, clock.Currency())
	if err != nil || amount.Minor < 0 {
		return 0, fieldProblem(field, "invalid", "must be an amount in "+string(clock.Currency()))
	}
	return amount.Minor, nil
}

// optionalMinor is minor for a member that may be left out.
func (t *till) optionalMinor(field string, text *string) (*int64, error) {
	if text == nil {
		return nil, nil
	}
	minor, err := t.minor(field, *text)
	return &minor, err
}

// discount reads an amount or a percentage; both are one too many. Nil is none of either.
func (t *till) discount(amount, percent *string) (*sales.Discount, error) {
	switch {
	case amount != nil && percent != nil:
		return nil, fieldProblem("discount_percent", "not_allowed", "must not be there beside discount")
	case amount != nil:
		minor, err := t.minor("discount", *amount)
		return &sales.Discount{Minor: minor}, err
	case percent != nil:
		points, err := money.Parse(*percent, money.GHS) // two decimals, as basis points have
		if err != nil || points.Minor > 100_00 {
			return nil, fieldProblem("discount_percent", "invalid", "must be a percentage from 0 to 100")
		}
		return &sales.Discount{BP: points.Minor}, nil
	}
	return nil, nil
}
