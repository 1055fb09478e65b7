package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// ErrForbiddenAddress reports a connection to an address outside the public internet that AllowNetworks does not name. Trying
// again does not help: the configuration or the customer's URL is wrong.
var ErrForbiddenAddress = errors.New("address not allowed")

// forbidden lists networks that are not the public internet, beyond those netip can name: the IANA special-purpose address
// registries for IPv4 and, within globalIPv6, for IPv6. The IPv6 transition prefixes are here because they carry an IPv4 address inside. Read only.
var forbidden = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // "this" network; Linux takes 0.0.0.0 for loopback
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT; some clouds keep metadata here
	netip.MustParsePrefix("192.0.0.0/24"),    // IETF protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relay anycast, retired
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarking
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("2001::/23"),       // IETF protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

// globalIPv6 is all that IANA has given out of IPv6 for the public internet. Outside of it are NAT64 (64:ff9b::/96), IPv4 in other dresses (::a.b.c.d, ::ffff:0:a.b.c.d), site-local addresses, and
// whatever else was or will be thought of.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// DevelopmentNetworks returns the networks in which a simulator may live on a developer's machine or in Compose: loopback and the
// private ranges of RFC 1918 and RFC 4193. Link-local stays out, because cloud metadata services answer there.
func DevelopmentNetworks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("fc00::/7"),
	}
}

// guard decides which addresses may be dialled.
type guard struct{ allowed []netip.Prefix }

// control is a net.Dialer's Control function: it runs after name resolution and before connect, for every address that is tried.
func (g guard) control(network, address string, _ syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("%w: network %s", ErrForbiddenAddress, network)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbiddenAddress, err)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbiddenAddress, err)
	}
	if !g.permits(ip) {
		return fmt.Errorf("%w: %s is not on the public internet", ErrForbiddenAddress, ip)
	}
	return nil
}

func (g guard) permits(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("") // ::ffff:127.0.0.1 is 127.0.0.1.
	contains := func(p netip.Prefix) bool { return p.Contains(ip) }
	if slices.ContainsFunc(g.allowed, contains) {
		return true
	}
	return (ip.Is4() || globalIPv6.Contains(ip)) && ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(forbidden, contains)
}

// Permits reports whether a client made with c would dial ip.
func (c Config) Permits(ip netip.Addr) bool { return guard{allowed: c.AllowNetworks}.permits(ip) }
