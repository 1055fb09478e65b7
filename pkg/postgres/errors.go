package postgres

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsUnavailable reports whether err means that the server could not be reached or was shutting down, so that the same work may succeed later
// and must not be counted against the task that ran into it.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		// Appendix A of the PostgreSQL manual: admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections, database_dropped.
		case "57P01", "57P02", "57P03", "53300", "57P04":
			return true
		}
		return len(pg.Code) == 5 && pg.Code[:2] == "08" // connection exceptions
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	if ne, ok := errors.AsType[net.Error](err); ok {
		return !errors.Is(ne, context.DeadlineExceeded)
	}
	return pgconn.SafeToRetry(err)
}

// IsLockTimeout reports whether err means that a row or table stayed locked by somebody else for longer than Scope.LockTimeout.
func IsLockTimeout(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "55P03" // lock_not_available
}

// IsRefusal reports whether err means that the server refused the data itself (class 22, data exception, or 23, constraint violation), so that the same data will be refused again.
func IsRefusal(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && len(pg.Code) == 5 && (pg.Code[:2] == "22" || pg.Code[:2] == "23")
}

// Constraint returns the name of the constraint that err violated, or "". Constraints are named after the rule they keep, so callers can tell one refusal from another.
func Constraint(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && len(pg.Code) == 5 && pg.Code[:2] == "23" {
		return pg.ConstraintName
	}
	return ""
}
