package shops

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"makola/pkg/accounts"
	"makola/pkg/postgres/postgrestest"
)

// end is a Thursday afternoon before Christmas.
var end = time.Date(2026, time.December, 17, 15, 30, 0, 0, time.UTC)

// booksAgree are queries for what must not be: each finds the rows at fault, of all businesses.
var booksAgree = map[string]string{
	"stock items that do not hold the sum of their movements": `
		select i.id::text from inventory.stock_item i left join (select stock_item_id, sum(delta) as n from inventory.movement group by 1) m on m.stock_item_id = i.id where i.on_hand <> coalesce(m.n, 0)`,
	"levels that are not the sum of their items": `
		select l.product_id::text from inventory.stock_level l left join (select tenant_id, location_id, product_id, sum(on_hand) as n from inventory.stock_item group by 1, 2, 3) i using (tenant_id, location_id, product_id) where l.on_hand <> coalesce(i.n, 0)`,
	"items that held less than nothing at some time": `
		select distinct stock_item_id::text from (select stock_item_id, sum(delta) over (partition by stock_item_id order by at, id) as n from inventory.movement) m where n < 0`,
	"movements before their item came": `
		select m.id::text from inventory.movement m join inventory.stock_item i on i.id = m.stock_item_id where m.at < i.created_at`,
	"transfers whose goods did not all arrive": `
		select m.source_id::text from inventory.movement m join inventory.transfer t on t.id = m.source_id where m.source_type = 'transfer' group by 1 having (sum(delta) <> 0) <> bool_or(t.status = 'in_transit')`,
	"transfers that moved something else than they say": `
		select t.id::text from inventory.transfer t join inventory.transfer_item i on i.transfer_id = t.id
		  left join (select source_id, product_id, sum(delta) as n from inventory.movement where kind = 'TRANSFER_IN' group by 1, 2) m on m.source_id = t.id and m.product_id = i.product_id
		 where (t.status = 'completed') <> (m.n is not distinct from i.quantity)`,
	"lines of sales that took something else off the shelf": `
		select i.id::text from sales.sale_item i join sales.sale s on s.id = i.sale_id left join (select source_id, -sum(delta) as n from inventory.movement where kind = 'SALE' group by 1) m on m.source_id = i.id
		 where coalesce(m.n, 0) <> case s.status when 'DRAFT' then 0 else i.quantity end`,
	"lines whose cost is not that of what they took": `
		select i.id::text from sales.sale_item i join sales.sale s on s.id = i.sale_id
		  left join (select m.source_id, -sum(m.delta * t.unit_landed_minor) as cost from inventory.movement m join inventory.stock_item t on t.id = m.stock_item_id where m.kind = 'SALE' group by 1) c on c.source_id = i.id
		 where s.status <> 'DRAFT' and i.cost_minor is distinct from c.cost`,
	"returns that brought back more than was sold, or at another cost": `
		select r.id::text from sales.refund_item r join sales.refund f on f.id = r.refund_id join sales.sale_item i on i.id = r.sale_item_id
		  left join (select m.source_id, sum(m.delta) as n, sum(m.delta * t.unit_landed_minor) as cost from inventory.movement m join inventory.stock_item t on t.id = m.stock_item_id where m.kind = 'REFUND' group by 1) c on c.source_id = i.id
		 where r.quantity <> i.returned or r.cost_minor <> coalesce(c.cost, 0) or coalesce(c.n, 0) <> case when f.restock then r.quantity else 0 end`,
	"sales that are not the sum of their lines": `
		select s.id::text from sales.sale s left join (select sale_id, sum(total_minor) as n, sum(sale_discount_minor) as d from sales.sale_item group by 1) i on i.sale_id = s.id where s.subtotal_minor <> coalesce(i.n, 0) or s.discount_minor <> i.d`,
	"sales that were not paid what they say": `
		select s.id::text from sales.sale s left join (select sale_id, sum(amount_minor) as n from sales.payment group by 1) p on p.sale_id = s.id where s.paid_minor <> coalesce(p.n, 0)`,
	"sales that gave back something else than their refunds": `
		select s.id::text from sales.sale s left join (select sale_id, sum(amount_minor) as n, sum(cash_minor) as c from sales.refund group by 1) r on r.sale_id = s.id where s.returned_minor <> coalesce(r.n, 0) or s.cash_refunded_minor <> coalesce(r.c, 0)`,
	"refunds that are not the sum of their lines": `
		select r.id::text from sales.refund r left join (select refund_id, sum(amount_minor) as n from sales.refund_item group by 1) i on i.refund_id = r.id where r.amount_minor is distinct from i.n`,
	"receivables that differ from what their sale is owed": `
		select r.id::text from sales.receivable r join sales.sale s on s.id = r.sale_id where r.outstanding_minor <> s.due_minor`,
	"sales that are owed without a receivable": `
		select s.id::text from sales.sale s where s.due_minor > 0 and not exists (select from sales.receivable r where r.sale_id = s.id)`,
	"receivables that were not paid what they say": `
		select r.id::text from sales.receivable r left join (select receivable_id, sum(amount_minor) as n from sales.receivable_payment group by 1) p on p.receivable_id = r.id where r.paid_minor <> coalesce(p.n, 0)`,
	"customers who owe something else than their open receivables": `
		select c.id::text from sales.customer c left join (select customer_id, sum(outstanding_minor) as n from sales.receivable group by 1) r on r.customer_id = c.id where c.outstanding_minor <> coalesce(r.n, 0)`,
	"customers who owe something else than their account says": `
		select c.id::text from sales.customer c left join (select customer_id, sum(amount_minor) as n from sales.credit_transaction group by 1) t on t.customer_id = c.id where c.outstanding_minor <> coalesce(t.n, 0)`,
	"accounts whose balance does not run": `
		select id::text from (select id, balance_minor, sum(amount_minor) over (partition by customer_id order by at, id) as n from sales.credit_transaction) t where n <> balance_minor`,
	"carts that hold more than there is": `
		select r.product_id::text from (select tenant_id, storefront_id, product_id, sum(quantity) as n from sales.reservation where status = 'ACTIVE' group by 1, 2, 3) r
		  left join inventory.stock_level l on l.tenant_id = r.tenant_id and l.location_id = r.storefront_id and l.product_id = r.product_id where r.n > coalesce(l.on_hand, 0)`,
	"receipts that the counter does not continue": `
		select s.id::text from sales.sale s left join sales.receipt_counter c on c.storefront_id = s.storefront_id and c.day = s.completed_at::date
		 where s.receipt_number is not null and not right(s.receipt_number, 4)::int <= coalesce(c.last, 0)`,
	"days with a gap in their receipts": `
		select c.day::text from sales.receipt_counter c left join (select storefront_id, completed_at::date as day, count(*) as n from sales.sale where receipt_number is not null group by 1, 2) s using (storefront_id, day) where s.n is distinct from c.last`,
	"stock that is low without an alert, or has an alert without being low": `
		select l.product_id::text from inventory.stock_level l join inventory.product p on p.id = l.product_id
		  left join inventory.stock_alert a on a.tenant_id = l.tenant_id and a.location_id = l.location_id and a.product_id = l.product_id and a.stock_item_id is null
		 where a.type is distinct from case when p.alerts_muted then null when l.on_hand = 0 then 'OUT_OF_STOCK' when l.on_hand <= coalesce(l.reorder_level, p.reorder_level) then 'LOW_STOCK' end`,
	"sales below cost": `
		select i.id::text from sales.sale_item i join sales.sale s on s.id = i.sale_id where s.status <> 'DRAFT' and i.total_minor < i.cost_minor`,
	"people who saw a storefront of another business": `
		select a.user_id::text from accounts.storefront_assignment a left join inventory.location l on l.tenant_id = a.tenant_id and l.id = a.storefront_id and l.kind = 'STOREFRONT' where l.id is null`,
}

// seed writes all shops of the plan.
func seed(t *testing.T, pg *postgrestest.Database, p Plan) (outcomes []Outcome, rows int64) {
	t.Helper()
	db := pg.Open("makola_owner")
	for i := range p.Len() {
		o, n, err := Write(t.Context(), db, p.Shop(i))
		require.NoError(t, err)
		outcomes, rows = append(outcomes, o), rows+n
	}
	require.NoError(t, Analyze(t.Context(), db))
	return outcomes, rows
}

func requireBooksAgree(t *testing.T, look *pgx.Conn) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(booksAgree)) {
		var n int
		var some []string
		require.NoError(t, look.QueryRow(t.Context(), `select count(*), coalesce((array_agg(id))[1:3], '{}') from (`+booksAgree[name]+`) as fault (id)`).Scan(&n, &some), name)
		require.Zero(t, n, "%s: %v", name, some)
	}
}

func number(t *testing.T, look *pgx.Conn, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, look.QueryRow(t.Context(), query, args...).Scan(&n), query)
	return n
}

// fingerprints hashes the rows of each table of the three schemas.
func fingerprints(t *testing.T, look *pgx.Conn) map[string]string {
	t.Helper()
	rows, err := look.Query(t.Context(), `select table_schema || '.' || table_name from information_schema.tables where table_schema in ('accounts', 'inventory', 'sales') and table_type = 'BASE TABLE'
		and table_name not in ('permission', 'role', 'role_permission')`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	prints := map[string]string{}
	for _, name := range names {
		var print string
		require.NoError(t, look.QueryRow(t.Context(), fmt.Sprintf(`select count(*) || ' ' || coalesce(sum(hashtextextended(r::text, 0)::numeric), 0) from %s r`, name)).Scan(&print))
		prints[name] = print
	}
	return prints
}

func TestAYearOfThreeShopsAddsUp(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	look := pg.Admin()
	plan := Plan{Seed: 1, Until: end}
	outcomes, rows := seed(t, pg, plan)
	require.Equal(t, []Outcome{Created, Created, Created}, outcomes)
	require.Greater(t, rows, int64(100_000))
	requireBooksAgree(t, look)

	for i, want := range []struct {
		sales, lines, suppliers int
	}{{7_000, 14_000, 5}, {6_500, 9_000, 4}, {3_000, 3_800, 4}} {
		s := plan.Shop(i)
		count := func(query string) int { return number(t, look, query, s.ID) }
		require.Greater(t, count(`select count(*) from sales.sale where tenant_id = $1`), want.sales)
		require.Greater(t, count(`select count(*) from sales.sale_item where tenant_id = $1`), want.lines)
		require.Equal(t, want.suppliers, count(`select count(*) from inventory.supplier where tenant_id = $1`))
		for what, n := range map[string]int{
			"low stock":                  count(`select count(*) from inventory.stock_alert where tenant_id = $1 and type = 'LOW_STOCK'`),
			"no stock":                   count(`select count(*) from inventory.stock_alert where tenant_id = $1 and type = 'OUT_OF_STOCK'`),
			"returns":                    count(`select count(*) from sales.refund where tenant_id = $1 and restock`),
			"open carts":                 count(`select count(*) from sales.reservation where tenant_id = $1 and status = 'ACTIVE'`),
			"adjustments to decide":      count(`select count(*) from inventory.stock_adjustment where tenant_id = $1 and status = 'PENDING'`),
			"adjustments that were made": count(`select count(*) from inventory.stock_adjustment where tenant_id = $1 and status = 'COMPLETED'`),
			"a transfer to send":         count(`select count(*) from inventory.transfer t where tenant_id = $1 and status = 'pending' and exists (select from inventory.transfer_item i where i.transfer_id = t.id)`),
			"a transfer on the road":     count(`select count(*) from inventory.transfer where tenant_id = $1 and status = 'in_transit'`),
			"sales of today":             count(`select count(*) from sales.sale where tenant_id = $1 and completed_at >= '2026-12-17'`),
			"sales on credit":            count(`select count(*) from sales.receivable where tenant_id = $1`),
			"several payments":           count(`select count(*) from (select sale_id from sales.payment where tenant_id = $1 group by 1 having count(*) > 1) s`),
			"wholesale":                  count(`select count(*) from sales.sale where tenant_id = $1 and type = 'WHOLESALE'`),
			"discounts":                  count(`select count(*) from sales.sale where tenant_id = $1 and discount_minor > 0`),
			"a quiet January":            count(`select count(*) from sales.sale where tenant_id = $1 and completed_at between '2026-01-05' and '2026-01-25'`),
		} {
			require.Positive(t, n, "%s: %s", s.Name, what)
		}
		require.Zero(t, count(`select count(*) from sales.sale where tenant_id = $1 and greatest(created_at, updated_at, completed_at) >= '2026-12-17 15:30'`), "nothing happens after the end")
		require.Greater(t, count(`select count(*) from sales.sale where tenant_id = $1 and completed_at::date between '2025-12-18' and '2025-12-24'`),
			count(`select count(*) from sales.sale where tenant_id = $1 and completed_at::date between '2026-01-12' and '2026-01-18'`), "Christmas is busier than the weeks of school fees")
		require.Greater(t, count(`select count(*) from sales.sale where tenant_id = $1 and extract(isodow from completed_at) in (5, 6)`),
			count(`select count(*) from sales.sale where tenant_id = $1 and extract(isodow from completed_at) in (3, 7)`), "Friday and Saturday are busier than Wednesday and Sunday")
		require.Greater(t, 3*count(`select sum(n) from (select count(*) as n from sales.sale_item where tenant_id = $1 group by product_id order by n desc limit 10) p`),
			count(`select count(*) from sales.sale_item where tenant_id = $1`), "ten best sellers make a third of the lines")
		margin := count(`select (100 * (sum(total_minor) - sum(cost_minor)) / sum(total_minor))::int from sales.v_sold where tenant_id = $1`)
		require.True(t, margin >= 8 && margin <= 45, "%s has a margin of %d %%", s.Name, margin)
		require.Less(t, 5*count(`select count(*) from inventory.stock_level where tenant_id = $1 and on_hand = 0`), count(`select count(*) from inventory.stock_level where tenant_id = $1`), "most goods are there")
	}
	pharmacy, provisions := plan.Shop(1), plan.Shop(0)
	for _, bucket := range []int{0, 1, 7, 14, 30} {
		require.Positive(t, number(t, look, `select count(*) from inventory.stock_alert where tenant_id = $1 and type = 'EXPIRY_WARNING' and bucket = $2`, pharmacy.ID, bucket), "a batch in bucket %d", bucket)
	}
	for _, days := range []int{10, 60, 100} {
		require.Positive(t, number(t, look, `select count(*) from sales.receivable where tenant_id = $1 and outstanding_minor > 0 and due_date < date '2026-12-17' - $2::int`, provisions.ID, days), "debts late by more than %d days", days)
	}
	require.Zero(t, number(t, look, `select count(*) from sales.receivable where outstanding_minor > 0 and due_date < date '2026-12-17' - 200`), "nobody waits for ever")
	require.Equal(t, 2, number(t, look, `select count(distinct destination_id) from inventory.transfer where tenant_id = $1 and status = 'completed'`, plan.Shop(2).ID))
}

func TestTheSameSeedAndEndGiveTheSameRows(t *testing.T) {
	t.Parallel()
	plan := Plan{Seed: 7, Until: end, Days: 30, Scale: 2}
	first, second := postgrestest.New(t), postgrestest.New(t)
	seed(t, first, plan)
	seed(t, second, plan)
	one, two := first.Admin(), second.Admin()
	requireBooksAgree(t, one)
	written := fingerprints(t, one)
	require.Equal(t, written, fingerprints(t, two))
	require.Len(t, written, number(t, one, `select count(*) from information_schema.tables where table_schema in ('accounts', 'inventory', 'sales') and table_type = 'BASE TABLE'`)-3)

	again, rows := seed(t, first, Plan{Seed: 7, Until: end.AddDate(0, 1, 0), Scale: 2})
	require.Equal(t, []Outcome{Present, Present, Present, Present, Present, Present}, again)
	require.Zero(t, rows)
	require.Equal(t, written, fingerprints(t, one), "a second run changes nothing, on whatever day")

	require.Equal(t, 6, number(t, one, `select count(*) from accounts.business`))
	require.Equal(t, 6, number(t, one, `select count(distinct tenant_id) from task.task where name = 'ai_features.grant_credits' and state = 'pending'`), "the trial's credits are asked for, once a shop")

	plan.Seed = 8
	other := plan.Shop(0).Live()
	plan.Seed = 7
	same := plan.Shop(0).Live()
	require.False(t, bytes.Equal(same.sales[0].id[:], other.sales[0].id[:]), "another seed is another life")
}

func TestShopsMayEndAtAnyTime(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db := pg.Open("makola_owner")
	for i, until := range []string{
		"2027-01-01T00:00:00Z", "2026-12-25T12:00:00Z", "2027-02-28T23:59:59Z", "2028-02-29T06:30:00Z", "2028-03-01T00:00:00Z", "2026-11-29T10:00:00Z",
		"2026-06-01T04:00:00+02:00", "2026-08-03T07:58:13.123456Z", "2026-05-01T03:00:00Z", "2026-03-06T17:00:00Z", "2026-10-05T09:20:00Z", "2026-10-05T23:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, until)
		require.NoError(t, err)
		days := []int{1, 24, 55}[i%3]
		outcome, _, err := Write(t.Context(), db, Plan{Seed: 3, Until: at, Days: days, Scale: 10}.Shop(3+i))
		require.NoError(t, err, until)
		require.Equal(t, Created, outcome)
	}
	requireBooksAgree(t, pg.Admin())
}

func TestNobodyElsesRowsAreTouched(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	look := pg.Admin()
	for i, taken := range []string{"adwoa's provision STORE", "Some Other Shop"} {
		email := []string{"somebody@example.com", "Pharmacy@makola.example"}[i]
		_, err := look.Exec(t.Context(), `with u as (insert into accounts.user (id, email, name, password_hash) values (gen_random_uuid(), $1, 'Somebody', '!') returning id)
			insert into accounts.business (id, owner_id, name, email) select gen_random_uuid(), id, $2, $1 from u`, email, taken)
		require.NoError(t, err)
	}
	outcomes, _ := seed(t, pg, Plan{Seed: 1, Until: end, Days: 5})
	require.Equal(t, []Outcome{Taken, Taken, Created}, outcomes)
	require.Equal(t, 1, number(t, look, `select count(distinct tenant_id) from sales.sale`))
	require.Equal(t, 1, number(t, look, `select count(*) from billing.subscription`), "what was refused left nothing behind")
	require.Equal(t, 2, number(t, look, `select count(*) from accounts.user where name = 'Somebody' and password_hash = '!'`))
}

func TestTwoRunsAtOnceMakeAShopOnce(t *testing.T) {
	t.Parallel()
	pg := postgrestest.New(t)
	db := pg.Open("makola_owner")
	shop := Plan{Seed: 1, Until: end, Days: 5}.Shop(0)
	outcomes := make([]Outcome, 3)
	group, ctx := errgroup.WithContext(t.Context())
	for i := range outcomes {
		group.Go(func() (err error) {
			outcomes[i], _, err = Write(ctx, db, shop)
			return err
		})
	}
	require.NoError(t, group.Wait())
	slices.Sort(outcomes)
	require.Equal(t, []Outcome{Created, Present, Present}, outcomes)
	requireBooksAgree(t, pg.Admin())
}

func TestThePasswordIsTheOneThatIsPrinted(t *testing.T) {
	t.Parallel()
	ok, outdated, err := accounts.NewHasher().Verify(t.Context(), passwordHash, Password)
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, outdated)
}

func TestAPlanThatCannotBeCarriedOutIsRefused(t *testing.T) {
	t.Parallel()
	require.NoError(t, Plan{Until: end, Scale: 100}.Validate())
	for name, p := range map[string]Plan{
		"a negative scale": {Until: end, Scale: -1},
		"a huge scale":     {Until: end, Scale: MaxScale + 1},
		"too many days":    {Until: end, Days: MaxDays + 1},
		"no end":           {},
		"an end long ago":  {Until: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)},
		"a far end":        {Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		require.Error(t, p.Validate(), name)
	}
}
