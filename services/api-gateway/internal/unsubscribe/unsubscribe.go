// Package unsubscribe answers the links by which whoever reads a mail turns off mails of its kind for their business. Nobody is signed in there: the token is the proof.
//
// A link of a mail that a business sends to whomever it names is about the one address alone, and its page lets the mails go on again.
//
// GET shows a page with a button and changes nothing, because mail programs and virus scanners follow links. POST turns the switch off, from the button as from a mail
// program's own (RFC 8058), whose body says nothing that we need.
package unsubscribe

import (
	_ "embed" // for the page
	"fmt"
	"html/template"
	"net/http"

	"github.com/gin-gonic/gin"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/edge"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page.html").Parse(source))

// policy lets the page send its form here and do nothing else.
const policy = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// kinds says in words what a switch is about.
var kinds = map[notifications.Switch]string{
	notifications.EmailNotifications: "all mails that are not about security or payments",
	notifications.LowStockAlerts:     "mails about stock that runs low or expires",
	notifications.SalesUpdates:       "mails about how business goes",
	notifications.SystemUpdates:      "mails about AI credits and about Makola itself",
	notifications.ActivityReports:    "weekly mails about what its people did",
}

// Pages answers /unsubscribe/:token. Set its fields before the first request.
type Pages struct {
	DB   *postgres.DB
	Keys *notifications.UnsubscribeKeys
}

// Mount adds the pages.
func (p *Pages) Mount(r gin.IRouter) {
	r.GET("/unsubscribe/:token", p.ask)
	r.POST("/unsubscribe/:token", p.turnOff)
}

// words are a page. Again says that its button lets mails go on.
type words struct {
	Title, Text, Button string
	Again               bool
}

func (p *Pages) ask(c *gin.Context) {
	if business, address, err := p.Keys.ReadRecipient(c.Param("token")); err == nil {
		p.askRecipient(c, business, address)
	} else if _, s, err := p.Keys.Read(c.Param("token")); err != nil {
		unknown(c)
	} else {
		show(c, http.StatusOK, words{Title: "Stop these mails?", Text: "Your business will get no more " + kinds[s] + ". You can turn them on again in its settings.", Button: "Stop them"})
	}
}

func (p *Pages) turnOff(c *gin.Context) {
	if business, address, err := p.Keys.ReadRecipient(c.Param("token")); err == nil {
		p.stopRecipient(c, business, address)
		return
	}
	business, s, err := p.Keys.Read(c.Param("token"))
	if err != nil {
		unknown(c)
		return
	}
	off := false
	var change accounts.SettingsChange
	switch s {
	case notifications.EmailNotifications:
		change.EmailNotifications = &off
	case notifications.LowStockAlerts:
		change.LowStockAlerts = &off
	case notifications.SalesUpdates:
		change.SalesUpdates = &off
	case notifications.SystemUpdates:
		change.SystemUpdates = &off
	case notifications.ActivityReports:
		change.ActivityReports = &off
	}
	who := accounts.Principal{Tenant: business, Email: "link:unsubscribe"}
	client := accounts.Client{IP: c.ClientIP(), UserAgent: c.Request.UserAgent()}
	err = p.DB.InTenant(tenant.With(c.Request.Context(), business), func(tx *gorm.DB) error {
		_, err := accounts.ChangeSettings(tx, who, change, client, nil)
		return err
	})
	if err != nil {
		edge.Fail(c, fmt.Errorf("unsubscribe: %w", err))
		return
	}
	show(c, http.StatusOK, words{Title: "Stopped", Text: "Your business gets no more " + kinds[s] + ". You can turn them on again in its settings."})
}

func unknown(c *gin.Context) {
	show(c, http.StatusNotFound, words{Title: "This link is not valid", Text: "Copy all of it from the mail, or change the settings of your business."})
}

func show(c *gin.Context, status int, w words) {
	h := c.Writer.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	c.Status(status)
	_ = page.Execute(c.Writer, w) // the reader has gone
}
