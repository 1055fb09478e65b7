package main

import (
	"makola/pkg/storage"
	"makola/pkg/workerapp"
)

// Config is the environment of reports-worker: what every worker has, where reports are kept, and where they are read from.
type Config struct {
	workerapp.Config
	Storage storage.Config
	Read    Read
}

// Read is where reports are read from, if not where everything else is.
type Read struct {
	URL      string `env:"READ_DATABASE_URL" secret:"true" doc:"postgres:// URL from which reports are read, with the role makola_reader: of a replica, so that large reports do not slow the shops down, or of the database itself. Without it they are read like everything else. A replica that is away or behind is passed over."`
	MaxConns int32  `env:"READ_DATABASE_MAX_CONNS" envDefault:"4" doc:"most connections for reading reports; one for each that is made at once (TASKS_LONG)"`
}
