package monitor

import (
	"fmt"
	"slices"
	"strings"

	"makola/pkg/celery"
	"makola/pkg/service"
)

// Config says what Celery's tools may see and do.
type Config struct {
	Events bool `env:"CELERY_EVENTS" envDefault:"true" doc:"Tell Celery's monitors (celery events, Flower) what happens to tasks, while one of them listens. When false, only until a monitor sends enable_events; heartbeats are sent all the same."`
	// Control are the commands that are obeyed.
	Control []string `env:"CELERY_CONTROL" doc:"Comma-separated remote control commands of Celery that are obeyed, or none. Empty means all but shutdown. Whoever may publish to celery.pidbox may send them."`
	// Node is the worker's name.
	Node string `env:"CELERY_NODE" doc:"This process's name among Celery workers, name@host, unique in the virtual host. Empty means the service's name, and the host's with a random part."`
}

// shutdown must be named to be obeyed.
const shutdown = "shutdown"

// nothing in Control stands for no command at all.
const nothing = "none"

// Validate refuses names that Celery's tools could not address, and commands that do not exist here.
func (c Config) Validate() []error {
	var faults []error
	if c.Node != "" && !celery.ValidNode(c.Node) {
		faults = append(faults, service.Invalid("CELERY_NODE", fmt.Sprintf("is %q", c.Node), "write name@host, with letters, digits, dots, hyphens and underscores"))
	}
	if len(c.Control) == 1 && c.Control[0] == nothing {
		return faults
	}
	for _, method := range c.Control {
		if _, known := commands[method]; !known {
			faults = append(faults, service.Invalid("CELERY_CONTROL", fmt.Sprintf("names %q", method), "choose among "+strings.Join(Commands(), ", ")+", or write none"))
		}
	}
	return faults
}

// allows reports whether the command of that canonical name is obeyed.
func (c Config) allows(method string) bool {
	if len(c.Control) == 0 {
		return method != shutdown
	}
	return slices.Contains(c.Control, method)
}

// obeyed lists the commands that are obeyed.
func (c Config) obeyed() []string {
	return slices.DeleteFunc(Commands(), func(name string) bool { return !c.allows(name) })
}

// Commands returns the names of all commands that exist here, sorted.
func Commands() []string {
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
