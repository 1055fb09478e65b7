// Package rabbittest gives tests a virtual host of their own on a real broker, and a proxy that misbehaves like a network.
// It is imported by tests only.
package rabbittest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"makola/pkg/rabbit"
)

// Patience is how long the helpers wait for a condition before they fail the test.
const Patience = 60 * time.Second

// Broker is one test's own virtual host.
type Broker struct {
	// URL is the amqp:// address with the virtual host.
	URL string
	// VHost is the virtual host's name.
	VHost string

	api *url.URL
}

// New creates a virtual host and deletes it when the test ends. It needs MAKOLA_TEST_AMQP (an amqp:// address with administrator rights) and
// MAKOLA_TEST_AMQP_API (the management plugin's http:// address), and fails the test without them.
func New(t testing.TB) *Broker {
	t.Helper()
	address, api := mustURL(t, "MAKOLA_TEST_AMQP"), mustURL(t, "MAKOLA_TEST_AMQP_API")
	b := &Broker{VHost: "test-" + uuid.NewString(), api: api}
	address.Path = "/" + b.VHost
	b.URL = address.String()
	vhost := url.PathEscape(b.VHost)
	b.do(t, http.MethodPut, "api/vhosts/"+vhost, map[string]any{}, nil)
	t.Cleanup(func() { b.do(t, http.MethodDelete, "api/vhosts/"+vhost, nil, nil) })
	all := map[string]any{"configure": ".*", "write": ".*", "read": ".*"}
	b.do(t, http.MethodPut, "api/permissions/"+vhost+"/"+url.PathEscape(address.User.Username()), all, nil)
	return b
}

// User makes a user who may do in this virtual host what three regular expressions say, and returns the address with that user. Tags are RabbitMQ's own, for its
// management API. The user is deleted when the test ends.
func (b *Broker) User(t testing.TB, configure, write, read string, tags ...string) string {
	t.Helper()
	u := mustURL(t, "MAKOLA_TEST_AMQP")
	name := "test-" + uuid.NewString()
	u.User, u.Path = url.UserPassword(name, name), "/"+b.VHost
	b.do(t, http.MethodPut, "api/users/"+name, map[string]any{"password": name, "tags": strings.Join(tags, ",")}, nil)
	t.Cleanup(func() { b.do(t, http.MethodDelete, "api/users/"+name, nil, nil) })
	b.do(t, http.MethodPut, "api/permissions/"+url.PathEscape(b.VHost)+"/"+name, map[string]any{"configure": configure, "write": write, "read": read}, nil)
	return u.String()
}

// Queues lists this virtual host's queues by name, as the management API shows them to the user of an address that User made. It fails the test when that user may not ask.
func (b *Broker) Queues(t testing.TB, address string) (names []string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("read the address: %v", err)
	}
	api := *b.api
	api.User = u.User
	as := Broker{api: &api}
	var queues []struct {
		Name string `json:"name"`
	}
	as.do(t, http.MethodGet, "api/queues/"+url.PathEscape(b.VHost), nil, &queues)
	for _, q := range queues {
		names = append(names, q.Name)
	}
	return names
}

// Config returns a configuration for this broker that declares actively and reconnects within milliseconds.
func (b *Broker) Config(name string) rabbit.Config {
	return rabbit.Config{URL: b.URL, Name: name, Declare: true, BackoffMin: 5 * time.Millisecond, BackoffMax: 100 * time.Millisecond}
}

// Conn returns a connection named like the test that is ready, and stops it when the test ends.
func (b *Broker) Conn(t testing.TB, topo rabbit.Topology) *rabbit.Conn {
	t.Helper()
	conn := Start(t, b.Config(t.Name()), topo)
	WaitReady(t, conn)
	return conn
}

// Start starts a connection and stops it when the test ends. It does not wait until it is ready.
func Start(t testing.TB, cfg rabbit.Config, topo rabbit.Topology) *rabbit.Conn {
	t.Helper()
	conn := rabbit.New(cfg, topo, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err := conn.Start(t.Context()); err != nil {
		t.Fatalf("start connection: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Patience)
		defer cancel()
		if err := conn.Stop(ctx); err != nil {
			t.Errorf("stop connection: %v", err)
		}
	})
	return conn
}

// WaitReady waits until the connection is ready.
func WaitReady(t testing.TB, conn *rabbit.Conn) {
	t.Helper()
	Eventually(t, "connection ready", func() bool { return conn.Ready(t.Context()) == nil })
}

// Get takes one message from queue, waiting until there is one, and acks it.
func (b *Broker) Get(t testing.TB, queue string) amqp.Delivery {
	t.Helper()
	var got amqp.Delivery
	b.channel(t, func(ch *amqp.Channel) {
		Eventually(t, "message in "+queue, func() bool {
			d, ok, err := ch.Get(queue, true)
			if err != nil {
				t.Fatalf("get from queue %s: %v", queue, err)
			}
			got = d
			return ok
		})
	})
	return got
}

// Depth returns the number of ready messages in queue.
func (b *Broker) Depth(t testing.TB, queue string) (ready int) {
	t.Helper()
	b.channel(t, func(ch *amqp.Channel) {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if err != nil {
			t.Fatalf("inspect queue %s: %v", queue, err)
		}
		ready = q.Messages
	})
	return ready
}

// DeleteQueue deletes queue with everything in it.
func (b *Broker) DeleteQueue(t testing.TB, queue string) {
	t.Helper()
	b.channel(t, func(ch *amqp.Channel) {
		if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
			t.Fatalf("delete queue %s: %v", queue, err)
		}
	})
}

// Declare declares a topology on a connection of its own and returns the error.
func (b *Broker) Declare(t testing.TB, topo rabbit.Topology, passive bool) (err error) {
	t.Helper()
	b.channel(t, func(ch *amqp.Channel) { err = topo.Declare(ch, passive) })
	return err
}

// CloseConnections makes the broker close every connection to the virtual host, as an operator would, and fails the test if there is none.
func (b *Broker) CloseConnections(t testing.TB) {
	t.Helper()
	var open []struct {
		Name string `json:"name"`
	}
	Eventually(t, "connections in the management list", func() bool {
		b.do(t, http.MethodGet, "api/vhosts/"+url.PathEscape(b.VHost)+"/connections", nil, &open)
		return len(open) > 0
	})
	for _, c := range open {
		b.do(t, http.MethodDelete, "api/connections/"+url.PathEscape(c.Name), nil, nil)
	}
}

// Eventually waits until the condition holds, and fails the test after Patience.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s in vain for: %s", Patience, what)
		}
	}
}

// channel runs use with a channel on a connection of its own.
func (b *Broker) channel(t testing.TB, use func(*amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(b.URL)
	if err != nil {
		t.Fatalf("dial broker: %v", err)
	}
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatalf("open channel: %v", err)
	}
	use(ch)
}

// do calls the management API. A 404 of a DELETE is fine: the thing is gone.
func (b *Broker) do(t testing.TB, method, path string, body, answer any) {
	t.Helper()
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			t.Fatalf("encode request: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Patience)
	defer cancel()
	target := b.api.Scheme + "://" + b.api.Host + "/" + path
	req, err := http.NewRequestWithContext(ctx, method, target, &payload)
	if err != nil {
		t.Fatalf("build request: %v", err)
	}
	password, _ := b.api.User.Password()
	req.SetBasicAuth(b.api.User.Username(), password)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // leaves no goroutine behind
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		t.Fatalf("%s %s: read answer: %v", method, path, err)
	case resp.StatusCode == http.StatusNotFound && method == http.MethodDelete:
	case resp.StatusCode >= 300:
		t.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
	case answer != nil:
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatalf("%s %s: decode answer: %v", method, path, err)
		}
	}
}

func mustURL(t testing.TB, variable string) *url.URL {
	t.Helper()
	u, err := url.Parse(os.Getenv(variable))
	if err != nil || u.Host == "" {
		t.Fatalf("%s is not set to a broker's address: run the tests with `make test`, which starts one", variable)
	}
	return u
}
