package edge

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

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
	body  bool     // it takes a JSON body
	media []string // the types of the file that it takes, if it takes one: its bytes are the handler's to read
	// ID is the operationId. Public operations need no access token.
	ID     string
	Public bool
	// Permission is the operation's x-permission: who may ask for it. It is never empty.
	Permission string
	// Once is the operation's x-idempotency: it honours an Idempotency-Key.
	Once bool
	// Subscription is the operation's x-subscription: SubscriptionActive, SubscriptionGrace, or empty where none is needed.
	Subscription string
}

// The values of x-subscription: while a trial or a paid month runs, and also in the days of grace after one.
const (
	SubscriptionActive = "active"
	SubscriptionGrace  = "grace"
)

// permissionPublic is the x-permission of operations that need no access token.
const permissionPublic = "public"

// NewContract prepares the operations of doc. An error means that a request's schema needs what the validator would not check, or that an operation does not
// say who may ask for it: nothing is open because somebody forgot to close it.
func NewContract(doc *openapi3.T) (*Contract, error) {
	c := &Contract{operations: map[string]*Operation{}}
	// The library checks a 3.1 document with a validator that it compiles anew for every value: 0.25 ms and 60 KiB for a sign-in (BenchmarkCheck). Requests are plain
	// enough to mean the same in 3.0, whose validator costs a fifth; plain sees to it that they stay so. Answers are checked as 3.1, in tests.
	requests := *doc
	requests.OpenAPI = "3.0.3"
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := &Operation{ID: op.OperationID, route: &routers.Route{Spec: &requests, Path: path, PathItem: item, Method: method, Operation: op}}
			security := doc.Security
			if op.Security != nil {
				security = *op.Security
			}
			o.Public = len(security) == 0
			o.Permission, _ = op.Extensions["x-permission"].(string)
			switch {
			case o.Permission == "":
				return nil, fmt.Errorf("operation %s has no x-permission", op.OperationID)
			case o.Public != (o.Permission == permissionPublic):
				return nil, fmt.Errorf("operation %s: x-permission %s and its security disagree on whether it is public", op.OperationID, o.Permission)
			}
			o.Once, _ = op.Extensions["x-idempotency"].(bool)
			if want, ok := op.Extensions["x-subscription"]; ok {
				o.Subscription, _ = want.(string)
				if o.Subscription != SubscriptionActive && o.Subscription != SubscriptionGrace || o.Permission == permissionPublic || o.Permission == "person" {
					return nil, fmt.Errorf("operation %s: x-subscription %v does not exist, or there is no business whose subscription it could be", op.OperationID, want)
				}
			}
			for _, p := range op.Parameters {
				if err := plain(p.Value.Schema); err != nil {
					return nil, fmt.Errorf("operation %s, parameter %s: %w", op.OperationID, p.Value.Name, err)
				}
				if p.Value.In == openapi3.ParameterInQuery {
					o.query = append(o.query, p.Value.Name)
				}
			}
			if op.RequestBody != nil {
				if err := o.takes(op.RequestBody.Value.Content); err != nil {
					return nil, err
				}
			}
			c.operations[method+" "+ginPath(path)] = o
		}
	}
	return c, nil
}

// takes reads what body the operation wants: one JSON value, or a file of one of some types, each of which is described as binary.
func (o *Operation) takes(content openapi3.Content) error {
	if media, ok := content["application/json"]; ok && media.Schema != nil && len(content) == 1 {
		if err := plain(media.Schema); err != nil {
			return fmt.Errorf("operation %s, body: %w", o.ID, err)
		}
		o.body = true
		return nil
	}
	for name, media := range content {
		if name == "application/json" || media.Schema == nil || media.Schema.Value.Format != "binary" {
			return fmt.Errorf("operation %s: want a JSON body or a file", o.ID)
		}
		o.media = append(o.media, name)
	}
	slices.Sort(o.media)
	return nil
}

// Operations returns all operations, in no order.
func (k *Contract) Operations() iter.Seq[*Operation] { return maps.Values(k.operations) }

// plain refuses a schema that says more than the validator of OpenAPI 3.0 understands.
func plain(ref *openapi3.SchemaRef) error {
	s := ref.Value
	switch {
	case len(s.Type.Slice()) != 1 && (len(s.Type.Slice()) != 2 || !s.Type.IncludesNull()): // its null is understood in both
		return fmt.Errorf("want exactly one type, have %v", s.Type.Slice())
	case len(s.AllOf)+len(s.AnyOf)+len(s.OneOf) > 0 || s.Not != nil:
		return errors.New("want no combined schemas")
	case s.Const != nil || s.If != nil || len(s.PrefixItems) > 0 || len(s.PatternProperties) > 0 || len(s.DependentRequired) > 0:
		return errors.New("uses a keyword of OpenAPI 3.1")
	}
	for name, p := range s.Properties {
		if err := plain(p); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if s.Items != nil {
		return plain(s.Items)
	}
	return nil
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
	if o.body {
		if err := readJSON(c.Writer, c.Request); err != nil {
			return err
		}
	}
	request := c.Request
	if len(o.media) > 0 {
		if err := checkFile(c.Request, o.media); err != nil {
			return err
		}
		request = c.Request.WithContext(c.Request.Context()) // a copy without the body, which the library would read into memory, for its check of who asks
		request.Body = nil
	}
	params := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		params[p.Key] = p.Value
	}
	err := openapi3filter.ValidateRequest(c.Request.Context(), &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: o.route,
		Options: &openapi3filter.Options{MultiError: true, ExcludeRequestBody: len(o.media) > 0, KeepValidatedValue: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
	if err == nil {
		return nil
	}
	fields := faults(err)
	slices.SortStableFunc(fields, func(a, b problem.FieldError) int { return strings.Compare(a.Pointer+a.Field, b.Pointer+b.Field) })
	return problem.New(problem.Invalid, "", "", fields...)
}

// checkQuery refuses parameters that nobody reads: a misspelt one would silently do nothing.
func (o *Operation) checkQuery(c *gin.Context) error {
	query, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil { // the library would leave out what it cannot read
		return problem.New(problem.Malformed, "malformed_query", "The parameters after the question mark cannot be read.")
	}
	var fields []problem.FieldError
	for name, values := range query {
		switch {
		case !slices.Contains(o.query, name):
			fields = append(fields, problem.FieldError{Field: name, Code: "unknown", Message: "is not a parameter of this address"})
		case values[0] == "":
			fields = append(fields, problem.FieldError{Field: name, Code: "empty", Message: "must not be empty"})
		case !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0):
			fields = append(fields, problem.FieldError{Field: name, Code: "invalid", Message: "is not valid text"})
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
