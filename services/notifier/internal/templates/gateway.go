package templates

import (
	"strings"
	"time"

	"makola/pkg/notifications"
)

// platformReason says why those who run Makola get a mail.
const platformReason = "You get this mail because this address is PLATFORM_EMAIL of this Makola. It is written to once when an outage begins and once when it is over."

// gatewayDown tells those who run Makola that a payment provider does not answer.
func (s *Set) gatewayDown(c notifications.GatewayDown) letter {
	name := gatewayName(c.Provider)
	return letter{
		Subject: name + " is down", Title: name + " does not answer", Greeting: greeting(""),
		Preview: "No checkout is opened with it until it answers again.",
		Paragraphs: []string{
			"Five calls in a row got no answer, so " + name + " counts as down. No checkout is opened with it: shops are asked to try again, or to choose another provider. It is asked every five minutes, and opened again by its first answer.",
			"Nobody loses money by it. Payments that are made meanwhile are credited when it answers again, or when its webhooks arrive.",
		},
		Groups:  []group{{Title: "What is known", Rows: gatewayFacts(name, c.Since, time.Time{}, c.Error)}},
		Closing: []string{"See how it fares with: makola gateways"},
		Reason:  platformReason,
	}
}

// gatewayRecovered tells those who run Makola that a payment provider answers again.
func (s *Set) gatewayRecovered(c notifications.GatewayRecovered) letter {
	name := gatewayName(c.Provider)
	return letter{
		Subject: name + " has recovered", Title: name + " answers again", Greeting: greeting(""),
		Preview:    "Checkouts are opened with it again.",
		Paragraphs: []string{name + " answers again, and checkouts are opened with it. Payments that wait are looked up automatically; there is nothing to do."},
		Groups:     []group{{Title: "What is known", Rows: gatewayFacts(name, c.Since, c.RecoveredAt, c.Error)}},
		Closing:    []string{"See how it fares with: makola gateways"},
		Reason:     platformReason,
	}
}

func gatewayFacts(name string, since, until time.Time, text string) []row {
	rows := []row{{Label: "Provider", Value: name}}
	if !since.IsZero() {
		rows = append(rows, row{Label: "Down since", Value: moment(since, "UTC")})
	}
	if !until.IsZero() {
		rows = append(rows, row{Label: "Recovered on", Value: moment(until, "UTC")})
		if lasted := until.Sub(since); !since.IsZero() && lasted > 0 {
			rows = append(rows, row{Label: "Down for", Value: counted(max(int(lasted.Round(time.Minute)/time.Minute), 1), "minute", "minutes")})
		}
	}
	if text = plain(text, maxSubject); text != "" {
		rows = append(rows, row{Label: "Last error", Value: text})
	}
	return rows
}

// gatewayName is a provider's name as people write it.
func gatewayName(name string) string {
	if name = plain(name, maxWord); name == "" {
		return "A payment provider"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
