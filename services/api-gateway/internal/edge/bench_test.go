package edge

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	spec "makola/services/api-gateway/api"
)

// What checking a request against the description costs, body and parameters.
func BenchmarkCheck(b *testing.B) {
	doc, err := spec.Load()
	require.NoError(b, err)
	contract, err := NewContract(doc)
	require.NoError(b, err)
	for name, tc := range map[string]struct{ operation, path, body string }{
		"login": {"POST /api/v1/auth/login", "/api/v1/auth/login", `{"email":"ama@example.com","password":"correct horse"}`},
		"task":  {"GET /api/v1/tasks/:id", "/api/v1/tasks/0198f3a0-0000-7000-8000-000000000000", ""},
	} {
		b.Run(name, func(b *testing.B) {
			method, _, _ := strings.Cut(tc.operation, " ")
			for b.Loop() {
				c, _ := gin.CreateTestContext(httptest.NewRecorder())
				c.Request = httptest.NewRequest(method, tc.path, strings.NewReader(tc.body))
				c.Request.Header.Set("Content-Type", "application/json")
				c.Params = gin.Params{{Key: "id", Value: "0198f3a0-0000-7000-8000-000000000000"}}
				require.NoError(b, contract.operations[tc.operation].Check(c))
			}
		})
	}
}
