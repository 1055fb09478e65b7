package cli

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/service"
)

// Config is everything that some command of makola reads from the environment. No command needs all of it: each loads its own part and is
// not bothered by faults in the rest.
type Config struct {
	Environment environmentConfig
	Database    databaseConfig
	Broker      brokerConfig
	Demo        demoConfig
}

type environmentConfig struct {
	Env string `env:"MAKOLA_ENV" envDefault:"development" doc:"development or production. In production seed and demo refuse to run."`
}

// databaseConfig is met by every command but topology, docs and help.
type databaseConfig struct {
	PG postgres.Config
}

type brokerConfig struct {
	URL service.Secret `env:"AMQP_URL,required" secret:"true" doc:"amqp:// URL of the broker: the administrator's for topology, makola_operator's for the rest."`
}

// Validate refuses a URL that cannot be read: it is a faulty setting, not a broker that is down.
func (c brokerConfig) Validate() error { return rabbit.Config{URL: c.URL.Reveal()}.Validate() }

type demoConfig struct {
	GatewayURL   string `env:"GATEWAY_URL" envDefault:"http://127.0.0.1:8080" doc:"Where makola demo finds the gateway."`
	MailURL      string `env:"MAIL_URL" envDefault:"http://127.0.0.1:8025" doc:"Where makola demo finds the mail viewer."`
	SimulatorURL string `env:"SIMULATOR_URL" envDefault:"http://127.0.0.1:8095" doc:"Where makola demo finds the Paystack simulator."`
}

// load fills cfg, a pointer to one part of Config.
func (e *env) load(cfg any) error { return service.Load(cfg, e.vars) }

// refuseProduction fails where MAKOLA_ENV says production.
func (e *env) refuseProduction(what string) error {
	var cfg environmentConfig
	if err := e.load(&cfg); err != nil {
		return err
	}
	if cfg.Env == service.Production {
		return fmt.Errorf("%w: %s does not run where MAKOLA_ENV is production", errRefused, what)
	}
	return nil
}

// patience is how long a command waits for the database: a person sits in front of it.
const patience = 10 * time.Second

// openDatabase opens the database that DATABASE_URL names and waits for it. The caller closes it.
func (e *env) openDatabase(ctx context.Context) (*postgres.DB, error) {
	var cfg databaseConfig
	if err := e.load(&cfg); err != nil {
		return nil, err
	}
	cfg.PG.MaxConns = 2 // one command needs one, and the demonstration reads while it waits
	db, err := postgres.Open(ctx, cfg.PG)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	err = waitForServer(ctx, db, min(cfg.PG.ConnectWait, patience))
	if err == nil {
		err = db.CheckVersion(ctx)
	}
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// inSystem opens the database, runs fn in one platform transaction, and closes it.
func (e *env) inSystem(ctx context.Context, fn func(tx *gorm.DB) error) error {
	db, err := e.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.InSystem(ctx, fn)
}
