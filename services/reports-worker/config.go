package main

import (
	"makola/pkg/storage"
	"makola/pkg/workerapp"
)

// Config is the environment of reports-worker: what every worker has, and where reports are kept.
type Config struct {
	workerapp.Config
	Storage storage.Config
}
