package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"makola/test/stack"
)

// tillShops is how many shops the checkouts are spread over: more than there are connections, so that carts seldom wait for each other's shelf.
const tillShops = 20

// mall is a stack with a gateway and shops whose carts are full.
type mall struct {
	*stack.Stack
	gateway *stack.Process
	admin   *pgx.Conn
	tokens  []string
	carts   int // so many there are
	next    int // the first that nobody has checked out
}

// saleID is that of the n-th cart, which is one of shop n % tillShops.
func saleID(n int) string { return fmt.Sprintf("0190e000-0000-7000-8000-%012x", n) }

// newMall registers the shops by the API, and fills their shelves and carts as it would have: each cart has three lines of a shop's thirty products, set aside.
func newMall(b *testing.B, carts int) *mall {
	b.Helper()
	s := stack.New(b)
	m := &mall{Stack: s, gateway: s.Start("api-gateway", "RATE_REQUESTS_PER_SECOND=1000000", "RATE_SIGN_IN_PER_MINUTE=1000"), admin: s.DB.Admin(), carts: carts}
	stack.Ready(b, m.gateway)
	var shops []string
	for k := range tillShops {
		token, shop := m.register(b, k)
		m.tokens, shops = append(m.tokens, token), append(shops, shop)
	}
	batch := &pgx.Batch{}
	batch.Queue(`insert into inventory.location (id, tenant_id, kind, name, code) select gen_random_uuid(), id, 'STOREFRONT', 'Main', 'MAIN' from shop`)
	batch.Queue(`insert into inventory.product (id, tenant_id, name, sku) select gen_random_uuid(), id, 'Product ' || n, 'P' || n from shop, generate_series(0, 29) n`)
	batch.Queue(`insert into inventory.stock_batch (id, tenant_id, arrival_date, created_by) select gen_random_uuid(), id, '2026-01-01', owner from shop`)
	batch.Queue(`insert into inventory.stock_item (id, tenant_id, batch_id, location_id, product_id, quantity_received, currency, unit_cost_minor, retail_price_minor)
		select gen_random_uuid(), p.tenant_id, b.id, l.id, p.id, 1000000, 'GHS', 200, 300 from inventory.product p join inventory.stock_batch b using (tenant_id) join inventory.location l using (tenant_id)`)
	batch.Queue(`insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id)
		select gen_random_uuid(), tenant_id, product_id, location_id, id, quantity_received, 'INTAKE', 'stock_batch', batch_id from inventory.stock_item`)
	batch.Queue(`insert into sales.customer (id, tenant_id, name, currency) select gen_random_uuid(), id, 'Kofi', 'GHS' from shop`)
	batch.Queue(`insert into sales.sale (id, tenant_id, storefront_id, user_id, customer_id, currency, subtotal_minor, total_minor)
		select ('0190e000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, s.id, l.id, s.owner, c.id, 'GHS', 900, 900 from generate_series(0, $1::int - 1) n
		  join shop s on s.k = n % $2::int join inventory.location l on l.tenant_id = s.id join sales.customer c on c.tenant_id = s.id and c.name = 'Kofi'`, carts, tillShops)
	batch.Queue(`insert into sales.sale_item (id, tenant_id, sale_id, product_id, line, quantity, unit_price_minor, total_minor, product_name, product_sku)
		select gen_random_uuid(), s.id, ('0190e000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, p.id, l + 1, 1, 300, 300, p.name, p.sku from generate_series(0, $1::int - 1) n
		  join shop s on s.k = n % $2::int, generate_series(0, 2) l, inventory.product p where p.tenant_id = s.id and p.sku = 'P' || (n / $2::int + 10 * l) % 30`, carts, tillShops)
	batch.Queue(`insert into sales.reservation (id, tenant_id, sale_id, storefront_id, product_id, quantity, expires_at)
		select gen_random_uuid(), i.tenant_id, i.sale_id, s.storefront_id, i.product_id, i.quantity, now() + interval '1 hour' from sales.sale_item i join sales.sale s on s.id = i.sale_id`)
	err := pgx.BeginFunc(b.Context(), m.admin, func(tx pgx.Tx) error {
		if _, err := tx.Exec(b.Context(), `select set_config('app.tenants', $1::uuid[]::text, true)`, shops); err != nil {
			return err
		}
		// The statements of a batch are parsed before the first of them runs.
		if _, err := tx.Exec(b.Context(), `create temporary table shop on commit drop as select b.id, s.n - 1 as k, b.owner_id as owner from unnest($1::uuid[]) with ordinality s (id, n) join accounts.business b using (id)`, shops); err != nil {
			return err
		}
		return tx.SendBatch(b.Context(), batch).Close()
	})
	if err != nil {
		b.Fatalf("fill the shops: %v", err)
	}
	if _, err := m.admin.Exec(b.Context(), "analyze"); err != nil {
		b.Fatalf("analyze: %v", err)
	}
	return m
}

// register registers a shop and returns its owner's token and its id.
func (m *mall) register(b *testing.B, k int) (token, id string) {
	b.Helper()
	body := fmt.Sprintf(`{"email":"owner%d@example.com","password":"correct horse battery","name":"Ama","business_name":"Shop %d"}`, k, k)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+m.Gateway+"/api/v1/auth/register", bytes.NewBufferString(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatalf("register: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var a struct {
		Token    string `json:"access_token"`
		Business struct {
			ID string `json:"id"`
		} `json:"business"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != http.StatusCreated {
		b.Fatalf("register: status %d: %v", resp.StatusCode, err)
	}
	return a.Token, a.Business.ID
}

// take reserves the next n carts for a run and returns the first.
func (m *mall) take(b *testing.B, n int) (first int) {
	b.Helper()
	if first = m.next; first+n > m.carts {
		b.Fatalf("there are %d carts, and %d are needed", m.carts, first+n)
	}
	m.next += n
	return first
}

// checkOut completes n carts by the API, each for cash and with a key of its own.
func (m *mall) checkOut(b *testing.B, conns, n int) turn {
	b.Helper()
	requests := make([][]byte, n)
	const body = `{"payments":[{"method":"CASH","amount":"10.00"}]}`
	first := m.take(b, n)
	for i := range requests {
		cart := first + i
		requests[i] = fmt.Appendf(nil, "POST /api/v1/sales/%s/complete HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			saleID(cart), m.Gateway, m.tokens[cart%tillShops], uuid.NewString(), len(body), body)
	}
	took, each := flood(b, m.Gateway, conns, requests)
	return turn{rate: perSecond(n, took), p50: each.at(500), p99: each.at(990)}
}

// settle is the floor: the rows that a checkout must write, by somebody who knows beforehand that all is well, in one transaction of one round trip. It locks
// nothing beforehand, checks nothing, has no receipt counter, no key, no alerts and no audit log. Each connection has a shop of its own.
func (m *mall) settle(b *testing.B, pool *pgxpool.Pool, conns, n int) turn {
	b.Helper()
	first := m.take(b, n)
	var group errgroup.Group
	began := time.Now()
	each := make(latencies, n)
	for c := range conns {
		group.Go(func() error {
			for i := c; i < n; i += conns {
				start := time.Now()
				// Of this run's carts, those of shop c % tillShops stand tillShops apart.
				if err := settleOne(b.Context(), pool, saleID(first+i), fmt.Sprintf("F-%d", first+i)); err != nil {
					return err
				}
				each[i] = time.Since(start)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatalf("settle: %v", err)
	}
	return turn{rate: perSecond(n, time.Since(began)), p50: each.at(500), p99: each.at(990)}
}

func settleOne(ctx context.Context, pool *pgxpool.Pool, sale, receipt string) error {
	batch := &pgx.Batch{}
	batch.Queue(`select set_config('app.tenants', array[tenant_id]::text, true) from sales.sale where id = $1`, sale)
	batch.Queue(`update sales.sale set status = 'COMPLETED', receipt_number = $2, paid_minor = total_minor, payment_type = 'CASH', completed_at = now(), updated_at = now() where id = $1`, sale, receipt)
	batch.Queue(`insert into inventory.movement (id, tenant_id, product_id, location_id, stock_item_id, delta, kind, source_type, source_id)
		select gen_random_uuid(), i.tenant_id, i.product_id, k.location_id, k.id, -i.quantity, 'SALE', 'sale_item', i.id
		  from sales.sale_item i join inventory.stock_item k on k.tenant_id = i.tenant_id and k.product_id = i.product_id where i.sale_id = $1`, sale)
	batch.Queue(`insert into sales.payment (id, tenant_id, sale_id, customer_id, amount_minor, currency, method, processed_by)
		select gen_random_uuid(), tenant_id, id, customer_id, total_minor, currency, 'CASH', user_id from sales.sale where id = $1`, sale)
	batch.Queue(`update sales.reservation set status = 'COMMITTED', ended_at = now() where sale_id = $1`, sale)
	return pool.SendBatch(ctx, batch).Close()
}

// BenchmarkCheckout compares checkouts over HTTP with the floor, at 1 and at 16 connections, by turns; of each the best turn counts.
func BenchmarkCheckout(b *testing.B) {
	for _, load := range []struct{ conns, sales int }{{1, 400}, {16, 4_000}} {
		b.Run(fmt.Sprintf("%d_connections", load.conns), func(b *testing.B) {
			part := load.sales / turns
			m := newMall(b, 2*part*(turns+1))
			pool, err := pgxpool.New(b.Context(), m.DB.URL("")+"&pool_max_conns=16")
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(pool.Close)
			m.settle(b, pool, load.conns, part) // warms connections, statements and caches
			m.checkOut(b, load.conns, part)
			var floor, gateway turn
			before := m.gateway.CPU()
			for range turns {
				if t := m.settle(b, pool, load.conns, part); t.rate > floor.rate {
					floor = t
				}
				if t := m.checkOut(b, load.conns, part); t.rate > gateway.rate {
					gateway = t
				}
			}
			cost := (m.gateway.CPU() - before) / time.Duration(part*turns)
			m.check(b)
			b.ReportMetric(float64(gateway.rate), "checkouts/s")
			b.ReportMetric(float64(floor.rate), "floor/s")
			b.ReportMetric(float64(gateway.rate)/float64(floor.rate), "of-floor")
			what := fmt.Sprintf("checkout of 3 lines, %d connections", load.conns)
			note(what+": gateway", "%d/s; p50 %s, p99 %s; %d µs of processor each; %s of the floor", gateway.rate, ms(gateway.p50), ms(gateway.p99), cost.Microseconds(), share(gateway.rate, floor.rate))
			note(what+": floor", "%d/s; p50 %s, p99 %s", floor.rate, ms(floor.p50), ms(floor.p99))
		})
	}
}

// check fails the test unless every cart became one sale, and stock is the sum of its movements.
func (m *mall) check(b *testing.B) {
	b.Helper()
	var open, wrong int
	if err := m.admin.QueryRow(b.Context(), `select (select count(*) from sales.sale where status <> 'COMPLETED'),
		(select count(*) from inventory.stock_item i where on_hand <> (select sum(delta) from inventory.movement m where m.stock_item_id = i.id))
		+ (select count(*) from sales.sale s where 3 <> (select count(*) from inventory.movement m join sales.sale_item i on i.id = m.source_id where i.sale_id = s.id))`).Scan(&open, &wrong); err != nil || open+wrong > 0 {
		b.Fatalf("%d carts are open and %d figures wrong: %v", open, wrong, err)
	}
}
