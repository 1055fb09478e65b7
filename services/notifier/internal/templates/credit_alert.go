package templates

import (
	"makola/pkg/notifications"
)

// creditAlert tells an owner that AI credits run out, in number or in time.
func (s *Set) creditAlert(c notifications.CreditAlert) letter {
	shop := business(c.Business)
	balance, button := credits(c.Balance), "Buy credits"
	l := letter{
		Greeting: greeting(c.Name),
		Groups:   []group{{Title: "AI credits of " + shop, Rows: []row{{"Balance now", balance, true}}}},
		Reason:   "You get this mail because you own " + shop + ", which uses AI credits.",
	}
	switch c.Kind {
	case "expiring":
		day, ending := date(c.EndsAt, c.Timezone), credits(c.Ending)
		l.Subject, l.Title = ending+" AI credits expire on "+day, "AI credits are about to expire"
		l.Preview = "Use them before that day, or they are gone."
		l.Paragraphs = []string{ending + " of your AI credits expire on " + day + ". Use them before then: credits that have expired cannot be used any more, and buying new ones does not bring them back."}
		button = "Use your credits"
		l.Groups[0].Rows = append(l.Groups[0].Rows, row{Label: "Expiring", Value: ending}, row{Label: "Expire on", Value: day})
	case "depleted":
		l.Subject, l.Title = "Your AI credits are used up", "Your AI credits are used up"
		l.Preview = "AI features pause until credits are added."
		l.Paragraphs = []string{"The AI credits of " + shop + " are used up, or nearly so. AI features that cost more than what is left pause until credits are added."}
		l.Closing = []string{"You get this mail once, and again only when credits were added and have run low again."}
	default:
		l.Subject, l.Title = "Your AI credits are running low", "Your AI credits are running low"
		l.Preview = balance + " credits are left."
		l.Paragraphs = []string{"The AI credits of " + shop + " have fallen to " + credits(c.Threshold) + " or less. When they are used up, AI features pause until credits are added."}
		l.Closing = []string{"You get this mail once, and again only when credits were added and have run low again."}
	}
	if s.appURL != "" {
		l.Button = &link{button, s.appURL}
	}
	return l
}
