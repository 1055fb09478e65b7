package sales

import (
	"math/bits"

	"github.com/google/uuid"

	"makola/pkg/money"
)

// Bounds of a sale. A line's price times its quantity stays far inside 64 bits.
const (
	MaxLines    = 200
	MaxQuantity = 1_000_000
	MaxPrice    = 1_000_000_000_000     // 10,000 million cedis for one piece
	MaxMinor    = 1_000_000_000_000_000 // and ten million million for a line, or a sale
)

// wholeBP is 100 %.
const wholeBP = 10_000

// Discount is an amount, or basis points of what it is taken from. The zero value is none.
type Discount struct {
	Minor, BP int64
}

// of is the discount on an amount, a percentage rounded half-up. ok is false when it is more than the amount.
func (d Discount) of(amount int64) (minor int64, ok bool) {
	if d.BP > 0 {
		d.Minor = mulDiv(amount, d.BP, wholeBP, wholeBP/2)
	}
	return d.Minor, d.Minor >= 0 && d.Minor <= amount
}

// mulDiv is (a*b + add) / c, rounded down. All are at least zero, and a*b/c fits 64 bits because b is never more than c here.
func mulDiv(a, b, c, add int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	lo, carry := bits.Add64(lo, uint64(add), 0)
	q, _ := bits.Div64(hi+carry, lo, uint64(c))
	return int64(q)
}

// share is how much of a whole the part between two points of a length gets. The shares of parts that make up the length add up to the whole, whatever the parts are.
func share(whole, from, to, length int64) int64 {
	return mulDiv(whole, to, length, 0) - mulDiv(whole, from, length, 0)
}

// portion is what comes back of a line's worth when the pieces after the first before and up to after come back.
func portion(worth, before, after, quantity int64) int64 {
	return share(worth, before, after, quantity)
}

// price works out what a sale comes to: the discount on the whole is spread over its lines in proportion to their totals, each line is taxed on what is left of it, and the taxes
// are summed. Errors: ErrTooLarge, ErrDiscount.
func (s *Sale) price(discount Discount, taxBP int64) error {
	s.Subtotal, s.Tax = 0, 0
	for i := range s.Items {
		if s.Subtotal += s.Items[i].Total; s.Subtotal > MaxMinor {
			return ErrTooLarge
		}
	}
	var ok bool
	if s.Discount, ok = discount.of(s.Subtotal); !ok {
		return ErrDiscount
	}
	var before int64
	for i := range s.Items {
		it := &s.Items[i]
		it.SaleDiscount, it.TaxBP = 0, taxBP
		if s.Subtotal > 0 {
			it.SaleDiscount = share(s.Discount, before, before+it.Total, s.Subtotal)
		}
		before += it.Total
		tax, err := money.FromMinor(it.Total-it.SaleDiscount, s.Currency).Percent(taxBP)
		if err != nil {
			return err
		}
		it.Tax = tax.Minor
		s.Tax += tax.Minor
	}
	s.Total = s.Subtotal - s.Discount + s.Tax
	return nil
}

// products lists each product of the lines once, in the order in which it first appears, and how much of each the lines want.
func products(items []Item) (ids []uuid.UUID, want map[uuid.UUID]int64) {
	want = map[uuid.UUID]int64{}
	for _, it := range items {
		if _, ok := want[it.Product]; !ok {
			ids = append(ids, it.Product)
		}
		want[it.Product] += it.Quantity
	}
	return ids, want
}
