package main

import (
	"makola/pkg/storage"
	"makola/pkg/workerapp"
)

// Config is the environment of inventory-worker: what every worker has, and where imported files lie.
type Config struct {
	workerapp.Config
	Storage storage.Config
}
