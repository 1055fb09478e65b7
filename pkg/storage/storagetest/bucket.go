// Package storagetest is an object store for tests: it speaks S3 over real HTTP on the loopback interface, keeps files in memory, has a clock that can be put forward, and
// fails as told.
package storagetest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"makola/pkg/service"
	"makola/pkg/storage"
)

const bucketName = "files"

// Bucket is an object store with one bucket, which lives as long as its test. Its methods are safe for concurrent use.
type Bucket struct {
	server  *httptest.Server
	backend gofakes3.Backend
	store   http.Handler
	clock   clock

	mu   sync.Mutex
	fail func(r *http.Request) int
}

// New starts an object store on a free port and stops it when the test ends.
func New(t testing.TB) *Bucket {
	t.Helper()
	b := &Bucket{}
	b.backend = s3mem.New(s3mem.WithTimeSource(&b.clock))
	if err := b.backend.CreateBucket(bucketName); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	// No limit on skew: requests are signed by the real time.
	b.store = gofakes3.New(b.backend, gofakes3.WithTimeSource(&b.clock), gofakes3.WithTimeSkewLimit(0), gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	b.server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.server.Close)
	return b
}

func (b *Bucket) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		if status := fail(r); status != 0 {
			_, _ = io.Copy(io.Discard, r.Body) // else the client may see a broken connection instead of the answer
			w.WriteHeader(status)
			return
		}
	}
	b.store.ServeHTTP(w, r)
}

// Config is how a service is told of it.
func (b *Bucket) Config() storage.Config {
	return storage.Config{
		URL: "s3://" + bucketName + "?" + url.Values{"endpoint": {b.server.URL}}.Encode(), KeyID: "test", SecretKey: service.Secret("test-secret"),
	}
}

// Fail makes the store answer with a status where decide returns one, and as usual where it returns 0. Nil heals it.
func (b *Bucket) Fail(decide func(r *http.Request) int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = decide
}

// Down answers every request with a status.
func Down(status int) func(*http.Request) int { return func(*http.Request) int { return status } }

// Later puts the store's clock forward.
func (b *Bucket) Later(d time.Duration) { b.clock.forward(d) }

// Now is the time by the store's clock.
func (b *Bucket) Now() time.Time { return b.clock.Now() }

// Keys lists what can be seen in the bucket.
func (b *Bucket) Keys(t testing.TB) (keys []string) {
	t.Helper()
	list, err := b.backend.ListBucket(bucketName, nil, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatalf("list bucket: %v", err)
	}
	for _, object := range list.Contents {
		keys = append(keys, object.Key)
	}
	return keys
}

// clock is the real time, put forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Now implements gofakes3.TimeSource.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Since implements gofakes3.TimeSource.
func (c *clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
