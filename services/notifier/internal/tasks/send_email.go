package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/mail"
	"makola/pkg/notifications"
	"makola/pkg/task"
	"makola/pkg/tenant"
	"makola/proto/contract"
	notificationspb "makola/proto/makola/notifications/v1"
)

// SendEmail hands one stored mail to the mail server.
// A business's switches and quiet hours are obeyed, but by mails on security and payments.
// LONG: no transaction is open while the server is asked. The text is stored before it is sent, so every attempt sends the same one.
func (n *Notifications) SendEmail(ctx context.Context, _ contract.Run, args *notificationspb.SendEmailArgs) (contract.Commit[*notificationspb.SendEmailResult], error) {
	id, err := uuid.Parse(args.GetEmailId())
	if err != nil {
		return nil, task.Permanent(errors.New("email_id is not a UUID"))
	}
	m, hold, err := n.prepare(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case m.State == notifications.StateSent:
		return alreadySent(m.MessageID), nil
	case hold.Off != "":
		return suppressed(id, string(hold.Off)+" is off"), nil
	case hold.Blocked != "":
		return suppressed(id, hold.Blocked), nil
	case m.State == notifications.StateSuppressed:
		return func(*gorm.DB) (*notificationspb.SendEmailResult, error) {
			return &notificationspb.SendEmailResult{Status: "suppressed"}, nil
		}, nil
	case hold.Wait > 0:
		return nil, task.Throttled(hold.Wait) // spends no attempt
	}
	message := mail.Message{ID: id.String(), From: n.sender(m.FromName), To: []string{m.To}, ReplyTo: m.ReplyTo, Subject: m.Rendered.Subject, Text: m.Rendered.Text, HTML: m.Rendered.HTML}
	if link := n.unsubscribe(ctx, m); strings.HasPrefix(link, "https://") { // mail programs follow no other
		message.ListUnsubscribe = link
	}
	file, err := n.attach(ctx, m, &message)
	if err != nil {
		return nil, err
	}
	if file != nil {
		defer file.Close()
	}
	err = n.Sender.Send(ctx, message)
	if err != nil {
		return nil, n.notSent(ctx, m, err)
	}
	messageID := "<" + id.String() + "@" + n.Domain + ">"
	return func(tx *gorm.DB) (*notificationspb.SendEmailResult, error) {
		err := notifications.MarkSent(tx, id, messageID)
		if errors.Is(err, notifications.ErrAlreadySent) {
			return alreadySent(messageID)(tx)
		}
		return &notificationspb.SendEmailResult{Status: "sent", MessageId: messageID}, err
	}, nil
}

func alreadySent(messageID string) contract.Commit[*notificationspb.SendEmailResult] {
	return func(*gorm.DB) (*notificationspb.SendEmailResult, error) {
		return &notificationspb.SendEmailResult{Status: "already_sent", MessageId: messageID}, nil
	}
}

// prepare loads the mail with what keeps it from being sent now and, when nothing does, the first time stores its text. A mail that does not exist or whose content is broken is a permanent error;
// a template of a newer build is worth waiting for.
func (n *Notifications) prepare(ctx context.Context, id uuid.UUID) (m *notifications.Mail, hold notifications.Hold, err error) {
	err = n.inScope(ctx, func(tx *gorm.DB) error {
		if m, err = notifications.Load(tx, id); err != nil || m.State == notifications.StateSent || m.State == notifications.StateSuppressed {
			return err
		}
		business, _ := tenant.From(ctx)
		if hold, err = notifications.HoldOf(tx, business, m.Template, time.Now()); err != nil {
			return err
		}
		if hold.Blocked, err = notifications.BlockOf(tx, business, m.Template, m.To); err != nil || hold != (notifications.Hold{}) || m.Rendered != nil {
			return err
		}
		content, err := notifications.Decode(m.Template, m.Data)
		if ready, ok := content.(notifications.ExportReady); ok {
			content = n.withLink(business, ready, time.Now())
		}
		if err != nil {
			if !errors.Is(err, notifications.ErrUnknownTemplate) {
				err = task.Permanent(err)
			}
			return err
		}
		words, err := n.Words.RenderWith(content, n.unsubscribe(ctx, m))
		if errors.Is(err, notifications.ErrForgotten) {
			err = task.Permanent(err)
		}
		if err != nil {
			return err
		}
		m.Rendered, err = notifications.SaveRendered(tx, id, notifications.Rendered{Subject: words.Subject, Text: words.Text, HTML: words.HTML})
		return err
	})
	if errors.Is(err, notifications.ErrNotFound) {
		err = task.Permanent(err)
	}
	return m, hold, err
}

// unsubscribe is where a reader turns off mails such as this one: for the business, or, when anybody may be named as their reader, for their own address. It is empty for those that cannot
// be turned off, or where nobody would answer.
func (n *Notifications) unsubscribe(ctx context.Context, m *notifications.Mail) string {
	business, ok := tenant.From(ctx)
	if !ok || n.Unsubscribe == nil || n.PublicURL == "" {
		return ""
	}
	at := strings.TrimRight(n.PublicURL, "/") + "/unsubscribe/"
	if notifications.ToAnybody(m.Template) {
		return at + n.Unsubscribe.RecipientToken(business, m.To)
	}
	if off, may := notifications.UnsubscribeFrom(m.Template); may {
		return at + n.Unsubscribe.Token(business, off)
	}
	return ""
}

// suppressed ends a mail that the business does not want, or its recipient.
func suppressed(id uuid.UUID, why string) contract.Commit[*notificationspb.SendEmailResult] {
	return func(tx *gorm.DB) (*notificationspb.SendEmailResult, error) {
		err := notifications.MarkSuppressed(tx, id, why)
		if errors.Is(err, notifications.ErrAlreadySent) {
			return &notificationspb.SendEmailResult{Status: "already_sent"}, nil
		}
		return &notificationspb.SendEmailResult{Status: "suppressed"}, err
	}
}

// notSent records a final refusal, also of the address when that is what was refused, and gives the error that the task ends or is tried again with. Its text names no address, because it
// is logged and shown to clients; the row of a refused mail keeps the server's own words.
func (n *Notifications) notSent(ctx context.Context, m *notifications.Mail, err error) error {
	if refused, ok := errors.AsType[*mail.PermanentError](err); ok {
		said := answer(refused.Code, refused.Text)
		mark := func(tx *gorm.DB) error {
			if err := notifications.MarkRefused(tx, m.ID, said); err != nil {
				return err
			}
			business, _ := tenant.From(ctx)
			if business == uuid.Nil || !refused.BadAddress() || !notifications.ToAnybody(m.Template) {
				return nil
			}
			return notifications.BlockBounced(tx, business, m.To, said)
		}
		if err := n.inScope(ctx, mark); err != nil {
			return err // the next attempt is refused again, and marks it
		}
		return task.Permanent(fmt.Errorf("mail server refused mail %s: %s", m.ID, anonymous(said, m.To)))
	}
	reason := err.Error()
	if delayed, ok := errors.AsType[*mail.TemporaryError](err); ok {
		if reason = answer(delayed.Code, delayed.Text); delayed.Err != nil {
			reason = delayed.Err.Error()
		}
	}
	// Not wrapped: the engine takes a network fault for one of its own servers' and would try for ever without spending attempts.
	return fmt.Errorf("mail %s not taken by the mail server: %s", m.ID, anonymous(reason, m.To))
}

func answer(code int, text string) string {
	if code == 0 {
		return text
	}
	return fmt.Sprintf("%d %s", code, text)
}

func anonymous(text, address string) string { return strings.ReplaceAll(text, address, "(recipient)") }

// inScope runs fn for the task's tenant, or for the platform when it has none.
func (n *Notifications) inScope(ctx context.Context, fn func(tx *gorm.DB) error) error {
	if _, ok := tenant.From(ctx); ok {
		return n.DB.InTenant(ctx, fn)
	}
	return n.DB.InSystem(ctx, fn)
}
