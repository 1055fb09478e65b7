package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// stopAtEnd stops a server when the test is over.
func stopAtEnd(t *testing.T, stop func(context.Context) error) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
		defer cancel()
		if err := stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// execute runs statements that return nothing.
func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestPostgres_KeepsCommittedRowsThroughKill(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pg, err := StartPostgres(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, pg.Stop)
	query := func(sql string) string {
		t.Helper()
		conn, err := pgx.Connect(ctx, pg.URL())
		if err != nil {
			t.Fatalf("connect: %v", err)
		}
		defer conn.Close(ctx)
		var got string
		if err := conn.QueryRow(ctx, sql).Scan(&got); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return got
	}
	execute(t, pg.URL(), "CREATE TABLE kept AS SELECT 'yes' AS v")
	if got := query("SELECT count(*)::text FROM pg_roles WHERE rolname LIKE 'makola_%' AND rolcanlogin AND NOT rolsuper AND NOT rolbypassrls"); got != "10" {
		t.Errorf("%s roles log in, want 10", got)
	}
	tree := append(descendants(pg.proc.cmd.Process.Pid), pg.proc.cmd.Process.Pid)
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range tree {
		if alive(pid) {
			t.Errorf("process %d survived Kill", pid)
		}
	}
	before := pg.URL()
	if err := pg.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if pg.URL() != before {
		t.Errorf("URL changed from %s to %s", before, pg.URL())
	}
	if got := query("SELECT v FROM kept"); got != "yes" {
		t.Errorf("kept row = %q", got)
	}
}

func TestRabbit_KeepsDataThroughKillAndLosesItByErase(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	mq, err := StartRabbit(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, mq.Stop)
	vhost := func(method string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, mq.APIURL()+"api/vhosts/kept", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	if code := vhost(http.MethodPut); code != http.StatusCreated {
		t.Fatalf("create vhost: %d", code)
	}
	if err := mq.Erase(); err == nil {
		t.Error("Erase of a running node succeeded")
	}
	if err := mq.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := mq.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if code := vhost(http.MethodGet); code != http.StatusOK {
		t.Errorf("vhost after Kill and Restart: %d, want 200", code)
	}
	if err := mq.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := mq.Erase(); err != nil {
		t.Fatal(err)
	}
	if err := mq.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if code := vhost(http.MethodGet); code != http.StatusNotFound {
		t.Errorf("vhost after Erase: %d, want 404", code)
	}
}
