package edge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"

	"makola/pkg/problem"
)

// Contract checks requests against the API's description. It finds an operation by the route that gin matched, so there is one router and not two that may
// disagree. Safe for concurrent use.
type Contract struct {
	operations map[string]*Operation // by "GET /api/v1/tasks/:id"
}

// Operation is one method of one address.
type Operation struct {
	route *routers.Route
	query []string // the names of the parameters it takes in the query
	body  *openapi3.Schema
	// ID is the operationId. Public operations need no access token.
	ID     string
	Public bool
}

// NewContract prepares the operations of doc.
func NewContract(doc *openapi3.T) (*Contract, error) {
	c := &Contract{operations: map[string]*Operation{}}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := &Operation{ID: op.OperationID, route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op}}
			security := doc.Security
			if op.Security != nil {
				security = *op.Security
			}
			o.Public = len(security) == 0
			for _, p := range op.Parameters {
				if p.Value.In == openapi3.ParameterInQuery {
					o.query = append(o.query, p.Value.Name)
				}
			}
			if op.RequestBody != nil {
				media := op.RequestBody.Value.Content.Get("application/json")
				if media == nil || media.Schema == nil {
					return nil, fmt.Errorf("operation %s: want a JSON body", op.OperationID)
				}
				o.body = media.Schema.Value
			}
			c.operations[method+" "+ginPath(path)] = o
		}
	}
	return c, nil
}

// ginPath writes /tasks/{id} as /tasks/:id.
func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// Operation returns the operation that gin matched. A route without one is a programmer's mistake: it would go unchecked.
func (k *Contract) Operation(c *gin.Context) (*Operation, error) {
	o := k.operations[c.Request.Method+" "+c.FullPath()]
	if o == nil {
		return nil, fmt.Errorf("route %s %s is not in openapi.yaml", c.Request.Method, c.FullPath())
	}
	return o, nil
}

// Check refuses a request that the operation does not describe, and names everything that is wrong with it.
func (o *Operation) Check(c *gin.Context) error {
	if err := o.checkQuery(c); err != nil {
		return err
	}
	if o.body != nil {
		if err := readJSON(c.Writer, c.Request); err != nil {
			return err
		}
	}
	params := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		params[p.Key] = p.Value
	}
	err := openapi3filter.ValidateRequest(c.Request.Context(), &openapi3filter.RequestValidationInput{
		Request: c.Request, PathParams: params, Route: o.route,
		Options: &openapi3filter.Options{MultiError: true, KeepValidatedValue: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
	if err == nil {
		return nil
	}
	fields := o.faults(err)
	slices.SortStableFunc(fields, func(a, b problem.FieldError) int { return strings.Compare(a.Pointer+a.Field, b.Pointer+b.Field) })
	return problem.New(problem.Invalid, "", "", fields...)
}

// checkQuery refuses parameters that nobody reads: a misspelt one would silently do nothing.
func (o *Operation) checkQuery(c *gin.Context) error {
	var fields []problem.FieldError
	for name, values := range c.Request.URL.Query() {
		switch {
		case !slices.Contains(o.query, name):
			fields = append(fields, problem.FieldError{Field: name, Code: "unknown", Message: "is not a parameter of this address"})
		case values[0] == "":
			fields = append(fields, problem.FieldError{Field: name, Code: "empty", Message: "must not be empty"})
		case len(values) > 1:
			fields = append(fields, problem.FieldError{Field: name, Code: "duplicate", Message: "is there twice"})
		}
	}
	if len(fields) == 0 {
		return nil
	}
	slices.SortFunc(fields, func(a, b problem.FieldError) int { return strings.Compare(a.Field, b.Field) })
	return problem.New(problem.Invalid, "", "", fields...)
}
