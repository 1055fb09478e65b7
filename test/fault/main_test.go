package fault

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"makola/test/servers/server"
)

// common is what all tests of a run share.
type common struct {
	dir    string
	victim string // the victim's binary
	pgURL  string // superuser's addresses of the servers that nobody harms
	mqURL  string
	apiURL string
}

var shared common

// slots holds one token per test that runs: two at a time, because each keeps several processes busy.
var slots = make(chan struct{}, 2)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "makola-fault-")
	if err != nil {
		return 1, fmt.Errorf("create folder: %w", err)
	}
	defer os.RemoveAll(dir)
	shared = common{dir: dir, victim: filepath.Join(dir, "victim"), pgURL: os.Getenv("MAKOLA_TEST_PG"), mqURL: os.Getenv("MAKOLA_TEST_AMQP"), apiURL: os.Getenv("MAKOLA_TEST_AMQP_API")}
	var g errgroup.Group
	g.Go(func() error { return build(ctx, shared.victim, "./victim") })
	if shared.pgURL == "" || shared.mqURL == "" || shared.apiURL == "" {
		var pg *server.Postgres
		var mq *server.Rabbit
		g.Go(func() (err error) { pg, err = server.StartPostgres(ctx, dir); return err })
		g.Go(func() (err error) { mq, err = server.StartRabbit(ctx, dir); return err })
		defer func() {
			if pg != nil {
				_ = pg.Kill()
			}
			if mq != nil {
				_ = mq.Kill()
			}
		}()
		if err := g.Wait(); err != nil {
			return 1, err
		}
		shared.pgURL, shared.mqURL, shared.apiURL = pg.URL(), mq.URL(), mq.APIURL()
		if err := os.Setenv("MAKOLA_TEST_PG", shared.pgURL); err != nil { // for postgrestest
			return 1, fmt.Errorf("name the database: %w", err)
		}
	}
	if err := g.Wait(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// programs are the product's programs built so far, by their folder in the repository.
var programs struct {
	sync.Mutex
	errs map[string]error
}

// program builds a program of the repository, once per run.
func (w *world) program(source string) string {
	w.t.Helper()
	programs.Lock()
	defer programs.Unlock()
	target := filepath.Join(shared.dir, filepath.Base(source))
	err, built := programs.errs[source]
	if !built {
		if programs.errs == nil {
			programs.errs = map[string]error{}
		}
		err = build(w.t.Context(), target, "../../"+source)
		programs.errs[source] = err
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return target
}

// build compiles a command with the crash points in it, and without what only a debugger reads, which takes half the time of linking.
func build(ctx context.Context, target, pkg string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-tags", "faults", "-o", target, pkg).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return nil
}
