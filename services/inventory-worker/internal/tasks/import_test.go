package tasks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/document"
	"makola/pkg/imports"
	"makola/pkg/inventory"
	"makola/pkg/postgres"
	"makola/pkg/postgres/postgrestest"
	"makola/pkg/storage"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	inventorypb "makola/proto/makola/inventory/v1"
	salespb "makola/proto/makola/sales/v1"
)

var (
	storesMu sync.Mutex
	stores   = map[*postgrestest.Database]*storage.Files{}
	folder   string // of all stores; TestMain removes it
)

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "imports"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// filesOf is the file storage beside a database: the same for whoever uploads and whoever imports.
func filesOf(pg *postgrestest.Database) *storage.Files {
	storesMu.Lock()
	defer storesMu.Unlock()
	if stores[pg] == nil {
		files, err := storage.Open(context.Background(), storage.Config{URL: "file://" + filepath.Join(folder, uuid.NewString())})
		if err != nil {
			panic(err)
		}
		stores[pg] = files
	}
	return stores[pg]
}

// upload stores a file and its import, as the gateway does, without the task.
func upload(t testing.TB, pg *postgrestest.Database, s *shop, i imports.Import, content string) uuid.UUID {
	t.Helper()
	i.ID = uuid.Must(uuid.NewV7())
	i.FileKey = storage.Key(imports.FilePurpose, s.id, i.ID, time.Now())
	w, err := filesOf(pg).Put(t.Context(), i.FileKey, strings.NewReader(content), 1<<30)
	require.NoError(t, err)
	i.FileSize, i.SHA256 = w.Size, w.SHA256
	if i.FileName == "" {
		i.FileName = "file.csv"
	}
	if i.OnError == "" {
		i.OnError = imports.Abort
	}
	if i.OnExisting == "" {
		i.OnExisting = imports.Refuse
	}
	ctx := tenant.With(t.Context(), s.id)
	require.NoError(t, pg.Open("makola_gateway").InTenant(ctx, func(tx *gorm.DB) error {
		_, _, err := imports.Create(tx, audit.Entry{Tenant: s.id, User: s.owner, Actor: s.ownersEmail}, i, func() (uuid.UUID, error) { return uuid.New(), nil })
		return err
	}))
	return i.ID
}

// result is what the three tasks answer.
type result interface {
	GetStatus() string
	GetRows() int64
	GetCreated() int64
	GetUpdated() int64
	GetFaults() int64
}

// bring uploads a file, imports it, and returns the answer and the faults.
func (w *worker) bring(s *shop, i imports.Import, content string) (r result, faults []string) {
	w.t.Helper()
	id := upload(w.t, w.pg, s, i, content)
	switch i.Kind {
	case imports.Products:
		r = run(w, s.id, w.inventory.ImportProducts, &inventorypb.ImportProductsArgs{ImportId: id.String()}, &inventorypb.ImportProductsResult{})
	case imports.OpeningStock:
		r = run(w, s.id, w.inventory.ImportOpeningStock, &inventorypb.ImportOpeningStockArgs{ImportId: id.String()}, &inventorypb.ImportOpeningStockResult{})
	case imports.Customers:
		r = run(w, s.id, w.sales.ImportCustomers, &salespb.ImportCustomersArgs{ImportId: id.String()}, &salespb.ImportCustomersResult{})
	}
	return r, w.faults(id)
}

func (w *worker) faults(id uuid.UUID) (all []string) {
	w.t.Helper()
	rows, err := w.look.Query(w.t.Context(), `select line || ' ' || "column" || ' ' || value || ': ' || reason from imports.fault where import_id = $1 order by n`, id)
	require.NoError(w.t, err)
	all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	return all
}

func (w *worker) text(sql string, args ...any) (all []string) {
	w.t.Helper()
	rows, err := w.look.Query(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
	all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	return all
}

func counts(t *testing.T, r result, status string, rows, created, updated, faults int64) {
	t.Helper()
	require.Equal(t, []any{status, rows, created, updated, faults}, []any{r.GetStatus(), r.GetRows(), r.GetCreated(), r.GetUpdated(), r.GetFaults()})
}

func TestProductsComeFromTheFilesThatSpreadsheetsWrite(t *testing.T) {
	t.Parallel()
	const want = "Café crème|C-1|Drinks|tin|5"
	var sheet bytes.Buffer
	text := []string{"Name", "SKU", "Category", "Unit", "Reorder level", "Colour"}
	columns := make([]document.Column, len(text))
	for i, title := range text {
		columns[i].Title = title
	}
	rows := func(yield func([]document.Cell, error) bool) {
		yield([]document.Cell{document.Text("Café crème"), document.Text("C-1"), document.Text("Drinks"), document.Text("tin"), document.Text("5"), document.Text("brown")}, nil)
	}
	require.NoError(t, document.WriteXLSX(&sheet, &document.Report{Title: "Products", Business: "Shop", Currency: "GHS", Tables: []document.Table{{Name: "Products", Columns: columns, Rows: rows}}}))
	for name, file := range map[string]struct{ name, content string }{
		"UTF-8 with a byte order mark":  {"p.csv", "\ufeffName,SKU,Category,Unit,Reorder level\r\nCafé crème,C-1,Drinks,tin,5\r\n"},
		"semicolons":                    {"p.csv", "Product name;Item code;Category;UoM;Reorder-Level\nCafé crème;C-1;Drinks;tin;5\n"},
		"Windows-1252":                  {"p.csv", "Name,SKU,Category,Unit,Reorder level\nCaf\xe9 cr\xe8me,C-1,Drinks,tin,5\n"},
		"a workbook of our own exports": {"p.xlsx", sheet.String()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorker(t)
			s := openShop(t, w.look, "shop")
			r, faults := w.bring(s, imports.Import{Kind: imports.Products, FileName: file.name}, file.content)
			require.Empty(t, faults)
			counts(t, r, "completed", 1, 1, 0, 0)
			require.Equal(t, []string{want}, w.text(`select p.name || '|' || p.sku || '|' || c.name || '|' || p.unit || '|' || p.reorder_level from inventory.product p join inventory.category c on c.id = p.category_id`))
			require.Equal(t, []string{"import.completed"}, w.text(`select action from audit.entry where entity = 'import' and (changes->>'created')::int = 1`))
			require.Equal(t, []string{"IMPORT_DONE"}, w.text(`select kind from notifications.notice where user_id = $1`, s.owner))
		})
	}
}

func TestOneBadRowKeepsTheWholeFileOutUnlessBadOnesAreSkipped(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	const file = "name,sku,barcode,reorder_level\n" +
		"Rice,R1,600100,5\n" +
		"Beans,r1,,\n" + // the same SKU as line 2
		",B2,,\n" +
		"Oil,O1,,-1\n" +
		"Salt,S1,,many\n" +
		"=1+1,F1,'+5,\n" + // a formula is text
		"Soap,SOAP,,,,surplus\n" +
		"\"Sugar\",SU1,,0\n"
	faults := []string{
		"3 sku r1: line 2 has this SKU too",
		"4 name : must not be empty",
		"5 reorder_level -1: must be from 0 to 1000000000",
		`6 reorder_level many: "many" is not a whole number`,
		"8  : the row has 6 cells, the header 4; is a quote or a separator missing?",
	}
	r, found := w.bring(s, imports.Import{Kind: imports.Products}, file)
	require.Equal(t, faults, found)
	counts(t, r, "rejected", 8, 0, 0, 5)
	require.Zero(t, w.count(`select count(*) from inventory.product`))
	require.Equal(t, []string{"IMPORT_FAILED"}, w.text(`select kind from notifications.notice`))

	r, found = w.bring(s, imports.Import{Kind: imports.Products, OnError: imports.Skip, DryRun: true}, file)
	require.Equal(t, faults, found)
	counts(t, r, "checked", 8, 0, 0, 5)
	require.Zero(t, w.count(`select count(*) from inventory.product`))

	r, found = w.bring(s, imports.Import{Kind: imports.Products, OnError: imports.Skip}, file)
	require.Equal(t, faults, found)
	counts(t, r, "completed", 8, 3, 0, 5)
	require.Equal(t, []string{"F1 =1+1 +5", "R1 Rice 600100", "SU1 Sugar "}, w.text(`select sku || ' ' || name || ' ' || coalesce(barcode, '') from inventory.product order by sku`))
	require.Equal(t, 5, w.count(`select skipped from imports.import where status = 'COMPLETED'`))

	// Again: what is there already is a fault, or is changed where the file says something.
	const again = "name,sku,category\nJollof rice,r1,\nNew,N1,Food\n"
	r, found = w.bring(s, imports.Import{Kind: imports.Products}, again)
	require.Equal(t, []string{"2 sku r1: another product has this SKU"}, found)
	counts(t, r, "rejected", 2, 0, 0, 1)
	r, found = w.bring(s, imports.Import{Kind: imports.Products, OnExisting: imports.Update}, again)
	require.Empty(t, found)
	counts(t, r, "completed", 2, 1, 1, 0)
	require.Equal(t, []string{"R1 Jollof rice 600100 5"}, w.text(`select sku || ' ' || name || ' ' || barcode || ' ' || reorder_level from inventory.product where sku = 'R1'`))
}

func TestFilesThatAreNoTableOfTheKindAreRejectedWithAReason(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	for name, tt := range map[string]struct {
		content string
		faults  []string
	}{
		"columns missing and twice": {"sku,code,colour\nA,B,red\n", []string{"1 name : this column is missing", "1 sku : this column is given twice"}},
		"no rows":                   {"name,sku\n", []string{"0  : there are no rows below the header"}},
		"not text":                  {"\x00\x01\x02\x03\x04\x05\x06\x07\x08", []string{"1  : a NUL byte; this is no text file"}},
		"a PDF":                     {"%PDF-1.7 and so on", []string{"0  : this is a PDF; save the table as .xlsx or CSV"}},
		"more rows than one import": {"name,sku\n" + strings.Repeat("a,b\n", imports.MaxRows+1), nil},
	} {
		r, found := w.bring(s, imports.Import{Kind: imports.Products, OnError: imports.Skip}, tt.content)
		require.Equal(t, "rejected", r.GetStatus(), name)
		if tt.faults == nil {
			require.Len(t, found, imports.MaxFaults)
			require.EqualValues(t, imports.MaxRows, r.GetFaults(), "each SKU but the first is there before, and there is a row too many")
			require.Equal(t, "200002  : more than 200000 rows", found[0])
			continue
		}
		require.Equal(t, tt.faults, found, name)
	}
	require.Zero(t, w.count(`select count(*) from inventory.product`))
}

func TestOpeningStockIsOneDeliveryThatTheLedgerExplains(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	milk, rice := s.product("milk", 10), s.product("rice", 3)
	w.exec(`update inventory.product set barcode = '600100' where id = $1`, rice)
	off := s.product("off", 1)
	w.exec(`update inventory.product set is_active = false, barcode = '700' where id = $1`, off)
	w.exec(`update inventory.product set barcode = '900' where id = any($1)`, []uuid.UUID{s.product("twin1", 1), s.product("twin2", 1)})
	w.exec(`insert into inventory.supplier (id, tenant_id, name, is_active) values (gen_random_uuid(), $1, 'Closed Ltd', false)`, s.id)
	in := imports.Import{Kind: imports.OpeningStock, Location: s.place, FileName: "stock.csv"}

	r, found := w.bring(s, in, "sku,barcode,quantity,unit_cost (GHS),retail_price,wholesale_price,expiry_date,supplier\n"+
		"SKU-MILK,,0,1.00,2.00,,,\n"+
		"SKU-MILK,,1.5,1.00,2.00,,,\n"+
		"SKU-MILK,,1e400,1.00,2.00,,,\n"+
		"SKU-MILK,,5,-1,2.00,,,\n"+
		"SKU-MILK,,5,1.005,2.00,,,\n"+
		"SKU-MILK,,5,$1,2.00,,,\n"+
		"SKU-MILK,,5,1.00,2.00,,31/12/2019,\n"+
		"SKU-MILK,,5,1.00,2.00,,12/31/2030,\n"+
		"NONE,,5,1.00,2.00,,,\n"+
		",,5,1.00,2.00,,,\n"+
		",700,5,1.00,2.00,,,\n"+
		",900,5,1.00,2.00,,,\n"+
		"SKU-MILK,,5,1.00,2.00,,,closed ltd\n"+
		"sku-milk,,5,1.00,2.00,,,\n"+
		"SKU-MILK,,7,1.00,3.00,,,\n")
	require.Equal(t, []string{
		"2 quantity 0: must be a whole number from 1 to 1000000000",
		`3 quantity 1.5: "1.5" has a fraction; a whole number is wanted`,
		`4 quantity 1e400: "1e400" is not a whole number`,
		"5 unit_cost (GHS) -1: must be from 0.00 to 10000000.00",
		`6 unit_cost (GHS) 1.005: "1.005" has more decimal places than GHS has`,
		`7 unit_cost (GHS) $1: "$1" is not an amount in GHS`,
		"8 expiry_date 31/12/2019: this has expired already; leave it out, or write it off",
		`9 expiry_date 12/31/2030: "12/31/2030" has the month first; write the day first (31/12/2026) or 2026-12-31`,
		"10 sku NONE: there is no such product; import products first",
		"11 sku : neither an SKU nor a barcode is given",
		"12 barcode 700: this product is switched off",
		"13 barcode 900: 2 products have this barcode; give the SKU",
		"14 supplier closed ltd: this supplier is switched off",
		"16 sku SKU-MILK: line 15 is the same product, supplier, expiry and cost; add their quantities",
	}, found)
	counts(t, r, "rejected", 15, 0, 0, 14)
	require.Zero(t, w.count(`select count(*) from inventory.movement`)+w.count(`select count(*) from inventory.stock_batch`)+w.count(`select count(*) from inventory.stock_level`))

	r, found = w.bring(s, in, "sku,barcode,quantity,unit_cost,retail_price,wholesale_price,expiry_date,supplier\n"+
		"SKU-milk,,4,1.00,2.00,1.80,31/12/2199,Dairy Ltd\n"+
		"sku-MILK,,3,1.10,2.20,,2199-11-30,DAIRY LTD\n"+
		",600100,\"1,000\",10.00,12.50,,,\n")
	require.Empty(t, found)
	counts(t, r, "completed", 3, 3, 0, 0)
	require.Equal(t, []string{"milk 7 220 180 LOW_STOCK", "rice 1000 1250 0 "}, w.text(`
		select p.name || ' ' || l.on_hand || ' ' || l.retail_price_minor || ' ' || coalesce(l.wholesale_price_minor, 0) || ' ' || coalesce(a.type, '')
		  from inventory.stock_level l join inventory.product p on p.id = l.product_id left join inventory.stock_alert a on a.product_id = p.id and a.resolved_at is null order by p.name`))
	require.Equal(t, 1, w.count(`select count(*) from inventory.stock_batch where created_by = $1 and description = 'stock.csv'`, s.owner))
	require.Equal(t, 1, w.count(`select count(*) from inventory.supplier where lower(name) = 'dairy ltd'`))
	require.Equal(t, 3, w.count(`select count(*) from inventory.movement m join inventory.stock_item i on i.id = m.stock_item_id where m.kind = 'INTAKE' and m.delta = i.on_hand and m.source_id = i.batch_id`))
	require.Equal(t, 2, w.count(`select count(distinct supplier_id) + count(distinct batch_id) from inventory.stock_item`))
	require.Equal(t, "ok", run(w, s.id, w.inventory.VerifyStock, &inventorypb.VerifyStockArgs{BusinessId: ptr(s.id.String())}, &inventorypb.VerifyStockResult{}).GetStatus())
	_ = milk
}

func TestCustomersAreWhoHasTheirPhoneNumberHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	in := imports.Import{Kind: imports.Customers}
	r, found := w.bring(s, in, "name,phone,email,type,credit_limit,terms\n"+
		"Esi,0244 000-111,ESI@example.com,wholesale,\"1,500.00\",14\n"+
		"Yaw,'+233 (20) 1234567,,,,\n"+
		"No Phone,,,,,\n")
	require.Empty(t, found)
	counts(t, r, "completed", 3, 3, 0, 0)
	require.Equal(t, []string{"Esi 0244000111 esi@example.com WHOLESALE 150000 14", "No Phone   RETAIL 0 30", "Yaw +233201234567  RETAIL 0 30"}, w.text(`
		select name || ' ' || coalesce(phone, '') || ' ' || coalesce(email, '') || ' ' || type || ' ' || credit_limit_minor || ' ' || credit_terms_days from sales.customer order by name`))

	const again = "name,phone,email,type,credit_limit\n" +
		"Esi Mensah,0244000111,,,\n" +
		"Ama,0244-000-112,a@b,x,-1\n" +
		"Kofi,12,nobody,,lots\n" +
		"Abena,0244.000.112,,,\n" +
		"Walk,+233000000000,,,\n"
	r, found = w.bring(s, in, again)
	require.Equal(t, []string{
		"2 phone 0244000111: another customer has this phone number",
		"3 type x: must be RETAIL or WHOLESALE",
		"3 credit_limit -1: must be from 0.00 to 100000000.00",
		"4 email nobody: is not an e-mail address",
		"4 phone 12: must be 6 to 20 digits, perhaps after a +",
		`4 credit_limit lots: "lots" is not an amount; write it like 1,234.50 or 1234.50`,
		"6 phone +233000000000: this number stands for customers without a name",
	}, found)
	counts(t, r, "rejected", 5, 0, 0, 7)
	in.OnExisting, in.OnError = imports.Update, imports.Skip
	r, _ = w.bring(s, in, again)
	counts(t, r, "completed", 5, 1, 1, 6)
	require.Equal(t, []string{"Esi Mensah esi@example.com 150000"}, w.text(`select name || ' ' || email || ' ' || credit_limit_minor from sales.customer where phone = '0244000111'`))
}

func TestTheTemplatesCanBeImportedAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	for _, i := range []imports.Import{{Kind: imports.Products}, {Kind: imports.OpeningStock, Location: s.place}, {Kind: imports.Customers}} {
		r, found := w.bring(s, i, imports.Template(i.Kind))
		require.Empty(t, found)
		counts(t, r, "completed", 2, 2, 0, 0)
	}
}

func TestAnotherBusinesssRowsAreNeitherFoundNorTaken(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	ama, kofi := openShop(t, w.look, "ama"), openShop(t, w.look, "kofi")
	ama.product("milk", 1)
	r, found := w.bring(kofi, imports.Import{Kind: imports.OpeningStock, Location: kofi.place}, "sku,quantity,unit_cost,retail_price\nSKU-milk,1,1,1\n")
	require.Equal(t, []string{"2 sku SKU-milk: there is no such product; import products first"}, found)
	counts(t, r, "rejected", 1, 0, 0, 1)
	r, found = w.bring(kofi, imports.Import{Kind: imports.Products}, "name,sku\nMilk,SKU-milk\n")
	require.Empty(t, found)
	counts(t, r, "completed", 1, 1, 0, 0)
}

func TestWhatChangesBetweenTheCheckAndTheWriteUndoesTheWrite(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	const file = "name,sku\nRice,R1\nMilk,SKU-milk\n"
	ctx := tenant.With(t.Context(), s.id)
	job := &imports.Job[inventory.ProductRow]{
		File: strings.NewReader(file), Size: int64(len(file)), Name: "p.csv", Sink: &inventory.ProductImport{}, Progress: func(int64, int64, string) {},
		In: func(ctx context.Context, fn func(tx *gorm.DB) error) error { return w.db.InTenant(ctx, fn) },
	}
	out, err := job.Check(ctx)
	require.NoError(t, err)
	require.Zero(t, out.Faults)
	s.product("milk", 1) // somebody was faster
	require.ErrorContains(t, w.db.InTenant(ctx, func(tx *gorm.DB) error {
		_, err := job.Write(ctx, tx)
		return err
	}), "have changed since the file was checked")
	require.Equal(t, 1, w.count(`select count(*) from inventory.product`))

	// The same with the clock running: cancelled between two batches.
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("stop"))
	_, err = job.Check(ctx)
	require.ErrorContains(t, err, "stop")
}

func TestAnImportWhoseFileIsGoneFailsAndSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	s := openShop(t, w.look, "shop")
	id := upload(t, w.pg, s, imports.Import{Kind: imports.Products}, "name,sku\nRice,R1\n")
	key := w.text(`select file_key from imports.import`)[0]

	// The sweep leaves it while it is young.
	sweep := func() int64 {
		return run(w, uuid.Nil, w.inventory.DeleteImportFiles, &inventorypb.DeleteImportFilesArgs{}, &inventorypb.DeleteImportFilesResult{}).GetDeleted()
	}
	require.Zero(t, sweep())
	var path string
	require.NoError(t, filepath.WalkDir(folder, func(p string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(p, key) {
			path = p
		}
		return err
	}))
	old := time.Now().Add(-imports.FileLife - time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	require.EqualValues(t, 1, sweep())

	ctx := tenant.With(t.Context(), s.id)
	var taskID contract.ID
	require.NoError(t, w.db.InTenant(ctx, func(tx *gorm.DB) (err error) {
		taskID, err = w.inventory.ImportProducts(ctx, tx, &inventorypb.ImportProductsArgs{ImportId: id.String()})
		return err
	}))
	w.h.Drain(t.Context())
	v := w.h.View(t.Context(), taskID)
	require.Equal(t, "failed", v.Status())
	require.Equal(t, "the imported file is gone", v.Error)
	require.Equal(t, task.KindPermanent, v.ErrorKind)
}

func TestImportsWhoseTimeIsOverGoWithTheirFaultsInAllBusinesses(t *testing.T) {
	t.Parallel()
	w := newWorker(t)
	var old, young []string
	for _, name := range []string{"shop", "kiosk"} {
		s := openShop(t, w.look, name)
		for _, list := range []*[]string{&old, &young} {
			id := upload(t, w.pg, s, imports.Import{Kind: imports.Products}, "name,sku\n,"+name+"\n").String()
			w.exec(`insert into imports.fault (tenant_id, import_id, n, line, "column", value, reason) values ($1, $2, 1, 2, 'name', '', 'is missing')`, s.id, id)
			*list = append(*list, id)
		}
	}
	w.exec(`update imports.import set created_at = now() - interval '180 days 1 hour' where id = any($1::uuid[])`, old)
	w.exec(`update imports.import set created_at = now() - interval '179 days' where id = any($1::uuid[])`, young)
	sweep := func() int64 {
		return run(w, uuid.Nil, w.inventory.DeleteImportFiles, &inventorypb.DeleteImportFilesArgs{}, &inventorypb.DeleteImportFilesResult{}).GetImports()
	}
	require.EqualValues(t, 2, sweep())
	require.Zero(t, sweep())
	require.ElementsMatch(t, young, w.text(`select id::text from imports.import`))
	require.ElementsMatch(t, young, w.text(`select import_id::text from imports.fault`))
	// A younger one is not there for whoever would delete it too.
	require.NoError(t, w.db.InSystem(t.Context(), func(tx *gorm.DB) error {
		n, err := postgres.Exec(tx, `delete from imports.import`)
		require.Zero(t, n)
		return err
	}))
	require.Len(t, w.text(`select id::text from imports.import`), 2)
}

// manyRows is a file of n rows of a kind, whose products are those of manyProducts.
func manyRows(kind imports.Kind, n int) string {
	var b strings.Builder
	b.WriteString(map[imports.Kind]string{
		imports.Products: "name,sku,barcode,category,reorder_level\n", imports.OpeningStock: "sku,quantity,unit_cost,retail_price,expiry_date,supplier\n", imports.Customers: "name,phone,email,credit_limit\n",
	}[kind])
	for i := range n {
		switch kind {
		case imports.Products:
			fmt.Fprintf(&b, "Product number %d,SKU-%07d,60%011d,Category %d,%d\n", i, i, i, i%100, i%50)
		case imports.OpeningStock:
			fmt.Fprintf(&b, "SKU-%07d,%d,%d.50,%d.00,2199-%02d-28,Supplier %d\n", i, 1+i%100, i%90, i%90+1, 1+i%12, i%300)
		case imports.Customers:
			fmt.Fprintf(&b, "Customer number %d,024%07d,c%d@example.com,%d.00\n", i, i, i, i%1000)
		}
	}
	return b.String()
}
