package workerapp

import (
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/service"
)

func TestNarrow(t *testing.T) {
	t.Parallel()
	has := []string{"inventory", "sales"}
	tests := map[string]struct {
		wanted, want []string
		err          string
	}{
		"all by default":          {nil, has, ""},
		"one alone":               {[]string{"sales"}, []string{"sales"}, ""},
		"named twice counts once": {[]string{"sales", "sales"}, []string{"sales"}, ""},
		"another worker's queue":  {[]string{"sales", "reports"}, nil, `QUEUES names "reports"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := narrow(has, tt.wanted)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestConfigListsEveryFault(t *testing.T) {
	t.Parallel()
	var cfg Config
	err := service.Load(&cfg, []string{"TASKS_SHORT=0", "TASKS_LONG=1000", "SHUTDOWN_TIMEOUT=1ms"})
	for _, variable := range []string{"DATABASE_URL", "AMQP_URL", "TASKS_SHORT", "TASKS_LONG", "SHUTDOWN_TIMEOUT"} {
		require.ErrorContains(t, err, variable)
	}
	require.NoError(t, service.Load(&cfg, []string{"DATABASE_URL=postgres://x", "AMQP_URL=amqp://x", "QUEUES=inventory,sales"}))
	require.Equal(t, []string{"inventory", "sales"}, cfg.Consume.Queues)
	require.Equal(t, 8, cfg.Consume.Short)
}
