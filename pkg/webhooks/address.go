package webhooks

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"makola/pkg/outbound"
)

// maxURL is the longest address, in bytes.
const maxURL = 500

// hostName is a name of the DNS with two labels or more, the last of which is no number: what a resolver would not take for an address written in another way. Names in other
// scripts are written in their xn-- form.
var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ports that an endpoint may listen on: the one of https, and those that need no privileges. Other services of the internet live on the rest, and may be harmed by what we send.
func portAllowed(text string) bool {
	if text == "" || text == "443" {
		return true
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n >= 1024
}

// checkURL refuses an address that nothing can or should be sent to. It is for whoever types it: what it resolves to is looked at when it is dialled.
func checkURL(text string, out outbound.Config) error {
	bad := func(code, message string) error { return fault("url", code, message) }
	if len(text) > maxURL {
		return bad("too_long", "must have at most "+strconv.Itoa(maxURL)+" bytes")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad("invalid", "must be an address such as https://shop.example.com/makola")
	case u.Scheme != "https" && (u.Scheme != "http" || !out.AllowPlainHTTP):
		return bad("not_https", "must begin with https://")
	case u.User != nil:
		return bad("invalid", "must not carry a name or password")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return bad("invalid", "must not have a fragment")
	case !portAllowed(u.Port()) || strings.HasSuffix(u.Host, ":"):
		return bad("port_not_allowed", "must use port 443, or one from 1024 on")
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		if !out.Permits(ip) {
			return bad("address_not_allowed", "must be on the public internet")
		}
		return nil
	}
	if len(host) > 253 || !hostName.MatchString(strings.ToLower(host)) {
		return bad("invalid", "must name a host of the public internet")
	}
	return nil
}

// hostOf is what may be shown of an address in a log: the rest may hold a token.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
