// Package notifications keeps the mails that Makola sends: one row of notifications.email for each, before anything is sent.
//
// # Life of a mail
//
//	Queue ──▶ queued ──SaveRendered──▶ queued, with its text ──▶ sent
//	                                          │   ▲
//	                                          ▼   │ a person replays the task
//	                                        refused
//
// A queued mail that the business does not want becomes suppressed instead of being sent, and one that can wait is sent when the business's quiet hours are over. Which
// switches a kind of mail obeys is said in rule.go. They are looked at when the mail is about to be sent, not when it is queued.
//
// Queue inserts the row in the transaction of the event that causes the mail, under a key that names the event, and enqueues
// notifications.send_email with it. One tenant and key is one mail, however often the event is handled. The task renders the mail and
// stores the text before it sends it, so that a retry sends the same text under the same Message-ID, even from a newer build.
//
// # What is promised
//
// A mail whose event committed is handed to the mail server at least once, and exactly once unless a worker dies between the server's
// yes and its own commit. A refused mail had a final no (5xx) from the server; its task is a dead letter and may be replayed.
//
// # Files
//
// A mail may have a file of the file storage with it. The row names the file; it is read when the mail is sent, and a mail whose file is gone or is another is refused.
//
// # Secrets
//
// A mail that carries a token (see secretTemplates) holds it in data and in its text until the mail server has taken or refused it, and is emptied in the
// transaction that says so. No task's arguments ever hold a token, and the tables of tokens hold hashes.
//
// # Traps
//
// A mail belongs to its Tenant, else to the context's (tenant.With), else to the platform. A BATCH handler, whose context names no
// tenant, must set Tenant for each of its mails, and queues them together with QueueAll.
package notifications
