package accounts

import (
	"time"

	"makola/pkg/problem"
)

// Errors of this package. Their words are what a client reads.
var (
	// ErrEmailTaken reports that a person with that address is registered already.
	ErrEmailTaken = problem.New(problem.Conflict, "email_taken", "Somebody is registered with this e-mail address already.",
		problem.FieldError{Pointer: "/email", Field: "email", Code: "taken", Message: "is in use"})
	// ErrBusinessNameTaken reports that a business of that name exists, in whatever case.
	ErrBusinessNameTaken = problem.New(problem.Conflict, "business_name_taken", "There is a business of this name already.",
		problem.FieldError{Pointer: "/business_name", Field: "business_name", Code: "taken", Message: "is in use"})
	// ErrInvalidEmail reports an address that no mail can be sent to.
	ErrInvalidEmail = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/email", Field: "email", Code: "invalid", Message: "must be an e-mail address"})
	// ErrPasswordLength reports a password outside MinPassword to MaxPassword.
	ErrPasswordLength = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/password", Field: "password", Code: "wrong_length", Message: "must have 8 to 128 characters"})
	// ErrBadCredentials reports an unknown address, a wrong password or a person who was switched off: the answer does not say which.
	ErrBadCredentials = problem.New(problem.Unauthenticated, "bad_credentials", "The e-mail address or the password is wrong.")
	// ErrRefreshToken reports a refresh token that is unknown, used up, revoked or out of date. Sign in again.
	ErrRefreshToken = problem.New(problem.Unauthenticated, "refresh_token_invalid", "The refresh token is not valid any more. Sign in again.")
	// ErrTokenExpired reports an access token that was genuine and is too old. Refresh it.
	ErrTokenExpired = problem.New(problem.Unauthenticated, "token_expired", "The access token has expired. Refresh it.")
	// ErrTokenInvalid reports an access token that is not ours, or is malformed.
	ErrTokenInvalid = problem.New(problem.Unauthenticated, "token_invalid", "The access token is not valid.")
	// ErrNotMember reports a person without an active place in a business.
	ErrNotMember = problem.New(problem.Forbidden, "no_business", "You do not belong to an active business.")
	// ErrBusy reports that too many passwords are being checked at this moment.
	ErrBusy = problem.Later(problem.Unavailable, "sign_in_busy", "Too many people are signing in at this moment. Try again shortly.", 2*time.Second)
)
