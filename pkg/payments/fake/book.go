package fake

import (
	"slices"
	"time"
)

// bookKey is a reference at its provider: two providers may be given the same one.
type bookKey struct {
	provider  Provider
	reference string
}

// book holds the latest transactions and finds them by any of their names. Simulator.mu guards it.
type book struct {
	limit    int
	order    []*Transaction // As opened.
	byKey    map[bookKey]*Transaction
	byAccess map[string]*Transaction
	byID     map[int64]*Transaction
}

func newBook(limit int) *book {
	return &book{limit: limit, byKey: map[bookKey]*Transaction{}, byAccess: map[string]*Transaction{}, byID: map[int64]*Transaction{}}
}

// add enters tx. A full book forgets its oldest tenth first, so that a long load run costs a bounded amount of memory.
func (b *book) add(tx *Transaction) {
	if len(b.order) >= b.limit {
		old := max(b.limit/10, 1)
		for _, gone := range b.order[:old] {
			key := bookKey{gone.Provider, gone.Reference}
			if b.byKey[key] == gone { // Stripe's references need not be unique: the newest session has the name.
				delete(b.byKey, key)
			}
			delete(b.byAccess, gone.AccessCode)
			delete(b.byID, gone.ID)
		}
		b.order = slices.Delete(b.order, 0, old)
	}
	b.order = append(b.order, tx)
	b.byKey[bookKey{tx.Provider, tx.Reference}] = tx
	b.byAccess[tx.AccessCode], b.byID[tx.ID] = tx, tx
}

// find returns the newest transaction with that reference at any provider, or the one with that access code (Stripe: session id).
func (b *book) find(name string) *Transaction {
	found := b.byAccess[name]
	for _, p := range allProviders {
		if tx := b.byKey[bookKey{p, name}]; tx != nil && (found == nil || tx.ID > found.ID) {
			found = tx
		}
	}
	return found
}

// newest returns copies of the provider's transactions that keep wants, newest first. An empty provider means all of them.
func (b *book) newest(p Provider, keep func(*Transaction) bool) []Transaction {
	out := []Transaction{}
	for _, tx := range slices.Backward(b.order) {
		if (p == "" || tx.Provider == p) && keep(tx) {
			out = append(out, tx.copied())
		}
	}
	return out
}

// allProviders is read only.
var allProviders = []Provider{Paystack, Flutterwave, Stripe}

// Transaction returns the newest payment with that reference, or the one with that access code.
func (s *Simulator) Transaction(reference string) (Transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.find(reference)
	if tx == nil {
		return Transaction{}, ErrUnknownReference
	}
	return tx.copied(), nil
}

// at returns the provider's payment with that reference.
func (s *Simulator) at(p Provider, reference string) (Transaction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.byKey[bookKey{p, reference}]
	if tx == nil {
		return Transaction{}, false
	}
	return tx.copied(), true
}

// byID returns the provider's payment with that number.
func (s *Simulator) byID(p Provider, id int64) (Transaction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.byID[id]
	if tx == nil || tx.Provider != p {
		return Transaction{}, false
	}
	return tx.copied(), true
}

// byAccess returns the payment whose checkout page has that code.
func (s *Simulator) byAccess(code string) (Transaction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.book.byAccess[code]
	if tx == nil {
		return Transaction{}, false
	}
	return tx.copied(), true
}

// newest is book.newest under the lock.
func (s *Simulator) newest(p Provider, keep func(*Transaction) bool) []Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.newest(p, keep)
}

// open gives a new transaction its number and enters it, or returns false if the provider was given its reference before. Stripe does not mind.
func (s *Simulator) open(tx Transaction) (Transaction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book.byKey[bookKey{tx.Provider, tx.Reference}] != nil && tx.Provider != Stripe {
		return Transaction{}, false
	}
	tx.ID, tx.State, tx.CreatedAt = s.newID(), StateOpen, time.Now().UTC().Truncate(time.Second)
	entered := tx
	s.book.add(&entered)
	return tx, true
}
