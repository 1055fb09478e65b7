// Package postgrestest gives each test an own, migrated database on the real server that MAKOLA_TEST_PG names.
package postgrestest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"makola/pkg/postgres"
)

// Roles are the database roles of the product, as deploy/postgres/roles.sql creates them.
var roles = []string{"makola_owner", "makola_gateway", "makola_webhook", "makola_billing", "makola_inventory", "makola_reports", "makola_reader", "makola_notifier", "makola_cron", "makola_operator"}

// Database is one test's own database. It is dropped when the test ends.
type Database struct {
	t    testing.TB
	name string
	base *url.URL
}

var template struct {
	sync.Mutex
	name string
}

// New makes a database that holds the migrated schema and nothing else. It fails the test when no server is configured.
func New(t testing.TB) *Database {
	t.Helper()
	admin := adminURL(t)
	template.Lock()
	defer template.Unlock()
	if template.name == "" {
		template.name = makeTemplate(t, admin)
	}
	d := &Database{t: t, name: "t_" + strings.ReplaceAll(uuid.NewString(), "-", ""), base: admin}
	exec(t, admin, fmt.Sprintf("create database %s template %s owner makola_owner", d.name, template.name))
	t.Cleanup(func() { exec(t, admin, fmt.Sprintf("drop database if exists %s with (force)", d.name)) })
	return d
}

// URL returns the address of the database for role, for example "makola_billing". The empty role is the superuser, for arranging and looking.
func (d *Database) URL(role string) string {
	u := *d.base
	u.Path = "/" + d.name
	if role != "" {
		u.User = url.UserPassword(role, role)
	}
	return u.String()
}

// Open opens the database as role and closes it when the test ends.
func (d *Database) Open(role string) *postgres.DB {
	d.t.Helper()
	db, err := postgres.Open(context.Background(), postgres.Config{URL: d.URL(role), MaxConns: 10})
	require.NoError(d.t, err)
	d.t.Cleanup(func() { _ = db.Close() })
	return db
}

// Admin returns a superuser connection, for arranging rows past row security and for looking at them.
func (d *Database) Admin() *pgx.Conn {
	d.t.Helper()
	c, err := pgx.Connect(context.Background(), d.URL(""))
	require.NoError(d.t, err)
	d.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func adminURL(t testing.TB) *url.URL {
	t.Helper()
	raw := os.Getenv("MAKOLA_TEST_PG")
	if raw == "" {
		t.Fatal("MAKOLA_TEST_PG is not set; run the tests with `make test`, which starts private servers")
	}
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

// makeTemplate returns the migrated database that tests clone, which takes some 50 ms. The first test process of a server makes it, and the others wait for that.
func makeTemplate(t testing.TB, admin *url.URL) string {
	t.Helper()
	name := "tpl_" + postgres.SchemaSum()
	withConn(t, admin, func(c *pgx.Conn) {
		ctx := context.Background()
		do := func(statement string) {
			t.Helper()
			_, err := c.Exec(ctx, statement)
			require.NoError(t, err)
		}
		do("select pg_advisory_lock(7261001)") // roles and template are shared by all test processes of the cluster; the connection's end unlocks
		for _, r := range roles {
			do(fmt.Sprintf("do $$ begin if not exists (select from pg_roles where rolname = '%s') then create role %s login nosuperuser nobypassrls password '%s'; else alter role %s password '%s'; end if; end $$", r, r, r, r, r))
		}
		do("do $$ begin if not exists (select from pg_roles where rolname = 'makola_search') then create role makola_search nologin nosuperuser nobypassrls; end if; end $$")
		do("grant makola_search to makola_owner")
		var made bool
		require.NoError(t, c.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&made))
		if made {
			return
		}
		u, unfinished := *admin, "new_"+strings.ReplaceAll(uuid.NewString(), "-", "")
		u.Path = "/" + unfinished
		do("create database " + unfinished + " owner makola_owner")
		exec(t, &u, "alter schema public owner to makola_owner")
		u.User = url.UserPassword("makola_owner", "makola_owner")
		_, err := postgres.Migrate(ctx, u.String())
		require.NoError(t, err)
		do("alter database " + unfinished + " rename to " + name)
	})
	return name
}

func exec(t testing.TB, u *url.URL, sql string) {
	t.Helper()
	withConn(t, u, func(c *pgx.Conn) {
		_, err := c.Exec(context.Background(), sql)
		require.NoError(t, err)
	})
}

func withConn(t testing.TB, u *url.URL, fn func(*pgx.Conn)) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), u.String())
	require.NoError(t, err)
	defer c.Close(context.Background())
	fn(c)
}
