package sales

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"makola/pkg/money"
)

// anySale draws a sale that could have been checked out.
func anySale(t *rapid.T) *Sale {
	s := &Sale{Currency: money.GHS}
	for range rapid.IntRange(1, 8).Draw(t, "lines") {
		i := Item{ID: uuid.New(), Quantity: rapid.Int64Range(1, 12).Draw(t, "quantity"), UnitPrice: rapid.Int64Range(0, 2000).Draw(t, "price")}
		require.NoError(t, i.set(Actor{}, nil, Discount{BP: rapid.Int64Range(0, 10_000).Draw(t, "line discount")}))
		s.Items = append(s.Items, i)
	}
	require.NoError(t, s.price(Discount{BP: rapid.Int64Range(0, 10_000).Draw(t, "discount")}, rapid.Int64Range(0, 3000).Draw(t, "tax")))
	return s
}

func TestSharesOfADiscountAddUpToTheUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := anySale(t)
		var shares, taxes, totals, worth int64
		for _, i := range s.Items {
			require.GreaterOrEqual(t, i.SaleDiscount, int64(0))
			require.LessOrEqual(t, i.SaleDiscount, i.Total)
			tax, err := money.FromMinor(i.Total-i.SaleDiscount, money.GHS).Percent(i.TaxBP)
			require.NoError(t, err)
			require.Equal(t, tax.Minor, i.Tax)
			shares, taxes, totals, worth = shares+i.SaleDiscount, taxes+i.Tax, totals+i.Total, worth+i.Worth()
		}
		require.Equal(t, s.Discount, shares)
		require.Equal(t, s.Tax, taxes)
		require.Equal(t, s.Subtotal, totals)
		require.Equal(t, s.Total, worth)
		require.Equal(t, s.Subtotal-s.Discount+s.Tax, s.Total)
	})
}

// However a sale comes back, in whatever pieces and order, it gives back what it gives back at once.
func TestReturningInPiecesIsReturningAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := anySale(t)
		s.Paid = rapid.Int64Range(0, s.Total).Draw(t, "paid")
		s.Due = s.Total - s.Paid
		whole := *s
		whole.Items = append([]Item{}, s.Items...)
		all, err := whole.giveBack(Return{})
		require.NoError(t, err)
		require.Equal(t, s.Total, all.minor)
		require.Equal(t, s.Paid, all.cash)
		require.Equal(t, s.Due, all.lowered)
		require.Equal(t, Refunded, all.status)

		var minor, cash, lowered int64
		for {
			var left []int
			for k, i := range s.Items {
				if i.Returned < i.Quantity {
					left = append(left, k)
				}
			}
			if len(left) == 0 {
				break
			}
			i := s.Items[rapid.SampledFrom(left).Draw(t, "line")]
			due := s.Due
			g, err := s.giveBack(Return{Lines: []ReturnLine{{i.ID, rapid.Int64Range(1, i.Quantity-i.Returned).Draw(t, "pieces")}}})
			require.NoError(t, err)
			require.GreaterOrEqual(t, g.cash, int64(0))
			require.Equal(t, min(g.minor, due), g.lowered, "what is owed is lowered first")
			require.Equal(t, s.Total-s.Returned, s.Paid-s.CashRefunded+s.Due)
			switch g.status {
			case Pending:
				require.Zero(t, s.Paid-s.CashRefunded)
				require.Positive(t, s.Due)
			case Partial:
				require.Positive(t, s.Paid)
				require.Positive(t, s.Due)
			default:
				require.Zero(t, s.Due)
			}
			minor, cash, lowered = minor+g.minor, cash+g.cash, lowered+g.lowered
		}
		require.Equal(t, []int64{all.minor, all.cash, all.lowered}, []int64{minor, cash, lowered})
		require.Equal(t, []int64{whole.Returned, whole.CashRefunded, whole.Due}, []int64{s.Returned, s.CashRefunded, s.Due})
	})
}

func TestLargeSalesAreRefusedBeforeTheyOverflow(t *testing.T) {
	t.Parallel()
	price := int64(MaxPrice)
	i := Item{Quantity: MaxQuantity, UnitPrice: MaxPrice}
	require.ErrorIs(t, i.set(Actor{}, &price, Discount{}), ErrTooLarge)
	s := &Sale{Currency: money.GHS}
	for range MaxLines {
		i := Item{Quantity: 1000, UnitPrice: MaxPrice}
		require.NoError(t, i.set(Actor{}, nil, Discount{BP: 1}))
		s.Items = append(s.Items, i)
	}
	require.ErrorIs(t, s.price(Discount{}, 1500), ErrTooLarge)
	s.Items = s.Items[:1]
	require.NoError(t, s.price(Discount{BP: 9_999}, 10_000))
	require.Equal(t, s.Subtotal-s.Discount+s.Tax, s.Total)
}

func TestPhoneNumbersAreOneHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"+233 24 400 0111": "+233244000111", "(024) 400-0111": "0244000111", "024.400.0111": "0244000111"} {
		got, err := NormalizePhone(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "12345", "call me", "+", "++233244000111", "024400011x", "123456789012345678901", "٠٢٤٤٠٠٠١١١"} {
		_, err := NormalizePhone(text)
		require.ErrorIs(t, err, ErrPhone, text)
	}
}
