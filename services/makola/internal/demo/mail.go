package demo

import (
	"context"
	"net/http"
	"net/url"
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
	var list struct{ Messages []Mail }
	if err := viewer.call(ctx, http.MethodGet, "/api/messages?to="+url.QueryEscape(address), nil, nil, &list); err != nil {
		return nil, err
	}
	for i := range list.Messages {
		m := &list.Messages[i]
		if err := viewer.call(ctx, http.MethodGet, "/api/messages/"+url.PathEscape(m.ID), nil, nil, m); err != nil {
			return nil, err
		}
	}
	return list.Messages, nil
}
