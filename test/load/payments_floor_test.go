package load

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"makola/pkg/groupcommit"
	"makola/pkg/postgres/postgrestest"
)

// As the system batches: webhooks share commits of at most 256, two of which are under way; the relay takes 512; two lanes of the worker settle 256 together.
const (
	floorShared, floorLeaders  = 256, 2
	floorRelayed               = 512
	floorSettled, floorSettles = 256, 2
)

// paymentFloor is the yardstick for payments: the least that can be called keeping the same promises in the same database. Producers, as many as the connections that post, each
// hand over one payment and wait until it is stored; then it goes the same way through the same three commits, batched as the system batches them, each one round trip of plain pgx:
//
//   - stored: the event and its task, inserted;
//   - relayed: the task, marked published;
//   - settled: the purchase completed, the transfer with its two lots and five entries, the audit entry, the receipt's task inserted, the event closed, the task finished, and
//     the accounts' balances.
//
// So it writes the same rows with the same indexes, triggers and fsyncs, and nothing else: it reads nothing and compares nothing, has no HTTP, no signature, no broker, no row
// security (it is the superuser), and writes no receipts. What the system needs more time for than this is what it adds.
type paymentFloor struct {
	pool     *pgxpool.Pool
	accounts map[int]uuid.UUID // of each shop
	commits  atomic.Int64
	relayed  chan *floorPayment
	settled  chan *floorPayment
}

// floorPayment is one payment on its way.
type floorPayment struct {
	n                    int
	event, task          uuid.UUID
	body                 []byte
	began                time.Time
	took                 time.Duration
	err                  error
	purchase, shop, user uuid.UUID
}

// fixed is an id as sell makes it.
func fixed(group string, n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("0190%s000-0000-7000-8000-%012x", group, n))
}

// floorOfPayments runs n payments over the floor and returns how long all took, how long each took from its producer to its commit, and how many commits that were.
func floorOfPayments(b *testing.B, conns, n int) (took time.Duration, way latencies, commits int64) {
	b.Helper()
	db := postgrestest.New(b)
	admin := db.Admin()
	sell(b, admin, n)
	cfg, err := pgxpool.ParseConfig(db.URL(""))
	if err != nil {
		b.Fatalf("read database address: %v", err)
	}
	cfg.MaxConns = floorLeaders + 1 + floorSettles
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatalf("open database: %v", err)
	}
	defer pool.Close()
	f := &paymentFloor{pool: pool, accounts: map[int]uuid.UUID{}, relayed: make(chan *floorPayment, n), settled: make(chan *floorPayment, n)}
	for k := range shops {
		var id uuid.UUID
		if err := admin.QueryRow(b.Context(), "select id from billing.ledger_account where tenant_id = $1", fixed("b", k+1)).Scan(&id); err != nil {
			b.Fatalf("read account: %v", err)
		}
		f.accounts[k] = id
	}
	all := make([]*floorPayment, n)
	for i, request := range webhooks("floor", 0, n) {
		_, body, _ := bytes.Cut(request, []byte("\r\n\r\n"))
		shop := i%shops + 1
		all[i] = &floorPayment{n: i, event: uuid.Must(uuid.NewV7()), task: uuid.Must(uuid.NewV7()), body: body, purchase: fixed("c", i), shop: fixed("b", shop), user: fixed("a", shop)}
	}
	began := time.Now()
	f.run(b, conns, all)
	took = time.Since(began)
	for _, p := range all {
		way = append(way, p.took)
	}
	var done int
	if err := admin.QueryRow(b.Context(), `select least((select count(*) from billing.credit_purchase where status = 'completed'), (select count(*) from task.task where state = 'succeeded'),
		(select count(*) from billing.webhook_event where state = 'processed'))`).Scan(&done); err != nil || done != n {
		b.Fatalf("%d of %d payments are completed: %v", done, n, err)
	}
	var sum int64
	if err := admin.QueryRow(b.Context(), "select sum(balance)::bigint from billing.ledger_account where kind = 'credits'").Scan(&sum); err != nil || sum != int64(n)*10000 {
		b.Fatalf("the shops hold %d, want %d: %v", sum, n*10000, err)
	}
	return took, way, f.commits.Load()
}

// run sends all payments through the three stages.
func (f *paymentFloor) run(b *testing.B, conns int, all []*floorPayment) {
	b.Helper()
	stages, ctx := errgroup.WithContext(b.Context())
	group := groupcommit.Group[*floorPayment]{Max: floorShared, Leaders: floorLeaders, Run: func(ctx context.Context, items []*floorPayment) {
		err := f.store(ctx, items)
		for _, p := range items {
			p.err = err
			f.relayed <- p
		}
	}}
	stages.Go(func() error {
		defer close(f.settled)
		return each(f.relayed, floorRelayed, func(items []*floorPayment) error {
			err := f.publish(ctx, items)
			for _, p := range items {
				f.settled <- p
			}
			return err
		})
	})
	for range floorSettles {
		stages.Go(func() error {
			return each(f.settled, floorSettled, func(items []*floorPayment) error { return f.settle(ctx, items) })
		})
	}
	producers, posting := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range conns {
		producers.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return nil
				}
				all[i].began = time.Now()
				if err := group.Do(posting, all[i]); err != nil {
					return err
				}
				if all[i].err != nil {
					return all[i].err
				}
			}
		})
	}
	err := producers.Wait()
	close(f.relayed)
	if failed := stages.Wait(); err == nil {
		err = failed
	}
	if err != nil {
		b.Fatalf("floor of payments: %v", err)
	}
}

// each hands on what has gathered in the channel, at most so many at once, until it is closed.
func each(from <-chan *floorPayment, most int, do func([]*floorPayment) error) error {
	for first := range from {
		items := []*floorPayment{first}
	gather:
		for len(items) < most {
			select {
			case p, ok := <-from:
				if !ok {
					break gather
				}
				items = append(items, p)
			default:
				break gather
			}
		}
		if err := do(items); err != nil {
			return err
		}
	}
	return nil
}

// commit runs the statements as one transaction, in one round trip.
func (f *paymentFloor) commit(ctx context.Context, batch *pgx.Batch) error {
	f.commits.Add(1)
	return f.pool.SendBatch(ctx, batch).Close()
}

func take[V any](items []*floorPayment, value func(*floorPayment) V) []V {
	out := make([]V, len(items))
	for i, p := range items {
		out[i] = value(p)
	}
	return out
}

func (p *floorPayment) args() string {
	return fmt.Sprintf(`{"payment_reference":%q,"payment_provider":"paystack","event_id":%q,"amount_minor":9600,"currency":"GHS","status":"success"}`, reference(p.n), p.event)
}

func (f *paymentFloor) store(ctx context.Context, items []*floorPayment) error {
	batch := &pgx.Batch{}
	batch.Queue(`
		insert into billing.webhook_event (id, provider, dedupe_key, event_type, reference, body, headers, trusted, status, amount_minor, currency, provider_txn_id, task_id)
		select id, 'paystack', 'charge.success:' || txn, 'charge.success', reference, body, '{"User-Agent": "x", "Content-Type": "application/json"}', true, 'succeeded', 9600, 'GHS', txn, task
		  from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::uuid[]) as e (id, txn, reference, body, task)`,
		take(items, func(p *floorPayment) uuid.UUID { return p.event }), take(items, func(p *floorPayment) string { return fmt.Sprint(p.n + 1) }),
		take(items, func(p *floorPayment) string { return reference(p.n) }), take(items, func(p *floorPayment) []byte { return p.body }), take(items, func(p *floorPayment) uuid.UUID { return p.task }))
	batch.Queue(`
		insert into task.task (id, root_id, name, queue, args) select id, id, 'ai_features.process_payment_webhook', 'ai_features', args::jsonb from unnest($1::uuid[], $2::text[]) as t (id, args)`,
		take(items, func(p *floorPayment) uuid.UUID { return p.task }), take(items, (*floorPayment).args))
	return f.commit(ctx, batch)
}

func (f *paymentFloor) publish(ctx context.Context, items []*floorPayment) error {
	batch := &pgx.Batch{}
	batch.Queue(`update task.task set state = 'published', published_at = clock_timestamp() where id = any ($1::uuid[])`, take(items, func(p *floorPayment) uuid.UUID { return p.task }))
	return f.commit(ctx, batch)
}

// The platform's accounts, as the migrations make them.
var floorIssued, floorReceivable, floorSales = uuid.MustParse("00000000-0000-7000-8000-000000000001"), uuid.MustParse("00000000-0000-7000-8000-000000000002"),
	uuid.MustParse("00000000-0000-7000-8000-000000000003")

func (f *paymentFloor) settle(ctx context.Context, items []*floorPayment) error {
	var transfers, transferOf, owners, accounts, lotOf, lots, lotOwners, lotPurchases []uuid.UUID
	var lines []int16
	var units, sources []string
	var amounts, granted []int64
	sums := map[uuid.UUID]int64{}
	for _, p := range items {
		t, paid, bonus := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
		transfers = append(transfers, t)
		lots, lotOwners, lotPurchases = append(lots, paid, bonus), append(lotOwners, p.shop, p.shop), append(lotPurchases, p.purchase, p.purchase)
		sources, granted = append(sources, "PURCHASE", "BONUS"), append(granted, 8000, 2000)
		own := f.accounts[p.n%shops]
		for line, e := range []struct {
			account, lot uuid.UUID
			unit         string
			amount       int64
		}{{floorReceivable, uuid.Nil, "GHS", 9600}, {floorSales, uuid.Nil, "GHS", -9600}, {own, paid, "CRD", 8000}, {own, bonus, "CRD", 2000}, {floorIssued, uuid.Nil, "CRD", -10000}} {
			transferOf, owners, accounts, lotOf = append(transferOf, t), append(owners, p.shop), append(accounts, e.account), append(lotOf, e.lot)
			lines, units, amounts = append(lines, int16(line+1)), append(units, e.unit), append(amounts, e.amount)
			sums[e.account] += e.amount
		}
	}
	purchases := take(items, func(p *floorPayment) uuid.UUID { return p.purchase })
	shopOf := take(items, func(p *floorPayment) uuid.UUID { return p.shop })
	ids := func(*floorPayment) uuid.UUID { return uuid.Must(uuid.NewV7()) }
	batch := &pgx.Batch{}
	batch.Queue(`select set_config('enable_seqscan', 'off', true)`) // arrays of keys are looked up by key, as the system does
	batch.Queue(`update billing.credit_purchase p set status = 'completed', provider_txn_id = s.txn, amount_received = 9600, currency_received = 'GHS', completed_at = now(), updated_at = now()
		  from unnest($1::uuid[], $2::text[]) as s (id, txn) where p.id = s.id`, purchases, take(items, func(p *floorPayment) string { return fmt.Sprint(p.n + 1) }))
	batch.Queue(`
		with transfers as (
			insert into billing.ledger_transfer (id, tenant_id, kind, idempotency_key, reference)
			select id, tenant, 'purchase', 'purchase:' || purchase, reference from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) as t (id, tenant, purchase, reference)
		), lots as (
			insert into billing.credit_lot (id, tenant_id, purchase_id, source, granted, remaining, expires_at)
			select id, tenant, purchase, source, granted, granted, now() + interval '180 days' from unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::bigint[]) as l (id, tenant, purchase, source, granted)
		)
		insert into billing.ledger_entry (transfer_id, line, tenant_id, account_id, lot_id, unit, amount)
		select transfer, line, tenant, account, nullif(lot, '00000000-0000-0000-0000-000000000000'), unit, amount
		  from unnest($10::uuid[], $11::smallint[], $12::uuid[], $13::uuid[], $14::uuid[], $15::text[], $16::bigint[]) as e (transfer, line, tenant, account, lot, unit, amount)`,
		transfers, shopOf, purchases, take(items, func(p *floorPayment) string { return reference(p.n) }), lots, lotOwners, lotPurchases, sources, granted,
		transferOf, lines, owners, accounts, lotOf, units, amounts)
	batch.Queue(`insert into audit.entry (id, tenant_id, user_id, actor, action, entity, entity_id, changes)
		select id, tenant, usr, 'owner@example.com', 'PAYMENT', 'credit_purchase', purchase::text, '{"amount": "GHS 96.00", "credits": "100.00", "provider": "paystack"}'
		  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as a (id, tenant, usr, purchase)`, take(items, ids), shopOf, take(items, func(p *floorPayment) uuid.UUID { return p.user }), purchases)
	batch.Queue(`insert into task.task (id, tenant_id, parent_id, root_id, name, queue, args)
		select id, tenant, parent, parent, 'ai_features.send_credit_purchase_notification', 'ai_features', jsonb_build_object('purchase_id', purchase)
		  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as t (id, tenant, parent, purchase)`, take(items, ids), shopOf, take(items, func(p *floorPayment) uuid.UUID { return p.task }), purchases)
	batch.Queue(`update billing.webhook_event set state = 'processed', finished_at = now() where id = any ($1::uuid[])`, take(items, func(p *floorPayment) uuid.UUID { return p.event }))
	batch.Queue(`update task.task set state = 'succeeded', result = '{"status": "success", "credits_added": "100.00"}', started_at = greatest(now(), published_at), finished_at = clock_timestamp()
		 where id = any ($1::uuid[])`, take(items, func(p *floorPayment) uuid.UUID { return p.task }))
	var changed []uuid.UUID
	var by []int64
	for id, sum := range sums {
		changed, by = append(changed, id), append(by, sum)
	}
	batch.Queue(`select from billing.ledger_account where id = any ($1::uuid[]) order by tenant_id is null, id for no key update`, changed) // in one order, or two lanes deadlock
	batch.Queue(`update billing.ledger_account a set balance = a.balance + s.amount from unnest($1::uuid[], $2::bigint[]) as s (id, amount) where a.id = s.id`, changed, by)
	err := f.commit(ctx, batch)
	now := time.Now()
	for _, p := range items {
		p.took = now.Sub(p.began)
	}
	return err
}
