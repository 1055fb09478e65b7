// Command cron turns the schedule into tasks: one run per job and slot, however many replicas there are. It also deletes what nobody needs any more.
//
// Consumes: nothing. Writes: schemas cron and task. Needs: PostgreSQL; RabbitMQ only to publish at once what it enqueues.
package main

import (
	"context"
	"fmt"
	_ "time/tzdata" // a job may name a time zone, also where the system has none

	"makola/pkg/postgres"
	"makola/pkg/rabbit"
	"makola/pkg/service"
	"makola/pkg/task"
	"makola/services/cron/internal/housekeeping"
	"makola/services/cron/internal/schedule"
)

func main() { service.Main("cron", wire) }

func wire(ctx context.Context, cfg Config, app *service.App) error {
	db, err := postgres.Open(ctx, cfg.PG)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	app.OnStop(db.Close)
	if err := db.WaitReady(ctx, cfg.PG.ConnectWait); err != nil {
		return fmt.Errorf("wait for the database: %w", err)
	}
	cfg.AMQP.Name = "cron publish"
	conn := rabbit.New(cfg.AMQP, rabbit.Standard(), app.Logger())
	queue := task.NewQueue(db, conn, task.QueueConfig{Metrics: app.Metrics()})
	table := schedule.Table()
	jobs, err := schedule.Check(table, schedule.Catalogue())
	if err != nil {
		return fmt.Errorf("check the schedule: %w", err)
	}
	app.Logger().InfoContext(ctx, "jobs wait for a task that no contract declares yet", "jobs", schedule.Waiting(table))
	scheduler := schedule.NewScheduler(db, queue, table, jobs, app.Metrics())
	app.Add(conn, queue, scheduler, housekeeping.New(db, cfg.Keep))
	app.Ready("database", db.Ping)
	app.Ready("broker publish", conn.Ready)
	app.Ready("scheduler", scheduler.Ready)
	return nil
}
