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
	// ErrNewPasswordLength is ErrPasswordLength for a password that replaces another.
	ErrNewPasswordLength = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/new_password", Field: "new_password", Code: "wrong_length", Message: "must have 8 to 128 characters"})
	// ErrNameTaken is ErrBusinessNameTaken for a body that calls it name.
	ErrNameTaken = problem.New(problem.Conflict, "business_name_taken", "There is a business of this name already.",
		problem.FieldError{Pointer: "/name", Field: "name", Code: "taken", Message: "is in use"})
	// ErrTimezone reports a time zone that nobody knows.
	ErrTimezone = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/timezone", Field: "timezone", Code: "unknown", Message: "must be a time zone such as Africa/Accra"})
	// ErrSettingsTimezone is ErrTimezone for the settings.
	ErrSettingsTimezone = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/regional/timezone", Field: "timezone", Code: "unknown", Message: "must be a time zone such as Africa/Accra"})
	// ErrSettingsCurrency reports a currency that we cannot count in.
	ErrSettingsCurrency = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/regional/currency", Field: "currency", Code: "unknown", Message: "must be the code of a currency such as GHS"})
	// ErrQuietHours reports quiet hours that are no two times of a day, or begin when they end.
	ErrQuietHours = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/notifications/quiet_hours", Field: "quiet_hours", Code: "invalid", Message: "must have a start and an end, two different times such as 21:00 and 06:00"})
	// ErrSettingsChanged reports settings that somebody else has changed since the client read them.
	ErrSettingsChanged = problem.New(problem.Precondition, "", "")
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
	// ErrSessionEnded reports an access token whose session was ended, by its owner or because their password changed.
	ErrSessionEnded = problem.New(problem.Unauthenticated, "session_ended", "This session was ended. Sign in again.")
	// ErrSessionNotFound reports a session that is not one of the person's own, or has ended.
	ErrSessionNotFound = problem.New(problem.NotFound, "", "")
	// ErrEmailUnverified reports somebody who must first prove that their address is theirs.
	ErrEmailUnverified = problem.New(problem.Forbidden, "email_unverified", "Confirm your e-mail address first. We can send you the mail again.")
	// ErrToken reports a token from a mail that we did not make.
	ErrToken = problem.New(problem.Malformed, "token_unknown", "This link is not valid. Copy all of it from the mail.")
	// ErrTokenSpent reports a token from a mail that was used before, is out of date, or was replaced by that of a newer mail.
	ErrTokenSpent = problem.New(problem.Gone, "token_spent", "This link has been used or has expired. Ask for a new one.")
	// ErrWrongPassword reports a change of password with a wrong old one.
	ErrWrongPassword = problem.New(problem.Malformed, "wrong_password", "The old password is wrong.",
		problem.FieldError{Pointer: "/old_password", Field: "old_password", Code: "wrong", Message: "is wrong"})
	// ErrHasBusiness reports somebody who belongs to a business already; a person belongs to one at most.
	ErrHasBusiness = problem.New(problem.Conflict, "has_business", "You belong to a business already.")
	// ErrOwnersOnly reports an employee's account that would open a business.
	ErrOwnersOnly = problem.New(problem.Forbidden, "owners_only", "Only an owner's account can open a business.")
	// ErrTINTaken reports a business with the tax number of another one.
	ErrTINTaken = problem.New(problem.Conflict, "tin_taken", "There is a business with this tax number already.",
		problem.FieldError{Pointer: "/tin", Field: "tin", Code: "taken", Message: "is in use"})
	// ErrMemberNotFound reports somebody who is not a member of this business.
	ErrMemberNotFound = problem.New(problem.NotFound, "", "")
	// ErrAboveOwnRole reports a change of, or to, a role above one's own.
	ErrAboveOwnRole = problem.New(problem.Forbidden, "above_own_role", "You can neither change nor make anybody above your own role.")
	// ErrLastOwner reports a change that would leave a business without an owner.
	ErrLastOwner = problem.New(problem.Conflict, "last_owner", "A business needs an owner. Make somebody else an owner first.")
	// ErrAccessRole reports an access role that the role cannot have.
	ErrAccessRole = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/access_role", Field: "access_role", Code: "invalid", Message: "is for STAFF alone"})
	// ErrUnknownStorefront reports a storefront that this business does not have.
	ErrUnknownStorefront = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/storefront_ids", Field: "storefront_ids", Code: "unknown", Message: "names a storefront that this business does not have"})
	// ErrStorefrontsOfAll reports storefronts for somebody who sees all of them anyway.
	ErrStorefrontsOfAll = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/storefront_ids", Field: "storefront_ids", Code: "invalid", Message: "is for MANAGER and STAFF: OWNER and ADMIN see every storefront"})
	// ErrAlreadyMember reports an invitation for somebody who is in this business.
	ErrAlreadyMember = problem.New(problem.Conflict, "already_member", "Somebody with this address is a member already.",
		problem.FieldError{Pointer: "/email", Field: "email", Code: "taken", Message: "is a member"})
	// ErrInvitationPending reports a second invitation for one address.
	ErrInvitationPending = problem.New(problem.Conflict, "invitation_pending", "This address is invited already. Send that invitation again instead.",
		problem.FieldError{Pointer: "/email", Field: "email", Code: "taken", Message: "is invited"})
	// ErrInvitationNotFound reports an invitation that this business did not make, or a token that belongs to none.
	ErrInvitationNotFound = problem.New(problem.NotFound, "", "")
	// ErrInvitationAccepted reports an invitation that was accepted.
	ErrInvitationAccepted = problem.New(problem.Conflict, "invitation_accepted", "This invitation was accepted already.")
	// ErrInvitationRevoked reports an invitation that was taken back.
	ErrInvitationRevoked = problem.New(problem.Conflict, "invitation_revoked", "This invitation was taken back.")
	// ErrInvitationOver reports an invitation that is out of date or was taken back, to whoever holds its token.
	ErrInvitationOver = problem.New(problem.Gone, "invitation_over", "This invitation is not valid any more. Ask for a new one.")
	// ErrResendTooSoon reports an invitation that was sent a moment ago.
	ErrResendTooSoon = problem.Later(problem.TooMany, "resend_too_soon", "This invitation was sent a moment ago. Try again in a minute.", time.Minute)
	// ErrVerificationTooOften reports a person who asks for one verification mail after another.
	ErrVerificationTooOften = problem.Later(problem.TooMany, "verification_too_often", "We sent you several of these mails within the hour. Look for the newest one, or try again later.", 10*time.Minute)
	// ErrResendTooOften reports an invitation that was sent as often as one may be.
	ErrResendTooOften = problem.New(problem.Conflict, "resend_too_often", "This invitation was sent ten times. Take it back and invite again.")
	// ErrNameRequired reports an accepted invitation of somebody new who gives no name.
	ErrNameRequired = problem.New(problem.Invalid, "", "",
		problem.FieldError{Pointer: "/name", Field: "name", Code: "required", Message: "is required"})
	// ErrInAnotherBusiness reports an accepted invitation of somebody who belongs to another business.
	ErrInAnotherBusiness = problem.New(problem.Conflict, "in_another_business", "You belong to another business. A person belongs to one at most.")
	// ErrBusy reports that too many passwords are being checked at this moment.
	ErrBusy = problem.Later(problem.Unavailable, "sign_in_busy", "Too many people are signing in at this moment. Try again shortly.", 2*time.Second)
)
