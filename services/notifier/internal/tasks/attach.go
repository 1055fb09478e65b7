package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/mail"
	"makola/pkg/notifications"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/pkg/task"
)

// attach puts a mail's file into its message, and returns the open file, which must be closed when the message is sent; nil when there is none. It is read while it is sent. A file
// that is gone, or is another than the one that was meant, is a refusal for good: the report was deleted, or has expired.
func (n *Notifications) attach(ctx context.Context, m *notifications.Mail, message *mail.Message) (*storage.File, error) {
	if m.Attachment == nil || n.Files == nil {
		return nil, nil //nolint:nilnil // a mail without a file is no error
	}
	file, err := n.Files.Open(ctx, m.Attachment.Key)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, n.withoutFile(ctx, m, "its attachment is gone")
	case err != nil:
		return nil, fmt.Errorf("open attachment of mail %s: %w", m.ID, err)
	case file.Size != m.Attachment.Size:
		_ = file.Close()
		return nil, n.withoutFile(ctx, m, "its attachment has another size than it had")
	}
	message.Attachments = []mail.Attachment{{Name: m.Attachment.Name, Type: m.Attachment.Type, Open: func() io.Reader { return io.NewSectionReader(file, 0, file.Size) }}}
	return file, nil
}

// withLink says where the file of a mail can be had, and that it is not attached where this notifier cannot read it. A link that is signed is made here and kept in the worded mail
// alone.
func (n *Notifications) withLink(business uuid.UUID, c notifications.ExportReady, now time.Time) notifications.ExportReady {
	c.Attached = c.Attached && n.Files != nil
	if n.PublicURL == "" || c.Path == "" {
		return c
	}
	c.Link = strings.TrimRight(n.PublicURL, "/") + c.Path
	if !c.Attached && n.Downloads != nil && c.Report != uuid.Nil {
		link := reporting.LinkTo(business, &reporting.Report{ID: c.Report, ExpiresAt: &c.ExpiresAt}, reporting.MostLinkLife, now)
		c.Link, c.LinkUntil = strings.TrimRight(n.PublicURL, "/")+reporting.LinkPath+n.Downloads.Token(link), link.Until
	}
	return c
}

// withoutFile ends a mail that lacks its file.
func (n *Notifications) withoutFile(ctx context.Context, m *notifications.Mail, why string) error {
	if err := n.inScope(ctx, func(tx *gorm.DB) error { return notifications.MarkRefused(tx, m.ID, why) }); err != nil {
		return err
	}
	return task.Permanent(fmt.Errorf("mail %s not sent: %s", m.ID, why))
}

// sender is who a mail is from: the configured address, with the business's name before our own, so that it is seen whose mail it is and who sends it. The empty sender is the
// configured one.
func (n *Notifications) sender(name string) string {
	a, err := netmail.ParseAddress(n.From)
	if err != nil || name == "" {
		return ""
	}
	if a.Name == "" {
		a.Name = "Makola"
	}
	return (&netmail.Address{Name: name + " via " + a.Name, Address: a.Address}).String()
}
