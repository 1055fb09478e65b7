package sales

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
)

// Shelf is the stock that is sold from. The context that keeps stock provides it.
type Shelf struct {
	// Offers locks what a storefront holds of the products, in an order that all keep, and returns what it knows of each. A product that was never there is absent.
	Offers func(tx *gorm.DB, storefront uuid.UUID, products []uuid.UUID) (map[uuid.UUID]Offer, error)
	// Sell takes goods from a storefront, and returns what each line cost, landed, in minor units.
	Sell func(tx *gorm.DB, storefront uuid.UUID, lines []Take, user uuid.UUID, at time.Time) (map[uuid.UUID]int64, error)
	// Restock puts goods back to where they came from, and returns what they had cost.
	Restock func(tx *gorm.DB, lines []PutBack, user uuid.UUID, at time.Time) (map[uuid.UUID]int64, error)
}

// Offer is what a storefront has of one product, and at which prices.
type Offer struct {
	Name, SKU string
	OnHand    int64
	Retail    int64
	Wholesale *int64
	Active    bool
}

// price is the offer's price for a type of sale.
func (o Offer) price(t Type) int64 {
	if t == Wholesale && o.Wholesale != nil {
		return *o.Wholesale
	}
	return o.Retail
}

// Take is what a line takes from the shelf.
type Take struct {
	Item, Product uuid.UUID
	Quantity      int64
}

// PutBack is what comes back of a line.
type PutBack struct {
	Item     uuid.UUID
	Quantity int64
}

// Scope is which storefronts somebody sees.
type Scope struct {
	All bool
	IDs []uuid.UUID
}

// Sees reports whether the storefront is in the scope.
func (s Scope) Sees(storefront uuid.UUID) bool { return s.All || slices.Contains(s.IDs, storefront) }

// Actor is who does something, as far as the rules of selling care.
type Actor struct {
	// Entry says who it is, for the audit log: its tenant, user, actor, IP and user agent.
	Entry audit.Entry
	// Scope is which storefronts they see.
	Scope Scope
	// Approves is true for a manager and above, who may override prices and the rules of credit.
	Approves bool
}

// record writes an audit entry in the actor's name.
func (a Actor) record(tx *gorm.DB, action, entity string, id uuid.UUID, changes map[string]any) error {
	e := a.Entry
	e.Action, e.Entity, e.EntityID, e.Changes = action, entity, id.String(), changes
	return audit.Record(tx, e)
}
