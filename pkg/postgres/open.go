package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	gormpg "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"makola/pkg/groupcommit"
)

// Config says which database a process uses and with how many connections. It is read from the environment.
type Config struct {
	// URL names server, database and the service's own role.
	URL string `env:"DATABASE_URL,required,notEmpty" secret:"true" doc:"postgres:// URL with the service's own role; each service has one, see deploy/postgres/roles.sql"`
	// MaxConns bounds the pool. About 20 connections over all services is best on a small server (docs/benchmarks.md).
	MaxConns int32 `env:"DATABASE_MAX_CONNS" envDefault:"6" doc:"most connections of this process; more than 20 over all services slows a small server down"`
	// ConnectWait is how long a starting service waits for the server before it gives up with a clear error.
	ConnectWait time.Duration `env:"DATABASE_CONNECT_WAIT" envDefault:"60s" doc:"how long a starting service waits for PostgreSQL before it exits with an error"`
}

// reserved connections are out of reach of transactions, so that heartbeats and readiness are never behind work.
const reserved = 1

// DB is one process's way into the database. It is safe for concurrent use. The zero value is not usable; call Open.
type DB struct {
	pool    *pgxpool.Pool
	sql     *sql.DB
	gorm    *gorm.DB
	sharing groupcommit.Group[*sharer]
}

// Validate refuses a URL that cannot be read.
func (c Config) Validate() error {
	if c.URL == "" {
		return nil // a setting that is missing is told of as such
	}
	if _, err := pgxpool.ParseConfig(c.URL); err != nil {
		return errBadURL
	}
	return nil
}

// errBadURL replaces the parser's error, which would quote the address.
var errBadURL = errors.New("DATABASE_URL is not a valid postgres:// URL (the value is not shown because it may hold a password)")

// Open prepares the pool without connecting, so that a service can start before its database does; use WaitReady to wait for it.
// An error means the URL is malformed.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, errBadURL
	}
	if cfg.MaxConns > 0 {
		pc.MaxConns = cfg.MaxConns
	}
	work := int(pc.MaxConns)
	pc.MaxConns += reserved
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	pc.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if pc.ConnConfig.RuntimeParams["application_name"] == "" {
		pc.ConnConfig.RuntimeParams["application_name"] = "makola"
	}
	pc.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		registerUUID(c)
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open connection pool: %w", err)
	}
	sqlDB := stdlib.OpenDBFromPool(pool)
	sqlDB.SetMaxOpenConns(work)
	g, err := gorm.Open(gormpg.New(gormpg.Config{Conn: sqlDB}), &gorm.Config{
		TranslateError:         true,
		SkipDefaultTransaction: true, // every statement is already inside InTenant or InSystem
		DisableAutomaticPing:   true,
		PrepareStmt:            false, // pgx keeps prepared statements per connection; a second cache above it only costs locks
		NowFunc:                func() time.Time { return time.Now().UTC() },
		Logger: logger.NewSlogLogger(slog.Default(), logger.Config{
			SlowThreshold: time.Second, LogLevel: logger.Warn, ParameterizedQueries: true, IgnoreRecordNotFoundError: true,
		}),
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open gorm: %w", err)
	}
	db := &DB{pool: pool, sql: sqlDB, gorm: g}
	db.sharing.Run, db.sharing.Max, db.sharing.Leaders = db.commitAll, maxShared, sharedCommits
	return db, nil
}

// Pool gives direct access for what gorm cannot do (COPY, LISTEN, advisory locks). Connections taken from it are bound to no tenant and see no tenant's rows.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Ping reports whether the server answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("reach PostgreSQL: %w", err)
	}
	return nil
}

// WaitReady waits until the server answers and its schema is at least as new as this build needs. It retries an unreachable server until
// wait has passed; a schema that is too old (ErrSchemaTooOld) is returned at once, because waiting would not mend it.
func (db *DB) WaitReady(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := db.CheckVersion(ctx)
		if err == nil || errors.Is(err, ErrSchemaTooOld) {
			return err
		}
		slog.WarnContext(ctx, "database not ready", "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not answer within %s; check that it runs and that DATABASE_URL is right: %w", wait, err)
		case <-time.After(pause):
		}
	}
}

// Close waits for open transactions and closes the pool.
func (db *DB) Close() error {
	err := db.sql.Close()
	db.pool.Close()
	if err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}
