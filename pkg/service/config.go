package service

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"
)

// The two environments a process may run in.
const (
	// Development allows simulators, plain connections and profiling.
	Development = "development"
	// Production refuses them; structs say what they refuse in a ValidateProduction() []error method.
	Production = "production"
)

// Config is what every service needs. A service embeds it:
//
//	type Config struct {
//		service.Config
//		PG postgres.Config
//	}
//
// Fields carry the tags env, envDefault and doc (the sentence printed in docs/config.md), and secret:"true" where a string must never be
// printed. Nested structs may carry envPrefix.
type Config struct {
	Env      string     `env:"MAKOLA_ENV" envDefault:"development" doc:"development or production. Production refuses simulators, default credentials and unprotected connections."`
	LogLevel slog.Level `env:"LOG_LEVEL" envDefault:"INFO" doc:"DEBUG, INFO, WARN or ERROR. DEBUG is for hunting one fault, not for every day."`
	// AdminAddr is where /livez, /readyz and /metrics are served.
	AdminAddr string `env:"ADMIN_ADDR" envDefault:":9090" doc:"Address of the health and metrics server. Change it when several services share one host; keep it off public networks."`
	// ShutdownTimeout bounds the whole stop. The last sixth of it is kept for rolling back and closing connections.
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"30s" doc:"Most time from the first signal to the exit. Must be shorter than the orchestrator's own patience."`
}

// Validate checks the values that the types cannot.
func (c Config) Validate() []error {
	var faults []error
	if c.Env != Development && c.Env != Production {
		faults = append(faults, Invalid("MAKOLA_ENV", fmt.Sprintf("is %q", c.Env), "set it to development or production"))
	}
	if err := checkAddr(c.AdminAddr); err != nil {
		faults = append(faults, Invalid("ADMIN_ADDR", fmt.Sprintf("is %q: %v", c.AdminAddr, err), `write host:port or :port, for example ":9090"`))
	}
	if c.ShutdownTimeout < time.Second || c.ShutdownTimeout > 10*time.Minute {
		faults = append(faults, Invalid("SHUTDOWN_TIMEOUT", fmt.Sprintf("is %v", c.ShutdownTimeout), "choose between 1s and 10m; 30s suits the shipped orchestrator files"))
	}
	return faults
}

// IsProduction reports whether the process runs in production.
func (c Config) IsProduction() bool { return c.Env == Production }

func (c Config) base() Config { return c }

// embedsConfig is met by every struct that embeds Config.
type embedsConfig interface{ base() Config }

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("not an address")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port must be a number from 0 to 65535")
	}
	return nil
}
