package templates

import (
	"strings"

	"makola/pkg/notifications"
)

// welcome tells a new user that the account is ready and what to do first.
func (s *Set) welcome(c notifications.Welcome) letter {
	business := called(c.Business, maxBusiness, "")
	l := letter{
		Subject:  "Welcome to Makola",
		Preview:  "Your account is ready. Three things to do first.",
		Title:    "Your account is ready",
		Greeting: greeting(c.Name),
		Reason:   "You get this mail once, because this address was used to register with Makola. If that was not you, you can ignore it.",
	}
	if business == "" {
		l.Paragraphs = []string{"Welcome to Makola, the back office for your shop: sales, stock, customers and reports in one place."}
	} else {
		l.Subject = "Welcome to Makola, " + business
		l.Paragraphs = []string{"Welcome to Makola. " + business + " now has its back office: sales, stock, customers and reports in one place."}
	}
	switch strings.ToUpper(c.Role) {
	case "OWNER", "":
		l.Steps = []step{
			{"Add your products", "with their prices and what you have in stock."},
			{"Invite your team", "and decide what each person may see and do."},
			{"Record your first sale", "and see it in today's report."},
		}
	default:
		l.Preview = "Your account is ready. Two things to do first."
		l.Paragraphs = append(l.Paragraphs, "Your role there is "+strings.ToLower(plain(c.Role, maxWord))+".")
		l.Steps = []step{
			{"Sign in", "with this mail address and the password you chose."},
			{"Look around", "and ask the owner when something you need is missing."},
		}
	}
	if s.appURL != "" {
		l.Button = &link{"Open Makola", s.appURL}
	}
	return l
}
