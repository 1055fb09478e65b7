package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Rabbit is a private RabbitMQ node with the management plugin. Its methods may be called from several goroutines; they run
// one after another.
type Rabbit struct {
	mu     sync.Mutex
	dir    string // everything the node writes, below the folder given to StartRabbit
	server string // rabbitmq-server
	epmd   string
	ports  rabbitPorts
	mapper *process // the node's own Erlang port mapper
	node   *process
}

type rabbitPorts struct{ amqp, api, dist, epmd int }

// StartRabbit starts a node with everything it writes in dir/rabbit. The user guest (password guest) may do everything.
// The caller must call Stop or Kill.
func StartRabbit(ctx context.Context, dir string) (*Rabbit, error) {
	server, err := rabbitServer()
	if err != nil {
		return nil, err
	}
	epmd, err := portMapper()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(ctx, 4)
	if err != nil {
		return nil, err
	}
	r := &Rabbit{
		dir: filepath.Join(dir, "rabbit"), server: server, epmd: epmd,
		ports: rabbitPorts{amqp: ports[0], api: ports[1], dist: ports[2], epmd: ports[3]},
	}
	if err := r.configure(); err != nil {
		return nil, err
	}
	if err := r.Restart(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// URL is the address for AMQP, default vhost, as administrator.
func (r *Rabbit) URL() string { return "amqp://guest:guest@" + address(r.ports.amqp) + "/" }

// APIURL is the address of the management API with a slash at its end, as administrator.
func (r *Rabbit) APIURL() string { return "http://guest:guest@" + address(r.ports.api) + "/" }

// Log is the file with the node's output. The node's own log lies in the folder log beside it.
func (r *Rabbit) Log() string { return filepath.Join(r.dir, "out.log") }

// Stop ends the node cleanly. Its data stays.
func (r *Rabbit) Stop(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop(ctx)
}

func (r *Rabbit) stop(ctx context.Context) error {
	return errors.Join(r.node.stop(ctx, syscall.SIGTERM), r.mapper.stop(ctx, syscall.SIGTERM))
}

// Kill ends the node and everything it started by SIGKILL. Its data stays.
func (r *Rabbit) Kill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.node.kill(), r.mapper.kill())
}

// Advanced replaces what the node reads of advanced.config, Erlang terms, from its next start on.
func (r *Rabbit) Advanced(terms string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := os.WriteFile(filepath.Join(r.dir, "advanced.config"), []byte(terms), 0o600); err != nil {
		return fmt.Errorf("configure RabbitMQ: %w", err)
	}
	return nil
}

// Erase removes the data of a node that does not run: queues, messages, vhosts, users. Restart then brings up an empty node
// on the same ports.
func (r *Rabbit) Erase() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.node.running() {
		return errors.New("erase RabbitMQ's data: the node still runs")
	}
	if err := os.RemoveAll(r.data()); err != nil {
		return fmt.Errorf("erase RabbitMQ's data: %w", err)
	}
	return nil
}

// Restart starts the node again on the same ports with the data that is there, and returns when AMQP and the management API
// answer. A node that still runs is stopped cleanly first.
func (r *Rabbit) Restart(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.stop(ctx); err != nil {
		return err
	}
	// The port mapper would otherwise be started by the node as a daemon, and stay behind.
	mapper, err := start(ctx, spec{
		name: r.epmd, args: []string{"-address", "127.0.0.1", "-port", fmt.Sprint(r.ports.epmd)},
		env: os.Environ(), dir: r.dir, log: r.Log(),
	})
	if err != nil {
		return err
	}
	r.mapper = mapper
	node, err := start(ctx, spec{name: r.server, env: r.environment(), dir: r.dir, log: r.Log()})
	if err != nil {
		return errors.Join(err, r.mapper.kill())
	}
	r.node = node
	if err := r.node.await(ctx, "RabbitMQ", r.Log(), r.answers); err != nil {
		return errors.Join(err, r.mapper.kill())
	}
	return nil
}

// answers asks AMQP first: its listener is the last thing that a node opens.
func (r *Rabbit) answers(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address(r.ports.amqp))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return fmt.Errorf("set deadline: %w", err)
		}
	}
	if _, err := io.WriteString(conn, "AMQP\x00\x00\x09\x01"); err != nil { // the protocol header of AMQP 0-9-1
		return fmt.Errorf("greet: %w", err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return fmt.Errorf("read greeting: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.APIURL()+"api/overview", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask management API: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask management API: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("management API answers %s", resp.Status)
	}
	return nil
}

func (r *Rabbit) data() string { return filepath.Join(r.dir, "data") }

// configure writes the node's configuration, plugins and cookie.
func (r *Rabbit) configure() error {
	conf := fmt.Sprintf(`listeners.tcp.1 = 127.0.0.1:%d
management.tcp.ip = 127.0.0.1
management.tcp.port = %d
disk_free_limit.absolute = 50MB
# Queue counts in the management API are this old at most (ms).
collect_statistics_interval = 1000
`, r.ports.amqp, r.ports.api)
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("configure RabbitMQ: %w", err)
	}
	for name, content := range map[string]string{
		"rabbitmq.conf":   conf,
		"advanced.config": "[].\n",
		"env.conf":        "",
		"enabled_plugins": "[rabbitmq_management].\n",
		".erlang.cookie":  rand.Text(),
	} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("configure RabbitMQ: %w", err)
		}
	}
	// Erlang refuses a cookie that others may read.
	if err := os.Chmod(filepath.Join(r.dir, ".erlang.cookie"), 0o400); err != nil {
		return fmt.Errorf("configure RabbitMQ: %w", err)
	}
	return nil
}

// environment names each folder and port that the node would otherwise share with the distribution's own.
func (r *Rabbit) environment() []string {
	in := func(name string) string { return filepath.Join(r.dir, name) }
	return append(os.Environ(),
		"HOME="+r.dir,
		fmt.Sprintf("RABBITMQ_NODENAME=makola%d@localhost", r.ports.amqp),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", r.ports.amqp),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", r.ports.dist),
		fmt.Sprintf("ERL_EPMD_PORT=%d", r.ports.epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"RABBITMQ_CONF_ENV_FILE="+in("env.conf"),
		"RABBITMQ_CONFIG_FILE="+in("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE="+in("advanced.config"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+in("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE="+r.data(),
		"RABBITMQ_LOG_BASE="+in("log"),
		"RABBITMQ_PID_FILE="+in("pid"),
	)
}
