package main

import (
	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/service"
	"makola/services/cron/internal/housekeeping"
)

// Config is everything cron reads from the environment.
type Config struct {
	service.Config
	PG   postgres.Config
	AMQP rabbit.Config
	Keep housekeeping.Config
}
