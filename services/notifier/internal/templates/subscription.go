package templates

import (
	"strconv"
	"strings"
	"time"

	"makola/pkg/notifications"
)

// pathSubscription is where the application shows the subscription and lets it be paid.
const pathSubscription = "/subscription"

// toSubscription is a button that leads there, or none where there is no application to go to.
func (s *Set) toSubscription(label string) *link {
	if s.appURL == "" {
		return nil
	}
	return &link{label, strings.TrimSuffix(s.appURL, "/") + pathSubscription}
}

// subscriptionReminder reminds an owner that a period ends soon.
func (s *Set) subscriptionReminder(c notifications.SubscriptionReminder) letter {
	shop, day, price := business(c.Business), date(c.EndsAt, c.Timezone), amount(c.AmountMinor, c.Currency)
	when := "ends " + inDays(c.Days)
	l := letter{Greeting: greeting(c.Name), Button: s.toSubscription("Pay for a month")}
	next := group{Title: "The next month", Rows: []row{{Label: "Begins on", Value: day}}}
	if c.Storefronts > 0 {
		next.Rows = append(next.Rows, row{Label: "Storefronts", Value: strconv.Itoa(c.Storefronts)})
	}
	next.Rows = append(next.Rows, row{"Price with tax", price, true})
	l.Groups = []group{next}
	switch c.Kind {
	case "renewal":
		l.Subject, l.Title = "Your subscription renews on "+day, "Your subscription renews soon"
		l.Preview = "The next month costs " + price + "."
		l.Paragraphs = []string{
			"The subscription of " + shop + " renews on " + day + ". We will send an invoice the day before. Nothing is taken from your account: the month begins when you pay.",
			"You can pay now without losing a day. If you do not want to go on, cancel the subscription before that day.",
		}
		l.Button = s.toSubscription("Pay or cancel")
	case "trial":
		l.Subject, l.Title = "Your trial "+when, "Your trial "+when
		l.Preview = "Pay for a month to go on after " + day + "."
		l.Paragraphs = []string{
			"The trial of " + shop + " ends on " + day + ". After that, nothing can be sold and no stock changed until you pay for a month. Your data stays.",
			"If you pay before that day, you lose none of the trial.",
		}
	default:
		l.Subject, l.Title = "Your subscription "+when, "Your subscription "+when
		l.Preview = "Pay for a month to go on after " + day + "."
		l.Paragraphs = []string{"The subscription of " + shop + " ends on " + day + ", and does not renew by itself. After that, nothing can be sold and no stock changed until you pay for a month. " +
			"Reports can be read for seven days more. If you pay before that day, you lose none of the days you have paid for."}
	}
	l.Reason = "You get this mail because you own " + shop + ", whose subscription or trial ends soon."
	return l
}

// inDays says when something happens that is so many days away.
func inDays(n int) string {
	switch {
	case n <= 0:
		return "today"
	case n == 1:
		return "tomorrow"
	default:
		return "in " + strconv.Itoa(n) + " days"
	}
}

// subscriptionState tells an owner what has become of the subscription, and what that means.
func (s *Set) subscriptionState(c notifications.SubscriptionState) letter {
	shop := business(c.Business)
	ended := "has ended"
	if !c.EndsAt.IsZero() {
		ended = "ended on " + date(c.EndsAt, c.Timezone)
	}
	const closed = "Until then nothing can be sold and no stock changed. Your data stays."
	l := letter{
		Greeting: greeting(c.Name), Button: s.toSubscription("Pay for a month"),
		Reason: "You get this mail because you own " + shop + ", and its subscription has changed. Mails about that cannot be switched off.",
	}
	switch c.State {
	case "INACTIVE":
		l.Subject, l.Preview = "Your trial is over", "Pay for a month to go on."
		l.Paragraphs = []string{"The trial of " + shop + " " + ended + ". To go on, pay for a month. " + closed}
	case "PAST_DUE":
		l.Subject, l.Preview = "Your subscription is past due", "Pay for a month to go on selling."
		until := "for seven days"
		if !c.GraceEndsAt.IsZero() {
			until = "until the end of " + date(c.GraceEndsAt.Add(-time.Second), c.Timezone)
		}
		l.Paragraphs = []string{
			"The paid month of " + shop + " " + ended + ", and the next one has not been paid. Until it is, nothing can be sold and no stock changed. Your data stays.",
			"Reports can be read and exported " + until + ". Then the subscription expires.",
		}
	case "EXPIRED":
		l.Subject, l.Preview = "Your subscription has expired", "Pay for a month to come back."
		l.Paragraphs = []string{"The subscription of " + shop + " " + ended + ", and the days of grace are over. To come back, pay for a month. " + closed}
	case "CANCELLING":
		l.Subject, l.Preview = "Your subscription will end", "It was cancelled by its owner."
		l.Paragraphs = []string{"The subscription of " + shop + " was cancelled. It lasts until " + date(c.EndsAt, c.Timezone) + ", and then it ends. You can change your mind until that day."}
		l.Button = s.toSubscription("Open the subscription")
	case "CANCELLED":
		l.Subject, l.Preview = "Your subscription has ended", "It was cancelled by its owner."
		l.Paragraphs = []string{"The subscription of " + shop + " was cancelled and has ended. To come back, pay for a month. " + closed}
	case "SUSPENDED":
		l.Subject, l.Preview = "Your subscription is suspended", "Write to us."
		l.Paragraphs = []string{"We have suspended the subscription of " + shop + ". Nothing can be sold and no stock changed. Your data stays.", "Paying does not change this. Please write to us."}
		l.Button = nil
	default:
		l.Subject, l.Preview = "Your subscription is no longer suspended", "You can go on working."
		l.Paragraphs = []string{"The suspension of " + shop + " is lifted. The subscription lasts until " + date(c.EndsAt, c.Timezone) + "."}
		l.Button = s.toSubscription("Open the subscription")
	}
	l.Title = l.Subject
	return l
}
