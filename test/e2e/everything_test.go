package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/proto/contract"
	"makola/test/stack"
)

// everything is a house in which all services run, with one shop that has something for every task.
type everything struct {
	*house
	ama    *shop
	kofi   *shop // Another, in its trial.
	db     *postgres.DB
	queue  *task.Queue
	folder string
	// What the proofs need of what was prepared.
	shopfront, soap, milk, sale string
	references                  map[string]string
	schedule                    string
	hook                        chan string
}

// trial changes that of another shop, which is in its trial still.
func (e *everything) trial(set string) {
	e.t.Helper()
	e.exec(`update billing.subscription set `+set+` where tenant_id = $1`, e.kofi.ID)
}

// order starts a purchase under a name, and returns the page to pay on.
func (e *everything) order(name string) (page string) {
	e.references[name], page = e.ama.buy("starter")
	return page
}

// month does so for a month of the subscription.
func (e *everything) month(name string) (page string) {
	e.references[name], page = e.ama.subscribe(1)
	return page
}

// use spends credits on a feature.
func (e *everything) use(feature, credits string) {
	e.t.Helper()
	a := e.post("ai/features/"+feature+"/charge", nil)
	e.post("ai/features/"+feature+"/charges/"+text(a.at("charge_id"))+"/capture", map[string]any{"credits": credits})
}

// upload imports a CSV.
func (e *everything) upload(query, csv string) {
	e.t.Helper()
	a := call(e.t, http.MethodPost, "http://"+e.Gateway+"/api/v1/imports?kind="+query, []byte(csv), "Authorization", "Bearer "+e.ama.token, "Content-Type", "text/csv")
	require.Equal(e.t, http.StatusAccepted, a.Status, a.Text)
}

func (e *everything) owner() (id string) {
	require.NoError(e.t, e.look.QueryRow(e.t.Context(), `select owner_id::text from accounts.business where id = $1`, e.ama.ID).Scan(&id))
	return id
}

// post asks the API as the owner, and fails the test unless it agrees.
func (e *everything) post(path string, body any) answer {
	e.t.Helper()
	a := e.ama.do(http.MethodPost, "/api/v1/"+path, body, "Idempotency-Key", uuid.NewString())
	require.Less(e.t, a.Status, 300, a.Text)
	return a
}

// enqueue inserts a task as cron and operators do, bound to the shop when an argument names it.
func (e *everything) enqueue(d *contract.Descriptor, args map[string]any) (id contract.ID) {
	e.t.Helper()
	raw, err := json.Marshal(args)
	require.NoError(e.t, err)
	message := d.NewArgs()
	require.NoError(e.t, protojson.Unmarshal(raw, message), "%s %s", d.Name, raw)
	var opts []contract.Option
	if _, of := args["business_id"]; of {
		opts = append(opts, task.ForTenant(e.ama.ID))
	}
	require.NoError(e.t, e.db.InSystem(e.t.Context(), func(tx *gorm.DB) (err error) {
		id, err = e.queue.Enqueue(e.t.Context(), tx, d, message, opts...)
		return err
	}))
	return id
}

// holds asks a question of the database; $1 in it is the shop.
func (e *everything) holds(query string) (yes bool) {
	e.t.Helper()
	var args []any
	if strings.Contains(query, "$1") {
		args = append(args, e.ama.ID)
	}
	require.NoError(e.t, e.look.QueryRow(e.t.Context(), query, args...).Scan(&yes), query)
	return yes
}

// kept are the files of a purpose.
func (e *everything) kept(purpose string) (files []string) {
	e.t.Helper()
	require.NoError(e.t, filepath.WalkDir(filepath.Join(e.folder, purpose), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// paidFor waits until the provider's word on a month has reached us.
func (e *everything) paidFor(name string) {
	e.t.Helper()
	stack.Eventually(e.t, "the month is paid", func() bool {
		return e.ama.get("/api/v1/subscription/payments/"+e.references[name]).at("status") == "SUCCESSFUL"
	})
}

// failed is the error of a failed task of that name, or empty.
func (e *everything) failed(name string) (text string) {
	e.t.Helper()
	require.NoError(e.t, e.look.QueryRow(e.t.Context(), `select coalesce((select coalesce(error, 'without an error') from task.task where name = $1 and state = 'failed' limit 1), '')`, name).Scan(&text))
	return text
}

// in is the same for a subtest; they run one after another.
func (e *everything) in(t *testing.T) *everything {
	t.Helper()
	e.house = e.house.in(t)
	e.ama.h, e.kofi.h = e.house, e.house
	return e
}

// openEverything starts the services and fills the shop.
func openEverything(t *testing.T) *everything {
	t.Helper()
	h := newHouse(t)
	e := &everything{house: h, folder: t.TempDir(), references: map[string]string{}}
	files := "STORAGE_URL=file://" + e.folder
	all := []*stack.Process{h.Start("paystack-simulator"), h.Start("mail-viewer"), h.Start("api-gateway", files, "RATE_REQUESTS_PER_SECOND=1000")}
	for _, name := range []string{"billing-worker", "inventory-worker", "reports-worker", "notifier"} {
		all = append(all, h.Start(name, files))
	}
	stack.Ready(t, all...)
	e.db = h.DB.Open("makola_operator")
	e.queue = task.NewQueue(e.db, nil, task.QueueConfig{})
	e.ama, e.kofi = h.register(), h.register()
	e.shopfront = e.ama.make("storefronts", map[string]any{"name": "Makola Road", "code": "MAIN"})
	e.soap = e.ama.make("products", map[string]any{"name": "Key Soap", "sku": "SOAP", "reorder_level": 5})
	e.milk = e.ama.make("products", map[string]any{"name": "Ideal Milk", "sku": "MILK"})
	e.ama.make("stock-batches", map[string]any{"items": []any{
		map[string]any{"product_id": e.soap, "location_id": e.shopfront, "quantity": 20, "unit_cost": "2.00", "retail_price": "3.00"},
		map[string]any{"product_id": e.milk, "location_id": e.shopfront, "quantity": 40, "unit_cost": "10.00", "retail_price": "15.00", "expiry_date": time.Now().UTC().AddDate(0, 0, 5).Format(time.DateOnly)},
	}})
	e.sale = text(e.ama.sell(e.shopfront, line{e.soap, 17}).at("id"))
	return e
}
