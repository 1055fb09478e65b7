package spec_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	spec "makola/services/api-gateway/api"
)

func TestDescriptionIsValid(t *testing.T) {
	t.Parallel()
	doc, err := spec.Load()
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	seen := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			require.NotEmpty(t, op.Summary, "%s %s", method, path)
			require.NotEmpty(t, op.Tags, "%s %s", method, path)
			require.False(t, seen[op.OperationID], op.OperationID)
			seen[op.OperationID] = true
		}
	}
	require.NoError(t, exec.CommandContext(t.Context(), "test", "-x", "../gen.sh").Run())
}
