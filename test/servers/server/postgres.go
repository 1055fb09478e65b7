package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout bounds one start of either server. RabbitMQ takes about 6 s on two idle cores, and several times that on busy ones.
const startTimeout = 5 * time.Minute

// Postgres is a private PostgreSQL cluster. Its methods may be called from several goroutines; they run one after another.
type Postgres struct {
	mu   sync.Mutex
	dir  string // data folder, below the folder given to StartPostgres
	log  string
	bin  string
	port int
	user *syscall.Credential
	proc *process
}

// StartPostgres creates a cluster in dir/pg, starts it and creates Makola's roles (deploy/postgres/roles.sql, found above
// the working folder). fsync stays on, so what a test learns about durability is true. Everybody on this machine may log in
// without a password: the cluster holds test data only. The caller must call Stop or Kill.
func StartPostgres(ctx context.Context, dir string) (*Postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	p := &Postgres{dir: filepath.Join(dir, "pg"), log: filepath.Join(dir, "postgres.log"), bin: bin, port: ports[0], user: account}
	if err := p.create(ctx); err != nil {
		return nil, err
	}
	if err := p.Restart(ctx); err != nil {
		return nil, err
	}
	if err := p.createRoles(ctx); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// mostLog is how large the write-ahead log may grow: on a disk there are few checkpoints then in the middle of a measurement; in memory, which others need as well, a checkpoint costs little.
func (p *Postgres) mostLog() string {
	if strings.HasPrefix(p.dir, memory+"/") {
		return "512MB"
	}
	return "2GB"
}

// URL is the address of the database postgres, as superuser postgres.
func (p *Postgres) URL() string {
	return "postgres://postgres@" + address(p.port) + "/postgres?sslmode=disable"
}

// Log is the file with the server's messages.
func (p *Postgres) Log() string { return p.log }

// Stop ends the server cleanly: open transactions are rolled back, a checkpoint is written. The data stays.
func (p *Postgres) Stop(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc.stop(ctx, syscall.SIGINT) // "fast shutdown"
}

// Kill ends the server and its backends by SIGKILL, as a power cut would. The data stays; Restart recovers it.
func (p *Postgres) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proc.kill()
}

// Restart starts the server again on the same port with the same data, and returns when it answers.
// A server that still runs is stopped cleanly first.
func (p *Postgres) Restart(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.proc.stop(ctx, syscall.SIGINT); err != nil {
		return err
	}
	settings := []string{
		"-D", p.dir, "-p", strconv.Itoa(p.port),
		"-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=",
		"-c", "fsync=on",
		"-c", "max_connections=1000", // several test packages at once, a test per processor in each, and each with its own pools
		"-c", "shared_buffers=256MB",
		"-c", "max_wal_size=" + p.mostLog(),
	}
	proc, err := start(ctx, spec{
		name: filepath.Join(p.bin, "postgres"), args: settings, env: os.Environ(), dir: p.dir, log: p.log, user: p.user,
	})
	if err != nil {
		return err
	}
	p.proc = proc
	return p.proc.await(ctx, "PostgreSQL", p.log, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, p.URL())
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		return conn.Close(ctx)
	})
}

// StartReplica makes a copy of the running cluster in dir/pg that follows it, and starts it on a port of its own. The caller must call Stop or Kill on it too.
func (p *Postgres) StartReplica(ctx context.Context, dir string) (*Postgres, error) {
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	r := &Postgres{dir: filepath.Join(dir, "pg"), log: filepath.Join(dir, "replica.log"), bin: p.bin, port: ports[0], user: p.user}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	if err := handOver(r.dir, r.user); err != nil {
		return nil, err
	}
	proc, err := start(ctx, spec{
		name: filepath.Join(p.bin, "pg_basebackup"),
		args: []string{"-D", r.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-U", "postgres", "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"},
		env:  os.Environ(), dir: r.dir, log: r.log, user: r.user,
	})
	if err != nil {
		return nil, err
	}
	<-proc.exited
	if proc.err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w, see %s: %s", proc.err, r.log, tail(r.log))
	}
	if err := r.Restart(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// At is a URL of one cluster turned into that of the same database of this one, for the same role.
func (p *Postgres) At(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
	return u.String()
}

// create runs initdb. The folder is given to the account that the server will run under.
func (p *Postgres) create(ctx context.Context) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	if err := handOver(p.dir, p.user); err != nil {
		return err
	}
	proc, err := start(ctx, spec{
		name: filepath.Join(p.bin, "initdb"),
		args: []string{"-D", p.dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"},
		env:  os.Environ(), dir: p.dir, log: p.log, user: p.user,
	})
	if err != nil {
		return err
	}
	<-proc.exited
	if proc.err != nil {
		return fmt.Errorf("initdb: %w, see %s: %s", proc.err, p.log, tail(p.log))
	}
	return nil
}

// createRoles runs roles.sql. Its statements need no psql.
func (p *Postgres) createRoles(ctx context.Context) error {
	root, err := repository()
	if err != nil {
		return err
	}
	sql, err := os.ReadFile(filepath.Join(root, "deploy", "postgres", "roles.sql")) //nolint:gosec // a file of this repository
	if err != nil {
		return fmt.Errorf("read roles: %w", err)
	}
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return fmt.Errorf("connect to create roles: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, string(sql)); err != nil {
		return fmt.Errorf("create roles: %w", err)
	}
	return nil
}
