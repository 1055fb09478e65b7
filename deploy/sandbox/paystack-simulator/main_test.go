package main

import (
	"context"
	"strings"
	"testing"
)

func TestProductionIsRefused(t *testing.T) {
	for _, name := range []string{"production", "Production", " production "} {
		t.Setenv("MAKOLA_ENV", name)
		if err := run(t.Context()); err == nil || !strings.Contains(err.Error(), "production") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestLiveKeyIsRefusedAndNotShown(t *testing.T) {
	t.Setenv("PAYSTACK_SECRET_KEY", "sk_live_hidden")
	if err := run(t.Context()); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%v", err)
	}
}

func TestStopsCleanlyOnItsSignal(t *testing.T) {
	t.Setenv("LISTEN_ADDR", "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx); err != nil {
		t.Errorf("%v", err)
	}
}
