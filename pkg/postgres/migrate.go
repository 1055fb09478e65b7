package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the "pgx" driver
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// SchemaVersion returns the schema this build needs: its newest migration. A newer database is fine, because migrations only add before they remove; an older one is not.
func SchemaVersion() int64 {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		panic("the migrations are not part of this build")
	}
	v, err := goose.NumericComponent(files[len(files)-1])
	if err != nil {
		panic(err)
	}
	return v
}

// SchemaSum tells the migrations of this build from those of any other.
func SchemaSum() string {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic("the migrations are not part of this build")
	}
	sum := sha256.New()
	for _, name := range files {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

// ErrSchemaTooOld means that the database lacks migrations this build needs.
var ErrSchemaTooOld = errors.New("database schema is too old")

// Migrate brings the database at url up to the newest migration and returns the version it reached. It may be called by many processes at once: one works, the others wait.
// The role in url must own the schemas (makola_owner) and the service roles must exist.
func Migrate(ctx context.Context, url string) (int64, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return 0, fmt.Errorf("open database for migration: %w", err)
	}
	defer db.Close()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, fmt.Errorf("read embedded migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return 0, fmt.Errorf("make migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithSessionLocker(locker), goose.WithTableName(versionTable))
	if err != nil {
		return 0, fmt.Errorf("prepare migrations: %w", err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("apply migrations: %w", err)
	}
	for _, m := range done {
		slog.InfoContext(ctx, "migration applied", "version", m.Source.Version, "path", m.Source.Path, "duration", m.Duration.String())
	}
	v, err := p.GetDBVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	if _, err := db.ExecContext(ctx, "grant select on "+versionTable+" to public"); err != nil {
		return 0, fmt.Errorf("let services read the schema version: %w", err)
	}
	return v, nil
}

const versionTable = "public.makola_schema_version"

// CheckVersion returns ErrSchemaTooOld when the database is older than this build needs, or the error that kept it from asking.
func (db *DB) CheckVersion(ctx context.Context) error {
	var exists bool
	if err := db.pool.QueryRow(ctx, "select to_regclass($1) is not null", versionTable).Scan(&exists); err != nil {
		return fmt.Errorf("look for the schema version: %w", err)
	}
	var v int64
	if exists {
		if err := db.pool.QueryRow(ctx, "select coalesce(max(version_id), 0) from "+versionTable+" where is_applied").Scan(&v); err != nil {
			return fmt.Errorf("read the schema version: %w", err)
		}
	}
	if need := SchemaVersion(); v < need {
		return fmt.Errorf("%w: it is at version %d and this build needs %d; run `makola migrate`", ErrSchemaTooOld, v, need)
	}
	return nil
}
