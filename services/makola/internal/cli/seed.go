package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/money"
	"makola/pkg/postgres"
	"makola/pkg/task"
	"makola/pkg/tenant"
	accountspb "makola/proto/makola/accounts/v1"
)

// The demo shop. The password is known to everybody, which is why the shop is refused in production.
const (
	demoEmail    = "demo@makola.example"
	demoPassword = "akwaaba-makola" //nolint:gosec // a published login of development
	// demoCredits are what the gateway gives a new business, unless TRIAL_CREDITS says otherwise.
	demoCredits money.Credits = 50_00
	demoShop                  = "Adwoa's Provision Store"
	demoOwner                 = "Adwoa Mensah"
)

func newSeedDemo(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "seed-demo", Short: "Register the demo shop, unless it is there",
		Long: `Registers "` + demoShop + `" as the gateway would, with its trial, its credit account and its welcome mail, and prints how to log in.
Running it again changes nothing. DATABASE_URL must name the role that registers businesses: makola_gateway.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := e.refuseProduction("seed-demo"); err != nil {
				return err
			}
			db, err := e.openDatabase(c.Context())
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			created, err := seedDemo(c.Context(), db, time.Now())
			if err != nil {
				return fmt.Errorf("register the demo shop: %w", err)
			}
			value := map[string]any{"email": demoEmail, "password": demoPassword, "business": demoShop, "created": created}
			return e.print(value, nil, [][]string{{"demo login     " + demoEmail + ", password " + demoPassword + " (" + demoShop + ")"}})
		},
	}
}

// seedDemo reports whether it registered the shop; false when it was there.
func seedDemo(ctx context.Context, db *postgres.DB, now time.Time) (created bool, err error) {
	hash, err := accounts.NewHasher().Hash(ctx, demoPassword)
	if err != nil {
		return false, err
	}
	business, err := uuid.NewV7()
	if err != nil {
		return false, fmt.Errorf("make business id: %w", err)
	}
	ctx = tenant.With(ctx, business)
	// Without a broker the row waits: the first service that starts publishes it.
	tasks := accountspb.NewTasks(task.NewQueue(db, nil, task.QueueConfig{}))
	err = db.InTenant(ctx, func(tx *gorm.DB) error {
		p, err := accounts.Register(tx, accounts.Registration{Email: demoEmail, Name: demoOwner, PasswordHash: hash, BusinessName: demoShop, EmailVerified: true}, now)
		if err != nil {
			return err
		}
		if err := billing.OpenTenant(tx, business, demoCredits, now); err != nil {
			return err
		}
		_, err = tasks.SendWelcomeEmail(ctx, tx, &accountspb.SendWelcomeEmailArgs{UserId: p.User.ID.String()}, task.CreatedBy(p.User.ID))
		return err
	})
	if errors.Is(err, accounts.ErrEmailTaken) {
		return false, nil
	}
	return err == nil, err
}
