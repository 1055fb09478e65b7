package sales

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// ReservationLife is how long a cart's goods are set aside after its last change.
const ReservationLife = 30 * time.Minute

// NewCart is what a cart begins with.
type NewCart struct {
	Storefront uuid.UUID
	// Customer is nil for whoever walks in.
	Customer *uuid.UUID
	Type     Type
	Notes    string
}

// Open begins a cart. Errors: ErrNotAssigned, ErrUnknownStorefront, ErrUnknownCustomer, ErrCustomerInactive.
func Open(tx *gorm.DB, who Actor, n NewCart) (*Sale, error) {
	if err := openStorefront(tx, n.Storefront); err != nil {
		return nil, err
	}
	if !who.Scope.Sees(n.Storefront) {
		return nil, ErrNotAssigned
	}
	var c *Customer
	var err error
	if n.Customer == nil {
		c, err = WalkIn(tx, who.Entry.Tenant)
	} else {
		c, err = CustomerByID(tx, *n.Customer)
	}
	switch {
	case err == ErrCustomerNotFound: //nolint:errorlint // as this package returned it
		return nil, ErrUnknownCustomer
	case err != nil:
		return nil, err
	case !c.Active:
		return nil, ErrCustomerInactive
	}
	id, err := open(tx, who, n, c.ID, nil)
	if err != nil {
		return nil, err
	}
	return SaleByID(tx, id, who.Scope)
}

func open(tx *gorm.DB, who Actor, n NewCart, customer uuid.UUID, exchangeOf *uuid.UUID) (uuid.UUID, error) {
	id, err := newID("sale")
	if err != nil {
		return id, err
	}
	_, err = exec(tx, "open cart", `
		insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, type, currency, notes, exchange_of)
		select $1, $2, $3, $4, $5, $6, b.currency, $7, $8 from accounts.business b where b.id = $2`,
		id, who.Entry.Tenant, n.Storefront, who.Entry.User, customer, n.Type, n.Notes, exchangeOf)
	return id, err
}

// NewItem is a line as it is asked for.
type NewItem struct {
	Product  uuid.UUID
	Quantity int64
	// Price is another one than the storefront's; only who approves may name it.
	Price    *int64
	Discount Discount
}

// line makes a line of what the storefront offers. Errors: ErrUnknownProduct, ErrProductInactive, ErrPriceOverride, ErrTooLarge, ErrDiscount.
func (n NewItem) line(who Actor, offers map[uuid.UUID]Offer, t Type) (Item, error) {
	o, ok := offers[n.Product]
	switch {
	case !ok:
		return Item{}, ErrUnknownProduct
	case !o.Active:
		return Item{}, ErrProductInactive
	}
	id, err := newID("sale item")
	if err != nil {
		return Item{}, err
	}
	i := Item{ID: id, Product: n.Product, Quantity: n.Quantity, UnitPrice: o.price(t), Name: o.Name, SKU: o.SKU}
	return i, i.set(who, n.Price, n.Discount)
}

// set gives a line its price and discount, and works out its total.
func (i *Item) set(who Actor, price *int64, discount Discount) error {
	if price != nil && *price != i.UnitPrice {
		if !who.Approves {
			return ErrPriceOverride
		}
		i.UnitPrice = *price
	}
	if i.UnitPrice > MaxPrice || i.Quantity > MaxQuantity {
		return ErrTooLarge
	}
	gross := i.UnitPrice * i.Quantity
	if gross > MaxMinor {
		return ErrTooLarge
	}
	var ok bool
	if i.Discount, ok = discount.of(gross); !ok {
		return ErrDiscount
	}
	i.Total = gross - i.Discount
	return nil
}

// AddItem puts a product into a cart and sets it aside. Errors: ErrNotFound, ErrNotDraft, ErrTooManyLines, those of NewItem, InsufficientStock.
func AddItem(tx *gorm.DB, shelf Shelf, who Actor, sale uuid.UUID, n NewItem) (s *Sale, item uuid.UUID, err error) {
	if s, err = lockDraft(tx, sale, who); err != nil {
		return nil, item, err
	}
	if len(s.Items) >= MaxLines {
		return nil, item, ErrTooManyLines
	}
	ids, _ := products(append(slices.Clip(s.Items), Item{Product: n.Product}))
	offers, err := shelf.Offers(tx, s.Storefront, ids)
	if err != nil {
		return nil, item, err
	}
	i, err := n.line(who, offers, s.Type)
	if err != nil {
		return nil, item, err
	}
	if len(s.Items) > 0 {
		i.Line = s.Items[len(s.Items)-1].Line
	}
	i.Line++
	s.Items = append(s.Items, i)
	if err := insertItems(tx, who, s.ID, s.Items[len(s.Items)-1:]); err != nil {
		return nil, item, err
	}
	return s, i.ID, s.keep(tx, who, offers, n.Product)
}

func insertItems(tx *gorm.DB, who Actor, sale uuid.UUID, items []Item) error {
	n := len(items)
	ids, products := make([]uuid.UUID, n), make([]uuid.UUID, n)
	lines := make([]int, n)
	numbers := [4][]int64{}
	names, skus := make([]string, n), make([]string, n)
	for k, i := range items {
		ids[k], products[k], lines[k], names[k], skus[k] = i.ID, i.Product, i.Line, i.Name, i.SKU
		for c, v := range []int64{i.Quantity, i.UnitPrice, i.Discount, i.Total} {
			numbers[c] = append(numbers[c], v)
		}
	}
	_, err := exec(tx, "add lines to sale", `
		insert into sales.sale_item (id, tenant_id, sale_id, product_id, line, quantity, unit_price_minor, discount_minor, total_minor, product_name, product_sku)
		select x.id, $1, $2, x.product, x.line, x.quantity, x.price, x.discount, x.total, x.name, x.sku
		  from unnest($3::uuid[], $4::uuid[], $5::int[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[]) as x (id, product, line, quantity, price, discount, total, name, sku)`,
		who.Entry.Tenant, sale, ids, products, lines, numbers[0], numbers[1], numbers[2], numbers[3], names, skus)
	return err
}

// ItemChange is what changes about a line; nil leaves it as it is. A discount that is not named keeps its amount.
type ItemChange struct {
	Quantity *int64
	Price    *int64
	Discount *Discount
}

// ChangeItem changes a line of a cart. Errors: as for AddItem, ErrItemNotFound.
func ChangeItem(tx *gorm.DB, shelf Shelf, who Actor, sale, item uuid.UUID, c ItemChange) (*Sale, error) {
	s, err := lockDraft(tx, sale, who)
	if err != nil {
		return nil, err
	}
	i := s.item(item)
	if i == nil {
		return nil, ErrItemNotFound
	}
	ids, _ := products(s.Items)
	offers, err := shelf.Offers(tx, s.Storefront, ids)
	if err != nil {
		return nil, err
	}
	more := uuid.Nil // who wants less is not asked whether there is enough
	if c.Quantity != nil {
		if *c.Quantity > i.Quantity {
			more = i.Product
		}
		i.Quantity = *c.Quantity
	}
	discount := Discount{Minor: i.Discount}
	if c.Discount != nil {
		discount = *c.Discount
	}
	if err := i.set(who, c.Price, discount); err != nil {
		return nil, err
	}
	_, err = exec(tx, "change line of sale", `update sales.sale_item set quantity = $3, unit_price_minor = $4, discount_minor = $5, total_minor = $6, sale_discount_minor = 0 where tenant_id = $1 and id = $2`,
		who.Entry.Tenant, item, i.Quantity, i.UnitPrice, i.Discount, i.Total)
	if err != nil {
		return nil, err
	}
	return s, s.keep(tx, who, offers, more)
}

// RemoveItem takes a line out of a cart. Errors: ErrNotFound, ErrNotDraft, ErrItemNotFound.
func RemoveItem(tx *gorm.DB, shelf Shelf, who Actor, sale, item uuid.UUID) (*Sale, error) {
	s, err := lockDraft(tx, sale, who)
	if err != nil {
		return nil, err
	}
	if s.item(item) == nil {
		return nil, ErrItemNotFound
	}
	if _, err := exec(tx, "remove line of sale", `delete from sales.sale_item where tenant_id = $1 and id = $2`, who.Entry.Tenant, item); err != nil {
		return nil, err
	}
	s.Items = slices.DeleteFunc(s.Items, func(i Item) bool { return i.ID == item })
	ids, _ := products(s.Items)
	var offers map[uuid.UUID]Offer
	if len(ids) > 0 {
		if offers, err = shelf.Offers(tx, s.Storefront, ids); err != nil {
			return nil, err
		}
	}
	return s, s.keep(tx, who, offers, uuid.Nil)
}

// Abandon gives a cart up; one that was given up already stays so. Nothing was paid, and nothing is said to have been. Errors: ErrNotFound, ErrNotDraft.
func Abandon(tx *gorm.DB, who Actor, id uuid.UUID) (*Sale, error) {
	s, err := lockSale(tx, id, who.Scope)
	switch {
	case err != nil:
		return nil, err
	case s.Status == Cancelled && s.CompletedAt == nil:
		return s, nil
	case s.Status != Draft:
		return nil, ErrNotDraft
	}
	_, err = exec(tx, "give up reservations", `update sales.reservation set status = 'CANCELLED', ended_at = clock_timestamp() where tenant_id = $1 and sale_id = $2 and status = 'ACTIVE'`, who.Entry.Tenant, id)
	if err != nil {
		return nil, err
	}
	_, err = exec(tx, "give up cart", `update sales.sale set status = 'CANCELLED', ended_at = now(), updated_at = now() where tenant_id = $1 and id = $2`, who.Entry.Tenant, id)
	if err != nil {
		return nil, err
	}
	if err := who.record(tx, "sale.abandoned", "sale", id, map[string]any{"status": [2]Status{Draft, Cancelled}}); err != nil {
		return nil, err
	}
	return read(tx, id, who.Scope, "")
}

func lockDraft(tx *gorm.DB, id uuid.UUID, who Actor) (*Sale, error) {
	s, err := lockSale(tx, id, who.Scope)
	switch {
	case err != nil:
		return nil, err
	case s.Status != Draft:
		return nil, ErrNotDraft
	case !s.StorefrontOpen:
		return nil, ErrStorefrontClosed
	}
	return s, nil
}

// keep sets the goods of a changed cart aside anew and writes what it comes to. Its product more, if it names one, must be available: InsufficientStock otherwise. Others that
// have become scarce while they were not set aside stay in the cart; checkout will ask again.
func (s *Sale) keep(tx *gorm.DB, who Actor, offers map[uuid.UUID]Offer, more uuid.UUID) error {
	ids, want := products(s.Items)
	holds, err := s.holds(tx, ids)
	if err != nil {
		return err
	}
	all, kept, quantities := ids, []uuid.UUID{}, []int64{}
	for _, id := range ids {
		free := max(0, offers[id].OnHand-holds[id].others)
		switch {
		case free >= want[id]:
			kept, quantities = append(kept, id), append(quantities, want[id])
		case id == more:
			return InsufficientStock(id, free, want[id])
		}
	}
	if all == nil {
		all = []uuid.UUID{}
	}
	rows, err := newIDs("reservation", len(kept))
	if err != nil {
		return err
	}
	_, err = exec(tx, "set goods aside", `
		with gone as (update sales.reservation set status = 'CANCELLED', ended_at = clock_timestamp() where tenant_id = $1 and sale_id = $2 and status = 'ACTIVE' and product_id <> all ($4))
		insert into sales.reservation (id, tenant_id, sale_id, storefront_id, product_id, quantity, expires_at)
		select x.id, $1, $2, $3, x.product, x.quantity, clock_timestamp() + $8 * interval '1 second' from unnest($5::uuid[], $6::uuid[], $7::bigint[]) as x (id, product, quantity)
		    on conflict (sale_id, product_id) where status = 'ACTIVE' do update set quantity = excluded.quantity, expires_at = excluded.expires_at`,
		who.Entry.Tenant, s.ID, s.Storefront, all, rows, kept, quantities, int64(ReservationLife.Seconds()))
	if err != nil {
		return err
	}
	if err := s.price(Discount{}, s.terms.taxBP); err != nil {
		return err
	}
	_, err = exec(tx, "write totals of cart", `
		update sales.sale set subtotal_minor = $3, discount_minor = 0, tax_minor = $4, total_minor = $5, updated_at = now() where tenant_id = $1 and id = $2`,
		who.Entry.Tenant, s.ID, s.Subtotal, s.Tax, s.Total)
	if err != nil {
		return err
	}
	return s.readReservations(tx)
}

// hold is how much of a product is set aside in a storefront: for this cart, and for others.
type hold struct{ own, others int64 }

// holds sums what is set aside. The stock of the products is locked before, so nobody sets more aside meanwhile.
func (s *Sale) holds(tx *gorm.DB, products []uuid.UUID) (map[uuid.UUID]hold, error) {
	holds := map[uuid.UUID]hold{}
	if len(products) == 0 {
		return holds, nil
	}
	err := query(tx, "sum reservations", `
		select r.product_id, coalesce(sum(r.quantity) filter (where r.sale_id = $3), 0)::bigint, coalesce(sum(r.quantity) filter (where r.sale_id <> $3), 0)::bigint
		  from sales.reservation r
		 where r.storefront_id = $1 and r.product_id = any ($2) and r.status = 'ACTIVE' and r.expires_at > clock_timestamp() group by 1`, func(rows pgx.Rows) error {
		var id uuid.UUID
		var h hold
		err := rows.Scan(&id, &h.own, &h.others)
		holds[id] = h
		return err
	}, s.Storefront, products, s.ID)
	return holds, err
}

// available checks, before a checkout, that the goods are there. What is set aside for the cart is its own as long as it is on hand; what is not, or not any more, is taken from
// what nobody has set aside. The reservations are locked: the sweep that ends them waits, or has ended them already. Errors: InsufficientStock.
func (s *Sale) available(tx *gorm.DB, offers map[uuid.UUID]Offer) error {
	ids, want := products(s.Items)
	if _, err := exec(tx, "lock reservations", `select from sales.reservation where sale_id = $1 and status = 'ACTIVE' for update`, s.ID); err != nil {
		return err
	}
	holds, err := s.holds(tx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		o, ok := offers[id]
		switch {
		case !ok:
			return InsufficientStock(id, 0, want[id])
		case !o.Active:
			return ErrProductInactive
		}
		free := o.OnHand - holds[id].others
		if holds[id].own >= want[id] {
			free = o.OnHand
		}
		if free < want[id] {
			return InsufficientStock(id, max(0, free), want[id])
		}
	}
	return nil
}
