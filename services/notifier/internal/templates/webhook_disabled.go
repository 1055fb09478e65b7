package templates

import (
	"makola/pkg/notifications"
)

// webhookDisabled tells an owner that nothing is sent to an endpoint any more.
func (s *Set) webhookDisabled(c notifications.WebhookDisabled) letter {
	shop, host := business(c.Business), plain(c.Host, maxSubject)
	l := letter{
		Subject: "Webhooks to " + host + " were switched off", Title: "A webhook endpoint was switched off", Greeting: greeting(c.Name),
		Groups: []group{{Title: "Endpoint of " + shop, Rows: []row{{Label: "Server", Value: host}}}},
		Reason: "You get this mail because you own " + shop + ", which sends its events there.",
	}
	if d := plain(c.Description, maxSubject); d != "" {
		l.Groups[0].Rows = append(l.Groups[0].Rows, row{Label: "Name", Value: d})
	}
	if c.Gone {
		l.Preview = "The endpoint says that it is gone for good."
		l.Paragraphs = []string{"The endpoint answered that it is gone for good (410). Nothing is sent there any more."}
	} else {
		day := date(c.Since, c.Timezone)
		l.Preview = "Nothing got through since " + day + "."
		l.Paragraphs = []string{"Nothing got through to this endpoint since " + day + ", though it was tried again and again. Nothing is sent there any more, and what was waiting was given up."}
		l.Groups[0].Rows = append(l.Groups[0].Rows, row{Label: "Failing since", Value: day})
	}
	l.Closing = []string{"When it works again, switch it on in the settings. The log of deliveries says what was answered, and can send again what was missed in the last 30 days."}
	if s.appURL != "" {
		l.Button = &link{"Open Makola", s.appURL}
	}
	return l
}
