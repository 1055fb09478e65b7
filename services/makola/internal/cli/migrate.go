package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"makola/pkg/postgres"
)

// migrateWait is how long migrate waits for a server that is still starting: in Compose it begins beside it.
const migrateWait = 60 * time.Second

func newMigrate(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database to the newest schema",
		Long: `Applies every migration that DATABASE_URL's database lacks and prints the version it reached. DATABASE_URL must name the role
makola_owner. Any number of these may run at once: one works, the others wait.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			version, err := e.migrate(c.Context())
			if err != nil {
				return err
			}
			return e.print(map[string]any{"schema_version": version}, nil, [][]string{{fmt.Sprintf("schema version  %d", version)}})
		},
	}
}

// migrate waits for the server and returns the version it brought the schema to.
func (e *env) migrate(ctx context.Context) (int64, error) {
	var cfg databaseConfig
	if err := e.load(&cfg); err != nil {
		return 0, err
	}
	db, err := postgres.Open(ctx, cfg.PG)
	if err != nil {
		return 0, fmt.Errorf("open database: %w", err)
	}
	defer func() { _ = db.Close() }()
	if err := waitForServer(ctx, db, min(cfg.PG.ConnectWait, migrateWait)); err != nil {
		return 0, err
	}
	version, err := postgres.Migrate(ctx, cfg.PG.URL)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	return version, nil
}
