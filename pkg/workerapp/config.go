package workerapp

import (
	"errors"
	"fmt"
	"slices"

	"makola/pkg/monitor"
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/service"
)

// Config is what every worker needs. A worker's own Config embeds it.
type Config struct {
	service.Config
	PG      postgres.Config
	AMQP    rabbit.Config
	Consume Consume
	Celery  monitor.Config
}

// Consume says what this process takes from the broker and how much at once.
type Consume struct {
	// Queues narrows what this process consumes. Empty means all the worker's queues.
	Queues []string `env:"QUEUES" doc:"Comma-separated queues to consume instead of all the worker has. Set it to scale one queue alone."`
	// Short and Long are how many tasks of one queue run at once.
	Short int `env:"TASKS_SHORT" envDefault:"8" doc:"Most SHORT tasks of one queue that run at once. Each holds a database connection; above DATABASE_MAX_CONNS they wait for one."`
	Long  int `env:"TASKS_LONG" envDefault:"4" doc:"Most LONG tasks of one queue that run at once. Raise it when they mostly wait for another server."`
}

// maxTasks bounds the two counts: more goroutines than this only wait for the same few database connections.
const maxTasks = 256

// Validate checks the values that the types cannot.
func (c Consume) Validate() []error {
	var faults []error
	for _, v := range []struct {
		variable string
		value    int
	}{{"TASKS_SHORT", c.Short}, {"TASKS_LONG", c.Long}} {
		if v.value < 1 || v.value > maxTasks {
			faults = append(faults, service.Invalid(v.variable, fmt.Sprintf("is %d", v.value), fmt.Sprintf("choose between 1 and %d", maxTasks)))
		}
	}
	return faults
}

// narrow returns the queues to consume: all the worker has, or those that wanted names.
func narrow(has, wanted []string) ([]string, error) {
	if len(wanted) == 0 {
		return has, nil
	}
	var faults []error
	var chosen []string
	for _, q := range wanted {
		switch {
		case !slices.Contains(has, q):
			faults = append(faults, service.Invalid("QUEUES", fmt.Sprintf("names %q", q), fmt.Sprintf("this worker has %q", has)))
		case !slices.Contains(chosen, q):
			chosen = append(chosen, q)
		}
	}
	return chosen, errors.Join(faults...)
}
