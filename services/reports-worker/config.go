package main

import "makola/pkg/workerapp"

// Config is the environment of reports-worker: what every worker has.
type Config struct {
	workerapp.Config
}
