package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOperatorsSeeHowThePaymentProvidersFare(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.Empty(t, decode[[]gatewayLine](r, "gateways"))
	for _, sql := range []string{
		`insert into billing.gateway_health (provider, consecutive_failures, last_success_at, last_error) values ('paystack', 0, now(), 'HTTP 500')`,
		`insert into billing.gateway_health (provider, state, consecutive_failures, opened_at, last_error) values ('stripe', 'OPEN', 5, now(), 'connection refused')`,
		`insert into billing.gateway_probe (id, provider, result, latency_ms, state) values (gen_random_uuid(), 'paystack', 'ok', 87, 'CLOSED')`,
		`insert into billing.gateway_probe (id, provider, result, error, state) values (gen_random_uuid(), 'stripe', 'unavailable', 'connection refused', 'OPEN')`,
	} {
		_, err := r.look.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	out := r.ok("gateways")
	require.Regexp(t, `paystack\s+CLOSED\s+-\s+0\s+ok at [0-9: .-]+\s+87 ms\s+0 of 1`, out)
	require.Regexp(t, `stripe\s+OPEN\s+\d{4}-[0-9: .-]+\s+5\s+unavailable at [0-9: .-]+\s+-\s+1 of 1\s+connection refused`, out)
	require.NotContains(t, out, "HTTP 500", "what was long ago is no error now")
	lines := decode[[]gatewayLine](r, "gateways")
	require.Len(t, lines, 2)
	require.Len(t, lines[1].Outages, 1)
	require.Nil(t, lines[1].Outages[0].ClosedAt)
	code, _, _ := r.run("gateways", "paystack")
	require.Equal(t, exitUsage, code)
}

func TestOperatorsSeeWhatEverybodyDid(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.Empty(t, decode[[]weekLine](r, "activity"))
	_, err := r.look.Exec(t.Context(), `insert into accounts.platform_activity (week_start, businesses, logins, logouts, people, actions, by_action)
		select date '2026-03-16' + 7 * i, 10 * i, 5, 1, 20, 900, '{"LOGIN": 5}' from generate_series(1, 3) i`)
	require.NoError(t, err)
	require.Regexp(t, `(?s)2026-04-06\s+30\s+20\s+5\s+1\s+900.*2026-03-23\s+10\s`, r.ok("activity"))
	lines := decode[[]weekLine](r, "activity", "--weeks", "2")
	require.Len(t, lines, 2)
	require.JSONEq(t, `{"LOGIN": 5}`, string(lines[0].ByAction))
	for _, weeks := range []string{"0", "105", "x"} {
		code, _, _ := r.run("activity", "--weeks", weeks)
		require.Equal(t, exitUsage, code)
	}
}
