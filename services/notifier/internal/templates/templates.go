// Package templates words the mails: it turns stored content (makola/pkg/notifications) into subject, plain text and HTML.
//
// Each kind of mail is one function that fills a letter, in a file named like its template; layout.txt and layout.html set any letter.
// So a mail's two forms cannot disagree, and every word that came from a person is escaped in one place: words come in through plain and
// called (words.go), and html/template escapes them for HTML.
package templates

import (
	"bytes"
	_ "embed" // for the two layouts
	"fmt"
	htmltemplate "html/template"
	"slices"
	texttemplate "text/template"

	"makola/pkg/notifications"
)

//go:embed layout.html
var layoutHTML string

//go:embed layout.txt
var layoutText string

// Message is a mail's words, ready to be sent.
type Message struct {
	// Subject is one line without control characters.
	Subject string
	// Text and HTML say the same.
	Text, HTML string
}

// Set renders mails. It is safe for concurrent use.
type Set struct {
	appURL string
	html   *htmltemplate.Template
	text   *texttemplate.Template
}

// New prepares the layouts. appURL is where people use the application, for links; with an empty one mails have no links.
func New(appURL string) (*Set, error) {
	html, err := htmltemplate.New("layout.html").Parse(layoutHTML)
	if err != nil {
		return nil, fmt.Errorf("parse layout.html: %w", err)
	}
	text, err := texttemplate.New("layout.txt").Funcs(texttemplate.FuncMap{"wrap": wrap, "pad": pad, "beside": beside}).Parse(layoutText)
	if err != nil {
		return nil, fmt.Errorf("parse layout.txt: %w", err)
	}
	return &Set{appURL: appURL, html: html, text: text}, nil
}

// Render words one mail. The same content gives the same words. Errors: notifications.ErrUnknownTemplate for content this build has
// no words for; notifications.ErrForgotten for a mail whose token is gone.
func (s *Set) Render(c notifications.Content) (Message, error) { return s.RenderWith(c, "") }

// RenderWith is Render for a mail that its reader may turn off at the address unsubscribe; an empty one is for a mail that nobody can.
func (s *Set) RenderWith(c notifications.Content, unsubscribe string) (Message, error) {
	var l letter
	var err error
	switch c := c.(type) {
	case notifications.Welcome:
		l = s.welcome(c)
	case notifications.CreditsPurchased:
		l = s.creditsPurchased(c)
	case notifications.PaymentReview:
		l = s.paymentReview(c)
	case notifications.PaymentFailed:
		l = s.paymentFailed(c)
	case notifications.SubscriptionActivated:
		l = s.subscriptionActivated(c)
	case notifications.SubscriptionReminder:
		l = s.subscriptionReminder(c)
	case notifications.Invoice:
		l = s.invoice(c)
	case notifications.SubscriptionState:
		l = s.subscriptionState(c)
	case notifications.VerifyEmail:
		l, err = s.verifyEmail(c)
	case notifications.PasswordReset:
		l, err = s.passwordReset(c)
	case notifications.PasswordChanged:
		l = s.passwordChanged(c)
	case notifications.Invitation:
		l, err = s.invitation(c)
	case notifications.CreditAlert:
		l = s.creditAlert(c)
	case notifications.WebhookDisabled:
		l = s.webhookDisabled(c)
	case notifications.LowStock:
		l = s.lowStock(c)
	case notifications.ExpiringStock:
		l = s.expiringStock(c)
	case notifications.StockMovement:
		l = s.stockMovement(c)
	case notifications.ActivitySummary:
		l = s.activitySummary(c)
	case notifications.GatewayDown:
		l = s.gatewayDown(c)
	case notifications.GatewayRecovered:
		l = s.gatewayRecovered(c)
	case notifications.ReportReady:
		l = s.reportReady(c)
	case notifications.ReportFailed:
		l = s.reportFailed(c)
	case notifications.ExportReady:
		l = s.exportReady(c)
	case notifications.ExportFailed:
		l = s.exportFailed(c)
	case notifications.ExportSummary:
		l = s.exportSummary(c)
	default:
		return Message{}, fmt.Errorf("render a %T: %w", c, notifications.ErrUnknownTemplate)
	}
	if err != nil {
		return Message{}, fmt.Errorf("render %s: %w", c.Template(), err)
	}
	if l.Unsubscribe = unsubscribe; l.Stop == "" {
		l.Stop = "Stop mails of this kind for your business"
	}
	for i := range l.Groups { // old content may lack what a row is for
		l.Groups[i].Rows = slices.DeleteFunc(l.Groups[i].Rows, func(r row) bool { return r.Value == "" })
	}
	var html, text bytes.Buffer
	if err := s.html.Execute(&html, l); err != nil {
		return Message{}, fmt.Errorf("render %s as HTML: %w", c.Template(), err)
	}
	if err := s.text.Execute(&text, l); err != nil {
		return Message{}, fmt.Errorf("render %s as text: %w", c.Template(), err)
	}
	return Message{Subject: plain(l.Subject, maxSubject), Text: text.String(), HTML: html.String()}, nil
}
