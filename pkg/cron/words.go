package cron

import (
	"fmt"
	"time"
)

// Missed says what becomes of slots that passed while no cron ran.
type Missed int

const (
	// Once makes all missed slots one run, in the current slot. For work that looks at everything there is whenever it runs.
	Once Missed = iota
	// Skip runs the current slot and drops those before it. For frequent work that the next slot repeats anyway.
	Skip
	// All runs each missed slot, the latest MostMissed at most. For work that belongs to its slot, such as a statement for an hour.
	All
)

// MostMissed is how many slots are made up for, or recorded, at most. Two days of hours; beyond that a backlog helps nobody.
const MostMissed = 48

// String is the policy's name, as cron.job has it.
func (m Missed) String() string { return [...]string{"once", "skip", "all"}[m] }

// Words says what the policy does, as a sentence.
func (m Missed) Words() string {
	switch m {
	case Skip:
		return "Slots that pass while no cron runs are dropped; the slot of the moment runs."
	case All:
		return fmt.Sprintf("Slots that pass while no cron runs are all made up for, the latest %d at most.", MostMissed)
	default:
		return "Slots that pass while no cron runs become one run, in the slot of the moment."
	}
}

// Overlap says what happens when a job's slot begins while its previous run is unfinished.
type Overlap int

const (
	// Forbid skips the slot, and records that.
	Forbid Overlap = iota
	// Allow runs it all the same.
	Allow
)

// String is the policy's name, as cron.job has it.
func (o Overlap) String() string { return [...]string{"forbid", "allow"}[o] }

// Words says what the policy does, as a sentence.
func (o Overlap) Words() string {
	if o == Allow {
		return "A slot runs also while the run before it is unfinished."
	}
	return "A slot that begins while the run before it is unfinished is skipped."
}

// Words says when the slots begin, such as "every 30 min" or "30 2 1 * * by the clock of Africa/Accra".
func (t Timing) Words() string {
	const day, week = 24 * time.Hour, 7 * 24 * time.Hour
	begin := time.Unix(0, 0).UTC().Add(t.Offset)
	switch {
	case t.Expression != "":
		return t.Expression + " by the clock of " + t.Zone
	case t.Every == day:
		return "every day at " + begin.Format("15:04") + " UTC"
	case t.Every == week:
		return "every " + begin.Format("Monday at 15:04") + " UTC"
	case t.Offset == 0:
		return "every " + span(t.Every)
	default:
		return "every " + span(t.Every) + ", shifted by " + span(t.Offset)
	}
}

func span(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	default:
		return d.String()
	}
}
