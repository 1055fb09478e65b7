package templates

import (
	"fmt"
	"strings"

	"makola/pkg/notifications"
)

// Where the application takes the tokens of mails. They stand behind a #, which browsers send to nobody: not to a server's log, nor to the next page as the one before.
const (
	pathVerify = "/verify-email#token="
	pathReset  = "/reset-password#token="
	pathInvite = "/invitation#token="
)

// take gives the reader what carries the token: a button, or the bare code where there is no application to go to.
func (s *Set) take(l *letter, label, path, token string) error {
	if token == "" {
		return notifications.ErrForgotten
	}
	if s.appURL == "" {
		l.Groups = append(l.Groups, group{Title: label, Rows: []row{{Label: "Code", Value: token}}})
		return nil
	}
	l.Button = &link{label, strings.TrimSuffix(s.appURL, "/") + path + token}
	return nil
}

// verifyEmail asks for the proof that an address is its reader's.
func (s *Set) verifyEmail(c notifications.VerifyEmail) (letter, error) {
	l := letter{
		Subject:    "Confirm your e-mail address",
		Preview:    "One step, so that we know this address is yours.",
		Title:      "Is this address yours?",
		Greeting:   greeting(c.Name),
		Paragraphs: []string{"Please confirm that this address is yours. It lets you invite your team, and lets us reach you when something happens to your account."},
		Closing:    []string{"This works once, until " + moment(c.ExpiresAt, c.Timezone) + "."},
		Reason:     "You get this mail because somebody registered with Makola and gave this address. If that was not you, you can ignore it: nothing more will happen.",
	}
	return l, s.take(&l, "Confirm this address", pathVerify, c.Token)
}

// passwordReset lets somebody choose a new password.
func (s *Set) passwordReset(c notifications.PasswordReset) (letter, error) {
	l := letter{
		Subject:    "Choose a new password",
		Preview:    "The link works once, for two hours.",
		Title:      "Choose a new password",
		Greeting:   greeting(c.Name),
		Paragraphs: []string{"Somebody asked for a new password for your Makola account. If it was you, choose it below. You will then be signed out everywhere."},
		Closing: []string{
			"This works once, until " + moment(c.ExpiresAt, c.Timezone) + ".",
			"If it was not you, do nothing: your password stays as it is. Never pass this mail on, and tell nobody what is in it.",
		},
		Reason: "You get this mail because a new password was asked for with this address. Mails about your account's safety cannot be switched off.",
	}
	return l, s.take(&l, "Choose a new password", pathReset, c.Token)
}

// passwordChanged tells somebody what they should know already.
func (s *Set) passwordChanged(c notifications.PasswordChanged) letter {
	facts := group{Title: "The change", Rows: []row{{Label: "Time", Value: moment(c.ChangedAt, c.Timezone)}}}
	if c.IP != "" {
		facts.Rows = append(facts.Rows, row{Label: "From the IP address", Value: plain(c.IP, maxWord)})
	}
	l := letter{
		Subject:    "Your password was changed",
		Preview:    "If that was not you, act now.",
		Title:      "Your password was changed",
		Greeting:   greeting(c.Name),
		Paragraphs: []string{"The password of your Makola account was changed. Other places where you were signed in have been signed out."},
		Groups:     []group{facts},
		Closing:    []string{"If that was not you, ask for a new password at once (\"Forgot password\" where you sign in), and look through the places where you are signed in."},
		Reason:     "You get this mail because your password was changed. Mails about your account's safety cannot be switched off.",
	}
	if s.appURL != "" {
		l.Button = &link{"Open Makola", s.appURL}
	}
	return l
}

// invitation asks somebody into a business. Its names are a stranger's words to the reader, so none may look like a link.
func (s *Set) invitation(c notifications.Invitation) (letter, error) {
	shop := called(c.Business, maxBusiness, "a business")
	inviter := called(c.Inviter, maxName, "Somebody")
	l := letter{
		Subject:    "Join " + shop + " on Makola",
		Preview:    inviter + " invites you to work together.",
		Title:      "Join " + shop,
		Greeting:   "Hello,",
		Paragraphs: []string{inviter + " invites you to join " + shop + " on Makola, where the shop keeps its sales, stock and customers."},
		Closing: []string{
			"This works once, until " + moment(c.ExpiresAt, c.Timezone) + ".",
			"If you do not know " + shop + ", you can ignore this mail.",
		},
		Reason: "You get this mail because " + inviter + " gave this address to invite you. We use it for nothing else unless you join.",
	}
	facts := group{Title: "Your place there", Rows: []row{{Label: "Role", Value: capital(strings.ToLower(plain(c.Role, maxWord)))}}}
	if c.Storefronts > 0 {
		facts.Rows = append(facts.Rows, row{Label: "Storefronts", Value: fmt.Sprint(c.Storefronts)})
	}
	l.Groups = []group{facts}
	return l, s.take(&l, "Accept the invitation", pathInvite, c.Token)
}
