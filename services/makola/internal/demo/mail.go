package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Mail is one mail that the viewer received.
type Mail struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// awaitMails waits until the viewer holds the receipt, the mail to address that names the purchase, and returns all mails to address.
func awaitMails(ctx context.Context, viewer *caller, address, reference string) (mails []Mail, err error) {
	err = await(ctx, "the arrival of the receipt for "+address, patience, func(ctx context.Context) (bool, error) {
		mails, err = mailsTo(ctx, viewer, address)
		for _, m := range mails {
			if strings.Contains(m.Text, reference) {
				return true, nil
			}
		}
		return false, err
	})
	return mails, err
}

// mailsTo lists the mails to address with their text, in the viewer's order.
func mailsTo(ctx context.Context, viewer *caller, address string) ([]Mail, error) {
	var list []struct {
		Mail
		To json.RawMessage `json:"to"` // one address or several; it is enough to find ours in it
	}
	if err := viewer.call(ctx, http.MethodGet, "/api/messages", nil, nil, &list); err != nil {
		return nil, err
	}
	var mails []Mail
	for _, m := range list {
		if !strings.Contains(strings.ToLower(string(m.To)), address) {
			continue
		}
		if m.Text == "" {
			if err := viewer.call(ctx, http.MethodGet, "/api/messages/"+m.ID, nil, nil, &m.Mail); err != nil {
				return nil, fmt.Errorf("read mail %s: %w", m.ID, err)
			}
		}
		mails = append(mails, m.Mail)
	}
	return mails, nil
}
