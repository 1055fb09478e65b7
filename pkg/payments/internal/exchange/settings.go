package exchange

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"makola/pkg/payments"
)

// maxSecrets is two, the old and the new one while a secret is rotated.
const maxSecrets = 2

// CheckBaseURL checks the address of an API. Production accepts only the provider's own.
func CheckBaseURL(text, own string, production bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("must be an http or https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("must have no user, query or fragment")
	case production && strings.TrimRight(text, "/") != own:
		return fmt.Errorf("must be %s in production", own)
	}
	return nil
}

// Keys is what a provider's keys look like.
type Keys struct {
	Live      []string           // The prefixes of live keys.
	Simulator payments.SecretKey // The published key of the simulator.
}

// IsLive reports whether the key moves real money.
func (k Keys) IsLive(key payments.SecretKey) bool {
	return slices.ContainsFunc(k.Live, func(prefix string) bool { return strings.HasPrefix(string(key), prefix) })
}

// Check checks one or two API keys. Production takes live keys alone, and nowhere do keys of the two modes stand side by side: the payments of one
// mode are unknown in the other.
func (k Keys) Check(keys []payments.SecretKey, production bool) []error {
	faults := CheckSecrets(keys, k.Simulator, production)
	live := 0
	for i, key := range keys {
		if k.IsLive(key) {
			live++
		}
		if production && strings.TrimSpace(string(key)) != "" && !simulated(key, k.Simulator) && !k.IsLive(key) {
			faults = append(faults, fmt.Errorf("key %d is not a live secret key (%s…)", i+1, k.Live[0]))
		}
	}
	if !production && live > 0 && live < len(keys) {
		faults = append(faults, errors.New("mixes keys of test mode and live mode"))
	}
	return faults
}

// CheckSecrets checks one or two secrets of any form: none is empty, none has white space around or in it, and production takes none of the simulator's,
// which are published.
func CheckSecrets(secrets []payments.SecretKey, simulator payments.SecretKey, production bool) []error {
	var faults []error
	if len(secrets) == 0 || len(secrets) > maxSecrets {
		faults = append(faults, fmt.Errorf("want 1 or %d keys, have %d", maxSecrets, len(secrets)))
	}
	for i, secret := range secrets {
		switch text := string(secret); {
		case strings.TrimSpace(text) == "":
			faults = append(faults, fmt.Errorf("key %d is empty", i+1))
		case strings.TrimSpace(text) != text || strings.ContainsAny(text, "\r\n\t "):
			faults = append(faults, fmt.Errorf("key %d contains white space", i+1))
		case production && simulated(secret, simulator):
			faults = append(faults, fmt.Errorf("key %d belongs to the simulator", i+1))
		}
	}
	return faults
}

// Name puts the variable in front of each fault.
func Name(variable string, faults ...error) error {
	var named []error
	for _, err := range faults {
		if err != nil {
			named = append(named, fmt.Errorf("%s: %w", variable, err))
		}
	}
	return errors.Join(named...)
}

func simulated(key, simulator payments.SecretKey) bool {
	return key == simulator || strings.Contains(string(key), "simulator")
}
