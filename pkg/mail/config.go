package mail

import (
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"makola/pkg/service"
)

// Config says where mail goes out.
type Config struct {
	// URL holds the password, so it is a secret as a whole.
	URL service.Secret `env:"SMTP_URL,required" doc:"Mail server: smtp://user:password@host:587?starttls=always, or smtps://host:465. starttls is always, auto (the default) or never."`
	// From is used for messages that name no sender of their own. Its domain is also that of every Message-ID.
	From string `env:"MAIL_FROM,required" doc:"Sender of all mail, for example \"Makola <no-reply@example.com>\". The domain must permit the mail server to send for it."`
}

// Validate checks both settings.
func (c Config) Validate() []error {
	var faults []error
	if _, err := parseURL(c.URL); err != nil {
		faults = append(faults, service.Invalid("SMTP_URL", err.Error(), "write smtp://user:password@host:port?starttls=always or smtps://user:password@host:port"))
	}
	if _, err := netmail.ParseAddress(c.From); err != nil {
		faults = append(faults, service.Invalid("MAIL_FROM", fmt.Sprintf("is %q, which is not a mail address", c.From), `write "Name <name@example.com>"`))
	}
	return faults
}

// ValidateProduction refuses a connection off this host that may be read on the way.
func (c Config) ValidateProduction() []error {
	s, err := parseURL(c.URL)
	if err != nil || s.tls || s.policy == gomail.TLSMandatory || isLoopback(s.host) {
		return nil
	}
	return []error{service.Invalid("SMTP_URL", "does not insist on encryption", "use smtps:// or add ?starttls=always")}
}

// server is a parsed SMTP URL.
type server struct {
	host           string
	port           int
	tls            bool // from the first byte
	policy         gomail.TLSPolicy
	user, password string
}

// parseURL reads an SMTP URL. Its errors repeat nothing of it.
func parseURL(secret service.Secret) (server, error) {
	u, err := url.Parse(secret.Reveal())
	if err != nil || u.Hostname() == "" {
		return server{}, fmt.Errorf("is not a URL with a host")
	}
	s := server{host: u.Hostname(), port: 25, policy: gomail.TLSOpportunistic}
	switch u.Scheme {
	case "smtp":
	case "smtps":
		// The policy stays opportunistic: with the library's own WithSSL and our dialling, it would believe the connection to be open and
		// refuse to log in. See TestSendLogsInOverTLS.
		s.tls, s.port = true, 465
	default:
		return server{}, fmt.Errorf("has a scheme other than smtp and smtps")
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return server{}, fmt.Errorf("has an impossible port")
		}
	}
	for key, values := range u.Query() {
		if key != "starttls" || s.tls {
			return server{}, fmt.Errorf("has a parameter that means nothing here")
		}
		switch values[0] {
		case "always":
			s.policy = gomail.TLSMandatory
		case "auto":
		case "never":
			s.policy = gomail.NoTLS
		default:
			return server{}, fmt.Errorf("has a starttls other than always, auto and never")
		}
	}
	if strings.Trim(u.Path, "/") != "" {
		return server{}, fmt.Errorf("has a path")
	}
	s.user = u.User.Username()
	s.password, _ = u.User.Password()
	return s, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
