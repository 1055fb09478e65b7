package webhooks

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"makola/pkg/outbound"
	"makola/pkg/problem"
)

func TestAddressesThatNothingIsSentTo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ url, code string }{
		"not https":                          {"http://shop.example.com/", "not_https"},
		"another scheme":                     {"ftp://shop.example.com/", "not_https"},
		"no scheme":                          {"shop.example.com/hook", "invalid"},
		"no host":                            {"https:///hook", "invalid"},
		"not an address":                     {"https://%zz", "invalid"},
		"a path alone":                       {"/hook", "invalid"},
		"opaque":                             {"https:shop.example.com", "invalid"},
		"a password":                         {"https://ama:secret@shop.example.com/", "invalid"},
		"a fragment":                         {"https://shop.example.com/#x", "invalid"},
		"an empty fragment":                  {"https://shop.example.com/#", "invalid"},
		"a space":                            {"https://shop.example.com/a b", "invalid"},
		"a line break":                       {"https://shop.example.com/a\r\nHost: x", "invalid"},
		"a letter of another script":         {"https://shöp.example.com/", "invalid"},
		"too long":                           {"https://shop.example.com/" + strings.Repeat("a", 500), "too_long"},
		"loopback":                           {"https://127.0.0.1/", "address_not_allowed"},
		"loopback in IPv6":                   {"https://[::1]/", "address_not_allowed"},
		"loopback as IPv4-mapped IPv6":       {"https://[::ffff:127.0.0.1]/", "address_not_allowed"},
		"loopback as IPv4-mapped, in hex":    {"https://[::ffff:7f00:1]/", "address_not_allowed"},
		"an IPv6 zone":                       {"https://[fe80::1%25eth0]/", "address_not_allowed"},
		"the metadata service":               {"https://169.254.169.254/latest/meta-data", "address_not_allowed"},
		"the metadata service in IPv6":       {"https://[fd00:ec2::254]/", "address_not_allowed"},
		"10/8":                               {"https://10.0.0.1/", "address_not_allowed"},
		"172.16/12":                          {"https://172.16.0.1/", "address_not_allowed"},
		"192.168/16":                         {"https://192.168.1.1/", "address_not_allowed"},
		"carrier-grade NAT":                  {"https://100.64.0.1/", "address_not_allowed"},
		"the unspecified address":            {"https://0.0.0.0/", "address_not_allowed"},
		"a name of one label":                {"https://localhost/", "invalid"},
		"a container's name":                 {"https://postgres/", "invalid"},
		"an address with fewer parts":        {"https://127.1/", "invalid"},
		"an address as one number":           {"https://2130706433/", "invalid"},
		"an address in hex":                  {"https://0x7f.0x0.0x0.0x1/", "invalid"},
		"an address in octal":                {"https://0177.0.0.1/", "invalid"},
		"a name that ends with a dot":        {"https://shop.example.com./", "invalid"},
		"SMTP's port":                        {"https://shop.example.com:25/", "port_not_allowed"},
		"http's port":                        {"https://shop.example.com:80/", "port_not_allowed"},
		"port 0":                             {"https://shop.example.com:0/", "port_not_allowed"},
		"a port beyond all":                  {"https://shop.example.com:65536/", "port_not_allowed"},
		"a colon without a port":             {"https://shop.example.com:/", "port_not_allowed"},
		"a private address with a good port": {"https://10.0.0.1:8443/", "address_not_allowed"},
	} {
		err := checkURL(tt.url, outbound.Config{})
		require.Error(t, err, name)
		p, ok := errors.AsType[*problem.Error](err)
		require.True(t, ok, name)
		require.Len(t, p.Fields, 1, name)
		require.Equal(t, "url "+tt.code, p.Fields[0].Field+" "+p.Fields[0].Code, name)
	}
	for _, url := range []string{
		"https://shop.example.com", "https://SHOP.example.com/hook?token=a%20b", "https://shop.example.com:443/", "https://shop.example.com:8443/", "https://93.184.216.34/", "https://[2606:2800:220:1:248:1893:25c8:1946]:8443/",
		"https://xn--shp-tna.example.com/", "https://1.example.com/",
	} {
		require.NoError(t, checkURL(url, outbound.Config{}), url)
	}
}

func TestDevelopmentMayReachItsOwnMachineAndNoMore(t *testing.T) {
	t.Parallel()
	dev := outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, AllowPlainHTTP: true}
	require.NoError(t, checkURL("http://127.0.0.1:8090/hook", dev))
	require.Error(t, checkURL("http://10.0.0.1:8090/hook", dev))
	require.Error(t, checkURL("http://169.254.169.254:8090/", dev))
	require.Error(t, dev.Validate(true), "production refuses both")
}

func TestSecretsAreSealedToTheirEndpoint(t *testing.T) {
	t.Parallel()
	old, err := ParseKeys(strings.Repeat("o", 32))
	require.NoError(t, err)
	both, err := ParseKeys(strings.Repeat("n", 32) + ", " + strings.Repeat("o", 32))
	require.NoError(t, err)
	other, err := ParseKeys(strings.Repeat("x", 32))
	require.NoError(t, err)
	shop, endpoint := uuid.New(), uuid.New()
	secret, err := newSecret()
	require.NoError(t, err)
	require.Regexp(t, `^whsec_[A-Za-z0-9+/]{43}=$`, secret)
	raw := old.seal(shop, endpoint, secret)
	require.NotContains(t, string(raw), secret)
	require.NotEqual(t, raw, old.seal(shop, endpoint, secret))
	for _, k := range []*Keys{old, both} {
		opened, err := k.open(shop, endpoint, raw)
		require.NoError(t, err)
		require.Equal(t, secret, opened)
	}
	for name, open := range map[string]func() (string, error){
		"another key":      func() (string, error) { return other.open(shop, endpoint, raw) },
		"no key":           func() (string, error) { return (*Keys)(nil).open(shop, endpoint, raw) },
		"another endpoint": func() (string, error) { return old.open(shop, uuid.New(), raw) },
		"another business": func() (string, error) { return old.open(uuid.New(), endpoint, raw) },
		"a changed byte": func() (string, error) {
			return old.open(shop, endpoint, append(raw[:len(raw)-1:len(raw)-1], raw[len(raw)-1]^1))
		},
		"cut off": func() (string, error) { return old.open(shop, endpoint, raw[:5]) },
		"nothing": func() (string, error) { return old.open(shop, endpoint, nil) },
	} {
		_, err := open()
		require.ErrorIs(t, err, ErrSecret, name)
	}
	for _, text := range []string{"short", strings.Repeat("a", 32) + ",", "," + strings.Repeat("a", 32)} {
		_, err := ParseKeys(text)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "aaa", "an error shows no key")
	}
	none, err := ParseKeys(" ")
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestTheLastAttemptIsAfterThreeDays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		age, attempts := time.Duration(0), 0
		for attempts = 1; ; attempts++ {
			require.Less(r, attempts, 50)
			took := time.Duration(rapid.Int64Range(0, int64(15*time.Second)).Draw(r, "took"))
			asked := time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(r, "asked")) * time.Duration(rapid.IntRange(0, 1).Draw(r, "asks"))
			wait, ok := nextWait(attempts, age+took, asked)
			if !ok {
				require.GreaterOrEqual(r, age+took, GiveUpAfter)
				break
			}
			require.Greater(r, wait, time.Duration(0))
			require.LessOrEqual(r, age+took+wait, GiveUpAfter, "never later than three days")
			if age+took+wait < GiveUpAfter {
				require.GreaterOrEqual(r, wait, min(asked, maxRetryAfter))
			}
			age += took + wait
		}
	})
	total := time.Duration(0)
	for n := 1; ; n++ {
		wait, ok := nextWait(n, total, 0)
		if !ok {
			require.GreaterOrEqual(t, n, 12, "attempts in three days")
			require.LessOrEqual(t, n, 14)
			break
		}
		total += wait
	}
	require.Equal(t, GiveUpAfter, total)
}

func TestAnEndpointThatKeepsFailingIsLeftAloneLongerAndLonger(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{0: 0, 2: 0, 3: 30 * time.Second, 4: time.Minute, 8: 16 * time.Minute, 10: time.Hour, 1000: time.Hour} {
		require.Equal(t, want, pauseFor(failures), failures)
	}
}

func TestAnAnswerIsKeptWithoutWhatLooksSecret(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                 "",
		"  Not\tFound \r\n\x00\x1b[31m":    "Not Found [31m",
		"<h1>502 Bad Gateway</h1>":         "<h1>502 Bad Gateway</h1>",
		"secret whsec_abc+/=:":             "secret …:",
		"Authorization: Bearer abc.def":    "Authorization: …",
		"key sk_live_0123456789abcdefghij": "key …",
		"call +233 24 123 4567 please":     "call … please",
		"mail ama@example.com please":      "mail … please",
		"signature v1,g0hM9SsE+OTPJTGt/dh": "signature …",
		"bad \xff byte":                    "bad byte",
	} {
		require.Equal(t, want, redact([]byte(in)), "%q", in)
	}
	require.Len(t, []rune(redact([]byte(strings.Repeat("ɛ ", 1000)))), maxAnswer)
}

func TestOneEndpointTakesTwoPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its clock stands still, however busy the machine is
		s := NewSender(outbound.Config{}, 4)
		shop, busy, other := uuid.New(), uuid.New(), uuid.New()
		var leave []func()
		for range MostAtOnce {
			l, _ := s.Enter(shop, busy)
			require.NotNil(t, l)
			leave = append(leave, l)
		}
		l, first := s.Enter(shop, busy)
		require.Nil(t, l)
		require.GreaterOrEqual(t, first, time.Second)
		for range 1000 {
			l, wait := s.Enter(shop, busy)
			require.Nil(t, l)
			require.LessOrEqual(t, wait, 10*time.Minute)
		}
		_, last := s.Enter(shop, busy)
		require.GreaterOrEqual(t, last, 5*time.Minute, "a long line asks seldom")
		l, _ = s.Enter(shop, other)
		require.NotNil(t, l, "another endpoint has places of its own")
		l()
		leave[0]()
		l, _ = s.Enter(shop, busy)
		require.NotNil(t, l)
		l()
		leave[1]()
		for range 20 { // the line grows shorter
			l, _ := s.Enter(shop, busy)
			l()
		}
		require.Empty(t, s.busy, "nothing is remembered of endpoints where nothing goes on")
	})
}

func TestEndpointsThatHangLeavePlacesToTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewSender(outbound.Config{}, 4)
		mean, kind := uuid.New(), uuid.New() // a business whose endpoints take their time, and another
		var slow []uuid.UUID
		for range 10 {
			endpoint := uuid.New()
			slow = append(slow, endpoint)
			leave, _ := s.Enter(mean, endpoint)
			require.NotNil(t, leave, "nobody knows yet that it is slow")
			<-time.After(AnswerTime - time.Second)
			leave()
		}
		inside := 0
		for _, endpoint := range slow {
			if leave, wait := s.Enter(mean, endpoint); leave != nil {
				inside++
				defer leave()
			} else {
				require.GreaterOrEqual(t, wait, time.Second)
			}
		}
		require.Equal(t, 1, inside, "slow endpoints of one business share a quarter of the places")
		other := uuid.New()
		leave, _ := s.Enter(kind, other)
		<-time.After(3 * time.Second)
		second, _ := s.Enter(kind, other)
		require.Nil(t, second, "it is found to be slow while its first request is under way")
		another, _ := s.Enter(uuid.New(), slow[0])
		require.Nil(t, another, "and slow endpoints of all businesses share a half")
		for range 2 {
			quick, _ := s.Enter(kind, uuid.New())
			require.NotNil(t, quick, "the rest is for those that answer")
			defer quick()
		}
		leave()
		quick, _ := s.Enter(kind, other)
		require.NotNil(t, quick)
		quick()
		require.NotContains(t, s.busy, other, "one quick answer and it is as good as any")
	})
}
