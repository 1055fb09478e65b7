package cli

import (
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
			var cfg databaseConfig
			if err := e.load(&cfg); err != nil {
				return err
			}
			if err := waitForServer(c.Context(), cfg.PG, min(cfg.PG.ConnectWait, migrateWait)); err != nil {
				return err
			}
			version, err := postgres.Migrate(c.Context(), cfg.PG.URL)
			if err != nil {
				return fmt.Errorf("migrate: %w", err)
			}
			return e.print(map[string]any{"schema_version": version}, nil, [][]string{{fmt.Sprintf("schema version  %d", version)}})
		},
	}
}
