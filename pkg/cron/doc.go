// Package cron is what a scheduled job is: when its slots begin, whether somebody paused it, what became of its runs, and how to run it now.
//
// The table of jobs belongs to the service cron, whose replicas keep writing it into cron.job. So whoever shows the schedule, or runs a job by hand, sees what the
// running cron does and not what their own build believes.
//
//	slot begins ──▶ task, recorded in cron.run
//	            └─▶ skipped, with the reason: paused, overlap, missed
//	a person    ──▶ task, recorded in cron.request
//
// A paused job's slots are recorded as skipped, and are not made up for when it goes on. Running a job by hand works while it is paused, and never overlaps a run
// that is unfinished where the job forbids that; both are settled by a lock on the job's row, which the service cron shares while it deals with a slot.
package cron
