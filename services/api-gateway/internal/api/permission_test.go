package api

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	spec "makola/services/api-gateway/api"
	"makola/services/api-gateway/internal/edge"
)

func TestAPermissionThatNobodyHasIsRefused(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(spec.YAML()) // a copy: it is changed
	require.NoError(t, err)
	contract, err := edge.NewContract(doc)
	require.NoError(t, err)
	require.NoError(t, checkPermissions(contract))

	doc.Paths.Find("/api/v1/tasks").Get.Extensions["x-permission"] = "can_do_anything"
	contract, err = edge.NewContract(doc)
	require.NoError(t, err)
	require.ErrorContains(t, checkPermissions(contract), "operation ListTasks: x-permission can_do_anything does not exist")
}
