// Package accounts knows people, businesses (the tenants) and who may do what in which; it signs people in and keeps them signed in.
//
// # What always holds
//
//   - A person has one e-mail address, kept in lower case, and at most one business. A business has an active OWNER at every moment; owner_id
//     names one of them.
//   - A person, a business and its owner's membership come into being together, in Register's transaction, or not at all.
//   - Passwords are stored as argon2id. Hashes of the Django application still verify, and are replaced at the next sign-in.
//   - An access token says who asks, for AccessLife. What they may do is read for each request (Authorize): roles, members and sessions that change count at once.
//     A refresh token is a random string of which only the SHA-256 is stored.
//   - Who may do what is data: accounts.role_permission. What is not in it is denied. Nobody changes, or makes, anybody above their own role.
//   - Tokens that travel by mail (Mint…) work once, and only their SHA-256 is stored. notifier makes them, see docs/adr/0012-a-token-is-made-when-its-mail-is-worded.md.
//   - An account that nobody has used for 90 days loses what names its person and what lets them in (AnonymizeUntouched), but for the one owner of an active business. Its row stays.
//   - Sign-ins, sign-outs, wrong passwords in a row, passwords, members, invitations and the business's details are audited, in the transaction that changes them.
//
// A registered person is active at once, and may do everything but invite others and open another business until they have confirmed their address; the gateway's
// REQUIRE_VERIFIED_EMAIL keeps them out until then.
//
// # The life of a session
//
//	sign-in ──▶ refresh token 1 ──used──▶ refresh token 2 ──used──▶ …     one family, rotated at each use
//	                  │
//	                  └─used again── within RetryGrace, once ──▶ another token of the family (the answer was lost on the way)
//	                                 otherwise ──▶ the family is revoked: two parties hold the token, and one of them stole it
//
// Signing out revokes the family, and with it the access token. So do a reset password for all of a person's families, a changed one for all but the one that asks,
// and an administrator who sends a member away. A token that nobody uses ends after RefreshLife.
//
// Two tabs that refresh at the same moment are a use and a repetition: both go on with a token of their own.
//
// # Transactions
//
// Functions that take tx begin none. Sessions begins its own, because hashing a password takes tens of milliseconds and must not happen while a
// transaction is open.
package accounts
