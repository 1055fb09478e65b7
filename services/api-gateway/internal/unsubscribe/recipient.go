package unsubscribe

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/notifications"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/edge"
)

// maxForm is more than any of our forms, or of a mail program's, has in bytes.
const maxForm = 4 << 10

// askRecipient offers to stop the mails to one address, or to let them go on.
func (p *Pages) askRecipient(c *gin.Context, business uuid.UUID, address string) {
	stopped := false
	err := p.DB.InTenant(tenant.With(c.Request.Context(), business), func(tx *gorm.DB) (err error) {
		stopped, err = notifications.Stopped(tx, business, address)
		return err
	})
	switch {
	case err != nil:
		edge.Fail(c, fmt.Errorf("look for a recipient: %w", err))
	case stopped:
		show(c, http.StatusOK, recipientStopped(address))
	default:
		show(c, http.StatusOK, words{Title: "Stop these mails?", Text: "The business will send no more reports to " + address + ".", Button: "Stop them"})
	}
}

// stopRecipient stops the mails to one address, or lets them go on when the form says so. Both are in the business's log.
func (p *Pages) stopRecipient(c *gin.Context, business uuid.UUID, address string) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	again := c.PostForm("again") != ""
	change, action := notifications.Stop, "export_recipient.stopped"
	if again {
		change, action = notifications.Resume, "export_recipient.resumed"
	}
	err := p.DB.InTenant(tenant.With(c.Request.Context(), business), func(tx *gorm.DB) error {
		news, err := change(tx, business, address)
		if err != nil || !news {
			return err
		}
		return audit.Record(tx, audit.Entry{
			Tenant: business, Actor: "link:unsubscribe", Action: action, Entity: "export_recipient", EntityID: address, IP: c.ClientIP(), UserAgent: c.Request.UserAgent(),
		})
	})
	switch {
	case err != nil:
		edge.Fail(c, fmt.Errorf("stop mails to a recipient: %w", err))
	case again:
		show(c, http.StatusOK, words{Title: "They go on", Text: "The business sends its reports to " + address + " again, as long as it names that address.", Button: "Stop them"})
	default:
		show(c, http.StatusOK, recipientStopped(address))
	}
}

func recipientStopped(address string) words {
	return words{Title: "Stopped", Text: "The business sends no more reports to " + address + ".", Button: "Send them again", Again: true}
}
