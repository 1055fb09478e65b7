package inventory_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/inventory"
	"makola/pkg/money"
	"makola/pkg/problem"
)

func (s *shop) who() audit.Entry { return audit.Entry{User: s.user, Actor: "ama@example.com"} }

func rules() inventory.Rules {
	return inventory.Rules{Currency: money.GHS, Today: time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC), ReorderLevel: inventory.DefaultReorderLevel}
}

// deliver takes goods in as the gateway does.
func (s *shop) deliver(ctx context.Context, items ...inventory.DeliveryItem) (b *inventory.Batch, err error) {
	err = s.in(ctx, func(tx *gorm.DB) (err error) {
		b, err = inventory.Receive(tx, s.who(), rules(), inventory.Delivery{Arrival: rules().Today, Items: items}, time.Now())
		return err
	})
	return b, err
}

// goods is one line of a delivery.
func goods(product, place uuid.UUID, quantity, cost int64, expiry *time.Time) inventory.DeliveryItem {
	zero := money.FromMinor(0, money.GHS)
	return inventory.DeliveryItem{Product: product, Location: place, Quantity: quantity, Expiry: expiry, Cost: money.FromMinor(cost, money.GHS), Tax: zero, Additional: zero, Retail: money.FromMinor(2*cost, money.GHS)}
}

func (s *shop) adjust(ctx context.Context, item uuid.UUID, quantity int64) (a *inventory.Adjustment, err error) {
	kind, reason := "CORRECTION", "counted"
	err = s.in(ctx, func(tx *gorm.DB) (err error) {
		a, err = inventory.Adjust(tx, s.who(), item, inventory.AdjustmentDetails{Type: &kind, Quantity: &quantity, Reason: &reason})
		return err
	})
	return a, err
}

func (s *shop) approve(ctx context.Context, id uuid.UUID) error {
	return s.in(ctx, func(tx *gorm.DB) error {
		_, err := inventory.Approve(tx, s.who(), rules(), id, time.Now())
		return err
	})
}

func (s *shop) plan(ctx context.Context, from, to uuid.UUID, items ...inventory.TransferItem) (t *inventory.Transfer, err error) {
	err = s.in(ctx, func(tx *gorm.DB) (err error) {
		t, err = inventory.Move(tx, s.who(), inventory.NewTransfer{Source: from, Destination: to, Items: items}, time.Now())
		return err
	})
	return t, err
}

// step is Dispatch, Complete or Cancel.
type step func(tx *gorm.DB, who audit.Entry, id uuid.UUID, now time.Time) (*inventory.Transfer, error)

func (s *shop) move(ctx context.Context, id uuid.UUID, do step) error {
	return s.in(ctx, func(tx *gorm.DB) error {
		_, err := do(tx, s.who(), id, time.Now())
		return err
	})
}

// refused turns the answers that a race may give into nil: the state or the stock did not permit it.
func refused(err error) error {
	if err != nil && problem.From(err).Status == 409 {
		return nil
	}
	return err
}

// together runs the functions at once and returns how many succeeded; a refusal is no failure.
func together(t *testing.T, fns ...func() error) (done int) {
	t.Helper()
	var g errgroup.Group
	var mu sync.Mutex
	start := make(chan struct{})
	for _, fn := range fns {
		g.Go(func() error {
			<-start
			err := fn()
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				done++
			}
			return refused(err)
		})
	}
	close(start)
	require.NoError(t, g.Wait())
	return done
}

func TestOfAnAdjustmentASaleAndATransferOfTheSameUnitsOneHappens(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	depot, front, milk := s.place(t, "WAREHOUSE", "DEPOT"), s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk")
	for range 40 {
		item := s.stock(t, depot, milk, 3, 100, "")
		a, err := s.adjust(t.Context(), item, -3)
		require.NoError(t, err)
		tr, err := s.plan(t.Context(), depot, front, inventory.TransferItem{Product: milk, Quantity: 3})
		require.NoError(t, err)
		line := inventory.Take{SaleItemID: newID(t), ProductID: milk, Quantity: 3}
		done := together(t,
			func() error { return s.approve(t.Context(), a.ID) },
			func() error { _, err := s.sell(t.Context(), depot, line); return err },
			func() error { return s.move(t.Context(), tr.ID, inventory.Dispatch) })
		require.Equal(t, 1, done)
		require.Zero(t, s.level(t, depot, milk))
	}
	s.requireLedgerAgrees(t)
}

func TestATransferArrivesOnceHoweverOftenItIsAsked(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	depot, front, milk := s.place(t, "WAREHOUSE", "DEPOT"), s.place(t, "STOREFRONT", "SHOP"), s.product(t, "milk")
	item := s.stock(t, depot, milk, 100, 100, "")
	for range 10 {
		tr, err := s.plan(t.Context(), depot, front, inventory.TransferItem{Product: milk, Quantity: 4})
		require.NoError(t, err)
		dispatch := func() error { return s.move(t.Context(), tr.ID, inventory.Dispatch) }
		require.Equal(t, 3, together(t, dispatch, dispatch, dispatch), "those that come second find it done")
		complete, cancel := func() error { return s.move(t.Context(), tr.ID, inventory.Complete) }, func() error { return s.move(t.Context(), tr.ID, inventory.Cancel) }
		require.Equal(t, 2, together(t, complete, complete, cancel, cancel), "it arrives or comes back, not both")
	}
	require.Equal(t, int64(100), s.level(t, depot, milk)+s.level(t, front, milk))
	require.LessOrEqual(t, s.count(t, `select count(*) from inventory.stock_item where source_item_id = $1`, item), int64(1), "what leaves an item again comes into the same one")
	s.requireLedgerAgrees(t)
}

// Four people do whatever comes to their mind, on little stock. The sequence of each is fixed; how they meet is not.
func TestWhateverHappensAtOnceTheLedgerAgrees(t *testing.T) {
	t.Parallel()
	s := newHouse(t).open(t)
	places := []uuid.UUID{s.place(t, "WAREHOUSE", "DEPOT"), s.place(t, "WAREHOUSE", "ANNEXE"), s.place(t, "STOREFRONT", "SHOP")}
	products := []uuid.UUID{s.product(t, "milk"), s.product(t, "rice")}
	var mu sync.Mutex
	var items, sold, moving []uuid.UUID
	pick := func(r *rand.Rand, list *[]uuid.UUID) uuid.UUID {
		mu.Lock()
		defer mu.Unlock()
		if len(*list) == 0 {
			return uuid.Nil
		}
		return (*list)[r.IntN(len(*list))]
	}
	keep := func(list *[]uuid.UUID, id uuid.UUID) {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, id)
	}
	g, ctx := errgroup.WithContext(t.Context())
	for seed := range uint64(4) {
		g.Go(func() error {
			r := rand.New(rand.NewPCG(seed, 7))
			for range 40 {
				a, b := products[r.IntN(2)], products[r.IntN(2)]
				err := func() error {
					switch r.IntN(6) {
					case 0:
						batch, err := s.deliver(ctx, goods(a, places[r.IntN(3)], 1+r.Int64N(5), 100, nil), goods(b, places[r.IntN(3)], 1+r.Int64N(5), 130, nil))
						if err == nil {
							keep(&items, batch.Items[0].ID)
						}
						return err
					case 1:
						line, err := uuid.NewV7()
						if err != nil {
							return err
						}
						second, err := uuid.NewV7()
						if err != nil {
							return err
						}
						_, err = s.sell(ctx, places[r.IntN(3)], inventory.Take{SaleItemID: line, ProductID: a, Quantity: 1 + r.Int64N(3)}, inventory.Take{SaleItemID: second, ProductID: b, Quantity: 1})
						if err == nil {
							keep(&sold, line)
						}
						return err
					case 2:
						_, err := s.restock(ctx, inventory.PutBack{SaleItemID: pick(r, &sold), Quantity: 1})
						return err
					case 3:
						item := pick(r, &items)
						if item == uuid.Nil {
							return nil
						}
						adj, err := s.adjust(ctx, item, []int64{-3, -1, 2}[r.IntN(3)])
						if err != nil {
							return err
						}
						return s.approve(ctx, adj.ID)
					case 4:
						from := r.IntN(2)
						t, err := s.plan(ctx, places[from], places[(from+1+r.IntN(2))%3], inventory.TransferItem{Product: a, Quantity: 1 + r.Int64N(4)})
						if err != nil {
							return err
						}
						keep(&moving, t.ID)
						return s.move(ctx, t.ID, inventory.Dispatch)
					default:
						id := pick(r, &moving)
						if id == uuid.Nil {
							return nil
						}
						return s.move(ctx, id, []step{inventory.Complete, inventory.Complete, inventory.Cancel, inventory.Dispatch}[r.IntN(4)])
					}
				}()
				// A line of a delivery may be the twin of another one; that is refused as it should be.
				if err = refused(err); err != nil && !errors.Is(err, inventory.ErrBeyondTaken) && problem.From(err).Status != 422 {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Positive(t, s.count(t, `select count(*) from inventory.movement where kind <> 'INTAKE'`), "how they meet decides what there was to move, but something was")
	s.requireLedgerAgrees(t)
}
