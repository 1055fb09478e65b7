package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"makola/pkg/payments/paystack"
	"makola/pkg/rabbit"
	"makola/test/stack"
)

const (
	// tills is how many checkouts are under way at once, and carts how many each till makes.
	tills, carts = 64, 4
	// delivered is how much of each product there is, more than all tills sell.
	delivered = 100_000
)

// floor is a world with a gateway and a shop with a storefront, three products and a customer who may owe.
type floor struct {
	*market
	shop       *shop
	server     *victim
	storefront string
	customer   string
	products   []string
	client     *http.Client
	completed  atomic.Int64 // sales that a till was told of
}

func newFloor(t *testing.T) *floor {
	t.Helper()
	w := newWorld(t)
	w.channel(func(ch *amqp.Channel) { require.NoError(t, rabbit.Standard(rabbit.Queues()...).Declare(ch, false)) })
	f := &floor{market: &market{world: w, gateway: "http://" + stack.FreeAddr(t)}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: tills}, Timeout: 30 * time.Second}}
	t.Cleanup(f.client.CloseIdleConnections)
	f.server = w.startGateway(f.gateway, "PAYSTACK_SECRET_KEYS="+string(paystack.SimulatorSecretKey)) // which is told of no payment here
	w.await("the gateway listens", func() bool {
		resp, err := f.client.Get(f.gateway)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return true
	})
	f.shop = f.register("ama")
	f.storefront = f.make("storefronts", map[string]any{"name": "Makola Road", "code": "MAIN"})
	f.customer = f.make("customers", map[string]any{"name": "Kofi", "credit_limit": "1000000.00"})
	var items []any
	for _, name := range []string{"Soap", "Milk", "Rice"} {
		id := f.make("products", map[string]any{"name": name, "sku": name})
		f.products = append(f.products, id)
		items = append(items, map[string]any{"product_id": id, "location_id": f.storefront, "quantity": delivered, "unit_cost": "2.00", "retail_price": "3.00"})
	}
	f.make("stock-batches", map[string]any{"items": items})
	return f
}

// make creates something and returns its id.
func (f *floor) make(path string, body any) string {
	f.t.Helper()
	var a struct {
		ID string `json:"id"`
	}
	require.Equal(f.t, http.StatusCreated, f.post("/api/v1/"+path, f.shop.token, body, &a), path)
	return a.ID
}

// sold is what a till was told of one sale.
type sold struct {
	ID      string `json:"id"`
	Receipt string `json:"receipt_number"`
	Total   string `json:"total"`
	Due     string `json:"amount_due"`
	Status  string `json:"status"`
}

// insist asks, with one key, until it is answered: a client that knows no more than that its line broke, or that somebody asks it to come again.
func (f *floor) insist(ctx context.Context, path string, body any) (s sold, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return s, err
	}
	key := uuid.NewString()
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for {
		status, text, err := f.ask(ctx, path, key, raw)
		switch {
		case err == nil && status < 300:
			return s, json.Unmarshal(text, &s)
		case err == nil && status < 500 && !bytes.Contains(text, []byte(`"request_in_progress"`)):
			return s, fmt.Errorf("%s answered %d: %s", path, status, text)
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("%s was never answered: last %d %s: %w", path, status, text, ctx.Err())
		case <-pause.C:
		}
	}
}

func (f *floor) ask(ctx context.Context, path, key string, body []byte) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.gateway+"/api/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+f.shop.token)
	req.Header.Set("Idempotency-Key", key)
	resp, err := f.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// sell makes one cart of two lines into a sale: for cash, or on credit.
func (f *floor) sell(ctx context.Context, n int) (sold, error) {
	body := map[string]any{"storefront_id": f.storefront}
	pay := map[string]any{"payments": []any{map[string]any{"method": "CASH", "amount": "15.00"}}}
	if n%4 == 0 {
		body["customer_id"], pay = f.customer, map[string]any{"payment_type": "CREDIT"}
	}
	s, err := f.insist(ctx, "sales", body)
	if err != nil {
		return s, err
	}
	for k := range 2 { // in either order, so that carts meet crosswise
		if _, err := f.insist(ctx, "sales/"+s.ID+"/items", map[string]any{"product_id": f.products[(n+k)%len(f.products)], "quantity": 2 + k}); err != nil {
			return s, err
		}
	}
	return f.insist(ctx, "sales/"+s.ID+"/complete", pay)
}

// trade lets all tills sell, and does damage each time some of the sales have been made. It returns what the tills were told.
func (f *floor) trade(times int, damage func()) []sold {
	f.t.Helper()
	all := make([]sold, tills*carts)
	ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Minute)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for till := range tills {
		g.Go(func() error {
			for cart := range carts {
				n := till*carts + cart
				s, err := f.sell(ctx, n)
				if err != nil {
					return err
				}
				all[n] = s
				f.completed.Add(1)
			}
			return nil
		})
	}
	f.t.Cleanup(func() { cancel(); _ = g.Wait() })
	for n := range times {
		f.await("some more sales are made", func() bool { return ctx.Err() != nil || f.completed.Load() >= int64(len(all)*n/(times+1)+f.pick(8)) })
		damage()
		f.t.Logf("%d sales made, %d requests claimed and unanswered", f.completed.Load(), f.count("select count(*) from gateway.idempotent_request where status is null"))
		// What a process or connection that died had claimed is free after a minute; nobody wants to wait for that here.
		f.exec("update gateway.idempotent_request set held_until = now() where status is null")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for f.completed.Load() < int64(len(all)) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C: // the same for what was claimed in the moment of the last damage
				_, _ = f.look.Exec(ctx, "update gateway.idempotent_request set held_until = now() where status is null and held_until < now() + interval '50 seconds'")
			}
		}
	}()
	require.NoError(f.t, g.Wait())
	<-done
	return all
}

// audit checks that each sale that a till was told of took place once, and nothing else did.
func (f *floor) audit(all []sold) {
	f.t.Helper()
	receipts := map[string]bool{}
	for n, s := range all {
		receipts[s.Receipt] = true
		require.Equal(f.t, 1, f.count("select count(*) from sales.sale where id = $1 and receipt_number = $2 and status = $3", s.ID, s.Receipt, s.Status), "a till's answer is what is there")
		if n%4 == 0 {
			require.Equal(f.t, []string{"PENDING", "15.00", "15.00"}, []string{s.Status, s.Total, s.Due})
		} else {
			require.Equal(f.t, []string{"COMPLETED", "15.00", "0.00"}, []string{s.Status, s.Total, s.Due})
		}
	}
	require.Len(f.t, receipts, len(all), "receipts are unique")
	require.Equal(f.t, len(all), f.count("select count(*) from sales.sale"), "a cart for each key")
	require.Equal(f.t, 2*len(all), f.count("select count(*) from sales.sale_item"), "a line for each key")
	for what, wrong := range map[string]string{
		"lines that took another quantity from the shelf": `select count(*) from sales.sale_item i where i.quantity <> -(select coalesce(sum(delta), 0) from inventory.movement m where m.source_id = i.id)`,
		"movements of no line":                            `select count(*) from inventory.movement m where m.kind = 'SALE' and not exists (select from sales.sale_item i where i.id = m.source_id)`,
		"levels that differ from their movements":         `select count(*) from inventory.stock_level l where on_hand <> (select sum(delta) from inventory.movement m where m.location_id = l.location_id and m.product_id = l.product_id)`,
		"items that differ from their movements":          `select count(*) from inventory.stock_item i where on_hand <> (select sum(delta) from inventory.movement m where m.stock_item_id = i.id)`,
		"cash sales that were not paid once":              `select count(*) from sales.sale s where not is_credit_sale and array(select amount_minor from sales.payment p where p.sale_id = s.id) <> array[s.total_minor]`,
		"credit sales that were paid":                     `select count(*) from sales.payment p join sales.sale s on s.id = p.sale_id where s.is_credit_sale`,
		"credit sales without one debt":                   `select count(*) from sales.sale s where is_credit_sale and array(select outstanding_minor from sales.receivable r where r.sale_id = s.id) <> array[s.total_minor]`,
		"customers whose debt does not add up": `select count(*) from sales.customer c where outstanding_minor <> (select coalesce(sum(outstanding_minor), 0) from sales.receivable r where r.customer_id = c.id)
			or outstanding_minor <> (select coalesce(sum(amount_minor), 0) from sales.credit_transaction x where x.customer_id = c.id)`,
		"sales over with stock still set aside": `select count(*) from sales.reservation where status = 'ACTIVE'`,
		// An answer that could not be kept may be missing; what the key made may not.
		"keys that made nothing": `select count(*) from gateway.idempotent_request where subject_id is null`,
	} {
		require.Zero(f.t, f.count(wrong), what)
	}
	require.Equal(f.t, len(all), f.count("select count(*) from audit.entry where action = 'SALE'"))
	require.Equal(f.t, delivered*len(f.products)-5*len(all), f.count("select sum(on_hand) from inventory.stock_level"))
}
