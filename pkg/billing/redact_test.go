package billing_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/billing"
)

func TestNumbersOfPeopleAreRemovedAndDatesAreNot(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Did 0244123456 pay?":                       "Did [removed] pay?",
		"Did +233 (24) 412-3456 pay?":               "Did [removed] pay?",
		"Did 024\u00a0412\u00a03456 pay?":           "Did [removed] pay?",
		"Did 024\u2011412\u20113456 pay?":           "Did [removed] pay?",
		"Did ０２４４１２３４５６ pay?":                       "Did [removed] pay?",
		"Did ٠٢٤٤١٢٣٤٥٦ pay?":                       "Did [removed] pay?",
		"Did 4111 1111 1111 1111 pay?":              "Did [removed] pay?",
		"Did ama@example.com pay?":                  "Did [removed] pay?",
		"Did 2026-01-31 0244123456 pay?":            "Did [removed] pay?",
		"Did 2026-13-01 2026-99-99 pay?":            "Did [removed] pay?",
		"Sales of 2026-01-01 2026-01-31?":           "Sales of 2026-01-01 2026-01-31?",
		"Sales of 2026-01-01-2026-01-31?":           "Sales of 2026-01-01-2026-01-31?",
		"Sales of 1.2.2026-28.2.2026?":              "Sales of 1.2.2026-28.2.2026?",
		"Sales of 01-02-2026 - 28-02-2026?":         "Sales of 01-02-2026 - 28-02-2026?",
		"Sales of 01.02.2026\u201328.02.2026?":      "Sales of 01.02.2026\u201328.02.2026?",
		"Compare 2024 2025 2026, and 1234 of Milo.": "Compare 2024 2025 2026, and 1234 of Milo.",
	} {
		require.Equal(t, want, billing.RedactText(text), "%q", text)
	}
}
