package shops

import (
	"time"

	"github.com/google/uuid"
)

// currency is that of all these shops.
const currency = "GHS"

// Books are all rows of one shop but its people and places, in the order in which they came about.
type Books struct {
	categories   []category
	suppliers    []supplier
	products     []product
	batches      []batch
	items        []item
	levels       []level
	movements    []movement
	adjustments  []adjustment
	transfers    []transfer
	lines        []transferLine
	alerts       []alert
	customers    []customer
	sales        []sale
	saleItems    []saleItem
	credits      []credit
	payments     []payment
	receivables  []receivable
	settlements  []settlement
	refunds      []refund
	refundItems  []refundItem
	reservations []reservation
	counters     []counter
}

type category struct {
	id   uuid.UUID
	name string
	at   time.Time
}

type supplier struct {
	id                          uuid.UUID
	name, contact, email, phone string
	at                          time.Time
}

type product struct {
	id, category             uuid.UUID
	name, sku, barcode, unit string
	reorder                  int64
	muted, active            bool
	at                       time.Time
}

type batch struct {
	id                     uuid.UUID
	arrived                time.Time
	reference, description string
	by                     uuid.UUID
}

type item struct {
	id, batch, location, product, supplier, source uuid.UUID
	expiry                                         time.Time // zero: none
	received                                       int64
	cost, additional, retail, wholesale            int64
	at                                             time.Time
}

type level struct {
	location, product uuid.UUID
	retail, wholesale int64
	reorder           int64 // -1: the product's
	at                time.Time
}

type movement struct {
	id, product, location, item uuid.UUID
	delta                       int64
	kind, sourceType            string
	source                      uuid.UUID
	reason                      string
	by                          uuid.UUID
	at                          time.Time
}

type adjustment struct {
	id, item, location, product uuid.UUID
	kind                        string
	quantity, before, cost      int64
	reason, reference, status   string
	by, decider                 uuid.UUID
	at, decided                 time.Time
}

type transfer struct {
	id                        uuid.UUID
	reference, status         string
	source, destination       uuid.UUID
	expected                  time.Time
	by, completedBy           uuid.UUID
	at, dispatched, completed time.Time
}

type transferLine struct {
	transfer, product uuid.UUID
	quantity          int64
}

type alert struct {
	id, product, location, item uuid.UUID
	kind                        string
	bucket                      int
	current, threshold          int64
	at                          time.Time
}

type customer struct {
	id                 uuid.UUID
	name, email, phone string
	address, kind      string
	limit              int64
	terms              int
	blocked, walkIn    bool
	by                 uuid.UUID
	at                 time.Time
	owes               int64 // not written: the ledger's trigger does
	late               int   // what kind of payer, see lateness
	open               []int // receivables not yet settled
}

type sale struct {
	id, storefront, user, customer uuid.UUID
	receipt, kind, status          string
	subtotal, discount, total      int64
	paid, returned, cashBack, due  int64
	payment                        string
	credit                         bool
	overrideBy                     uuid.UUID
	overrideReason                 string
	created, updated, completed    time.Time
	receivable, buyer, firstItem   int // not written
}

type saleItem struct {
	id, sale, product                uuid.UUID
	line                             int
	quantity, price, discount, total int64
	share                            int64 // of the discount on the whole sale
	cost                             int64 // -1: not known, the sale is a cart
	returned                         int64
	name, sku                        string
}

type credit struct {
	id, customer    uuid.UUID
	kind            string
	amount, balance int64
	sourceType      string
	source          uuid.UUID
	reference       string
	by              uuid.UUID
	at              time.Time
}

type payment struct {
	id, sale, customer uuid.UUID
	amount             int64
	method, reference  string
	by                 uuid.UUID
	at                 time.Time
}

type receivable struct {
	id, sale, customer             uuid.UUID
	original, paid, returned, open int64
	status                         string
	due, at, updated               time.Time
	saleRow, buyer                 int // not written
}

type settlement struct {
	id, receivable, payment uuid.UUID
	amount                  int64
	at                      time.Time
}

type refund struct {
	id, sale     uuid.UUID
	kind         string
	amount, cash int64
	method       string
	restock      bool
	reason       string
	by           uuid.UUID
	at           time.Time
}

type refundItem struct {
	id, refund, saleItem   uuid.UUID
	quantity, amount, cost int64
}

type reservation struct {
	id, sale, storefront, product uuid.UUID
	quantity                      int64
	at, expires                   time.Time
}

type counter struct {
	storefront uuid.UUID
	day        time.Time
	last       int
}
