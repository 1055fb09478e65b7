// Package mail sends one rendered message over SMTP and says exactly how it ended.
//
//	err := sender.Send(ctx, mail.Message{ID: taskID.String(), To: []string{"ama@example.com"}, Subject: "…", Text: "…", HTML: "…"})
//
// Send answers nil when the server has taken responsibility for every recipient, a [*PermanentError] when it never will, and a
// [*TemporaryError] for everything else: sending again later may work.
//
// A message goes to all of its recipients or to none. One case cannot be told apart by anybody: the connection breaks after the content
// was sent and before the server's answer arrived. That is a TemporaryError, the message is sent again, and its Message-ID, which comes
// from the caller and is the same each time, lets mail servers and readers drop the second copy.
//
// Anything from outside that could break out of a header (a line break in a subject or an address) is refused before a connection is made.
package mail
