// Package tasks runs the tasks of notifier, one file per task.
package tasks

import (
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"makola/pkg/mail"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	accountspb "makola/proto/makola/accounts/v1"
	notificationspb "makola/proto/makola/notifications/v1"
	"makola/services/notifier/internal/templates"
)

// Accounts runs the tasks of the queue accounts. It is safe for concurrent use.
type Accounts struct {
	// Tasks enqueues what follows, Notify the mails.
	Tasks  *accountspb.Tasks
	Notify *notificationspb.Tasks
	// Now is the clock that periods are held against; nil is the machine's. A test of a year does not take one.
	Now func() time.Time
}

// Notifications runs the tasks of the queue notifications. It is safe for concurrent use.
type Notifications struct {
	DB     *postgres.DB
	Words  *templates.Set
	Sender *mail.Sender
	// From is the sender as it is configured, with or without a name.
	From string
	// Files is where attachments lie. Without it mails that would have one have a link instead.
	Files *storage.Files
	// Domain is the right part of every Message-ID; see MessageIDDomain.
	Domain string
	// Unsubscribe signs links to PublicURL by which a reader turns off mails; without both there are none.
	Unsubscribe *notifications.UnsubscribeKeys
	PublicURL   string
	// Downloads signs links to files that are too large for a mail; without it whoever gets one has to sign in.
	Downloads *reporting.LinkKeys
}

var (
	_ accountspb.TasksHandler      = (*Accounts)(nil)
	_ notificationspb.TasksHandler = (*Notifications)(nil)
)

// MessageIDDomain returns the domain that mail.Sender gives to the Message-IDs of mails from the address: the address's own.
func MessageIDDomain(from string) (string, error) {
	a, err := netmail.ParseAddress(from)
	if err != nil {
		return "", fmt.Errorf("read MAIL_FROM: %w", err)
	}
	return a.Address[strings.LastIndexByte(a.Address, '@')+1:], nil
}
