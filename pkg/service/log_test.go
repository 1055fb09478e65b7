package service_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/service"
)

func TestLogLinesCarryTheContextsFacts(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := service.NewLogger(&out, slog.LevelInfo).With("service", "x")
	ctx := service.WithLogAttrs(t.Context(), slog.String(service.LogTaskID, "t1"), slog.Int(service.LogAttempt, 1))
	inner := service.WithLogAttrs(ctx, slog.Int(service.LogAttempt, 2), slog.String(service.LogTenantID, "b1"))

	log.InfoContext(inner, "inner")
	log.InfoContext(ctx, "outer")
	log.DebugContext(ctx, "below the level")

	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2)
	var first, second map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &second))
	require.Equal(t, "t1", first["task_id"])
	require.Equal(t, "b1", first["tenant_id"])
	require.EqualValues(t, 2, first["attempt"])
	require.Equal(t, 1, strings.Count(lines[0], `"attempt"`), "a later value replaces the earlier one")
	require.EqualValues(t, 1, second["attempt"], "the outer context is unchanged")
	require.Equal(t, "x", second["service"])
}
