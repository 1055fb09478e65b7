package templates

import (
	"strings"

	"makola/pkg/notifications"
)

// activitySummary is an owner's week of what the people of their business did.
func (s *Set) activitySummary(c notifications.ActivitySummary) letter {
	shop := business(c.Business)
	people := counted(int(c.People), "person", "people")
	l := letter{
		Subject: "Who did what at " + shop + ", " + days(c.From, c.To), Title: "Your team's week", Greeting: greeting(c.Name),
		Preview:    people + ", " + counted(int(c.Logins), "sign-in", "sign-ins") + ".",
		Paragraphs: []string{"What the people of " + shop + " did in Makola, " + days(c.From, c.To) + "."},
		Groups: []group{{Title: "In figures", Rows: []row{
			{Label: "People who did something", Value: number(c.People)},
			{Label: "Sign-ins", Value: number(c.Logins)},
			{Label: "Sign-outs", Value: number(c.Logouts)},
			{Label: "Actions altogether", Value: number(c.Actions), Strong: true},
		}}},
		Closing: []string{"What Makola does by itself is counted as well. If something surprises you, the audit log in Makola shows who did it, when and from where."},
		Reason:  "You get this mail because you own " + shop + " and its activity reports are switched on.",
	}
	if len(c.MostActive) > 0 {
		most := table{Title: "Most active", Columns: []string{"Sign-ins", "Actions"}}
		for _, p := range c.MostActive {
			most.Rows = append(most.Rows, tableRow{What: called(p.Name, maxName, "A member"), Cells: []string{number(p.Logins), number(p.Actions)}})
		}
		l.Tables = append(l.Tables, most)
	}
	if len(c.ByAction) > 0 {
		kinds := group{Title: "What was done"}
		for _, k := range c.ByAction {
			kinds.Rows = append(kinds.Rows, row{Label: action(k.Action), Value: number(k.Count)})
		}
		if c.OtherActions > 0 {
			kinds.Rows = append(kinds.Rows, row{Label: "Anything else", Value: number(c.OtherActions)})
		}
		l.Groups = append(l.Groups, kinds)
	}
	if s.appURL != "" {
		l.Button = &link{"Open the audit log", s.appURL}
	}
	return l
}

// action words what the audit log calls an action: LOGIN is "Signed in", stock.released "Stock released".
func action(name string) string {
	if words, ok := map[string]string{
		"CREATE": "Created something", "UPDATE": "Changed something", "DELETE": "Deleted something", "LOGIN": "Signed in", "LOGOUT": "Signed out",
		"SALE": "Sold something", "TRANSFER": "Moved stock", "PAYMENT": "Took a payment",
	}[name]; ok {
		return words
	}
	text := plain(strings.NewReplacer(".", " ", "_", " ").Replace(name), maxWord)
	if text == "" {
		return "Something"
	}
	return capital(text)
}
