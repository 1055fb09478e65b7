// Package accounts knows people, businesses (the tenants) and who may do what in which; it signs people in and keeps them signed in.
//
// # What always holds
//
//   - A person has one e-mail address, kept in lower case, and at most one business. A business has one owner, who is a member of it.
//   - A person, a business and its owner's membership come into being together, in Register's transaction, or not at all.
//   - Passwords are stored as argon2id. Hashes of the Django application still verify, and are replaced at the next sign-in.
//   - An access token is a signed claim that lives AccessLife and is believed without asking the database. A refresh token is a random string
//     of which only the SHA-256 is stored.
//
// A registered person is active at once: the address is not verified yet, and email_verified stays false.
//
// # The life of a session
//
//	sign-in ──▶ refresh token 1 ──used──▶ refresh token 2 ──used──▶ …     one family, rotated at each use
//	                  │
//	                  └─used again── within RetryGrace, once ──▶ another token of the family (the answer was lost on the way)
//	                                 otherwise ──▶ the family is revoked: two parties hold the token, and one of them stole it
//
// Signing out revokes the family. A token that nobody uses ends after RefreshLife.
//
// # Transactions
//
// Functions that take tx begin none. Sessions begins its own, because hashing a password takes tens of milliseconds and must not happen while a
// transaction is open.
package accounts
