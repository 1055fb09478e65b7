package cron

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/postgres"
	"makola/pkg/problem"
)

// ErrPaused is returned for a job that is paused already, and ErrNotPaused for one that is not.
var (
	ErrPaused    = problem.New(problem.Conflict, "schedule_paused", "The job is paused already.")
	ErrNotPaused = problem.New(problem.Conflict, "schedule_not_paused", "The job is not paused.")
)

// Who is the person that steers a job.
type Who struct {
	// Actor names them for readers, such as "operator:kofi" or an e-mail address. Required.
	Actor string
	// User is their account; uuid.Nil for an operator's command.
	User uuid.UUID
	// IP and UserAgent are the client's, when there is one.
	IP, UserAgent string
}

// PauseJob keeps a job's slots from running until ResumeJob. A slot that is being dealt with is waited for, so that none runs after the transaction's commit. The slots are
// recorded as skipped. tx must be a platform transaction. Errors: ErrNotFound; ErrPaused.
func PauseJob(tx *gorm.DB, name, reason string, who Who) error {
	n, err := postgres.Exec(tx, `update cron.job j set paused_at = clock_timestamp(), paused_by = $2, pause_reason = $3 where j.name = $1 and j.paused_at is null and `+known, name, who.Actor, reason)
	if err != nil {
		return fmt.Errorf("pause job %s: %w", name, err)
	}
	if n == 0 {
		if _, err := Find(tx, name); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s", ErrPaused, name)
	}
	return record(tx, who, "schedule.paused", name, map[string]any{"reason": reason})
}

// ResumeJob lets a job's slots run again, from the next one on; those that were skipped are not made up for. tx must be a platform transaction. Errors: ErrNotFound; ErrNotPaused.
func ResumeJob(tx *gorm.DB, name, reason string, who Who) error {
	n, err := postgres.Exec(tx, `update cron.job j set paused_at = null, paused_by = null, pause_reason = null where j.name = $1 and j.paused_at is not null and `+known, name)
	if err != nil {
		return fmt.Errorf("resume job %s: %w", name, err)
	}
	if n == 0 {
		if _, err := Find(tx, name); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s", ErrNotPaused, name)
	}
	return record(tx, who, "schedule.resumed", name, map[string]any{"reason": reason})
}

// record writes the audit entry of what was done to a job.
func record(tx *gorm.DB, who Who, action, name string, changes map[string]any) error {
	return audit.Record(tx, audit.Entry{User: who.User, Actor: who.Actor, Action: action, Entity: "schedule", EntityID: name, Changes: changes, IP: who.IP, UserAgent: who.UserAgent})
}

// Hold returns who paused a job; nil when nobody did, or the job was never declared. Whoever would pause it, or run it by hand, waits until tx ends; others who hold it do not. Role makola_cron.
func Hold(tx *gorm.DB, name string) (*Pause, error) {
	var at sql.NullTime
	var p Pause
	err := postgres.QueryRow(tx, `select paused_at, coalesce(paused_by, ''), coalesce(pause_reason, '') from cron.job where name = $1 for share`, name).Scan(&at, &p.By, &p.Reason)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && !at.Valid:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look whether job %s is paused: %w", name, err)
	}
	p.At = at.Time
	return &p, nil
}
