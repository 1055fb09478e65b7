package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// Problem is the body of an error answer, as RFC 9457 defines it, with the members code, request_id and errors added.
type Problem struct {
	// Type is a URI reference that names the sort of problem: "/problems/<code>".
	Type string `json:"type"`
	// Title is the same for every problem of one status.
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Instance is the address that was asked.
	Instance string `json:"instance,omitempty"`
	// Code is Type's last part, for programs to branch on.
	Code string `json:"code"`
	// RequestID finds the request in our logs.
	RequestID string       `json:"request_id,omitempty"`
	Errors    []FieldError `json:"errors,omitempty"`

	// RetryAfter becomes the Retry-After header, rounded up to whole seconds.
	RetryAfter time.Duration `json:"-"`
}

// retrySoon is the Retry-After of answers that are about a moment of weakness: a failed-over database, a conflict between transactions.
const retrySoon = 2 * time.Second

// From returns the answer to err. It is the one table from errors to statuses. A nil err is a caller's mistake and answers 500.
func From(err error) *Problem {
	var known *Error
	var tooLarge *http.MaxBytesError
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &known):
		return fromError(known)
	case errors.As(err, &tooLarge):
		return fromError(&Error{Kind: TooLarge, Detail: fmt.Sprintf("The request body may have at most %d bytes.", tooLarge.Limit)})
	case errors.As(err, &syntax):
		return fromError(&Error{Kind: Malformed, Code: "malformed_json", Detail: fmt.Sprintf("The body is not valid JSON (at byte %d).", syntax.Offset)})
	case errors.As(err, &wrongType):
		return fromError(&Error{Kind: Invalid, Fields: []FieldError{{
			Pointer: "/" + strings.ReplaceAll(wrongType.Field, ".", "/"), Field: lastPart(wrongType.Field),
			Code: "wrong_type", Message: "must not be a " + wrongType.Value,
		}}})
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fromError(&Error{Kind: Malformed, Detail: "The request ended too early."})
	case errors.Is(err, context.DeadlineExceeded):
		return fromError(&Error{Kind: Unavailable, Code: "timeout", Detail: "This took too long. Try again shortly.", RetryAfter: retrySoon})
	case errors.Is(err, context.Canceled): // the client has gone, or we are stopping
		return fromError(&Error{Kind: Unavailable, RetryAfter: retrySoon})
	case errors.Is(err, gorm.ErrRecordNotFound), errors.Is(err, pgx.ErrNoRows):
		return fromError(&Error{Kind: NotFound})
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return fromError(&Error{Kind: Conflict, Code: "already_exists", Detail: "Something with the same identity already exists."})
	case isTransient(err):
		return fromError(&Error{Kind: Unavailable, RetryAfter: retrySoon})
	default:
		return fromError(&Error{Kind: Internal})
	}
}

// fromError is From for an Error. An Internal one keeps its code and detail to itself.
func fromError(e *Error) *Problem {
	k := kinds[e.Kind.known()]
	p := &Problem{Title: http.StatusText(k.status), Status: k.status, Code: k.code, Detail: k.detail, RetryAfter: e.RetryAfter}
	if e.Kind.known() != Internal {
		if e.Code != "" {
			p.Code = e.Code
		}
		if e.Detail != "" {
			p.Detail = e.Detail
		}
		p.Errors = e.Fields
	}
	p.Type = "/problems/" + p.Code
	return p
}

// isTransient reports whether the database, rather than the request, is at fault and a repetition may succeed.
func isTransient(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 {
		return false
	}
	switch pg.Code[:2] { // SQLSTATE classes, PostgreSQL documentation, appendix A
	case "08", "40", "53", "57": // connection, transaction rollback, resources, operator intervention (statement timeout too)
		return true
	}
	return pg.Code == "55P03" // lock_timeout
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
