package edge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"makola/pkg/problem"
)

// faults turns what the validator found into one FieldError per value at fault. Values themselves are never repeated: one may be a password.
func faults(err error) []problem.FieldError {
	if many, ok := err.(openapi3.MultiError); ok { //nolint:errorlint // the outermost one: each RequestError may hold another of its own
		var all []problem.FieldError
		for _, e := range many {
			all = append(all, faults(e)...)
		}
		return all
	}
	request, ok := errors.AsType[*openapi3filter.RequestError](err)
	if !ok {
		return []problem.FieldError{{Code: "invalid", Message: "does not match the API's description"}}
	}
	causes := schemaErrors(request.Err)
	if p := request.Parameter; p != nil {
		switch {
		case len(causes) > 0:
			code, message := words(causes[0])
			return []problem.FieldError{{Field: p.Name, Code: code, Message: message}}
		case errors.Is(request.Err, openapi3filter.ErrInvalidRequired):
			return []problem.FieldError{{Field: p.Name, Code: "required", Message: "is missing"}}
		}
		return []problem.FieldError{{Field: p.Name, Code: "wrong_type", Message: "must be " + typeName(p.Schema.Value)}}
	}
	var all []problem.FieldError
	seen := map[string]bool{}
	for _, cause := range causes {
		for _, f := range bodyFaults(cause) {
			if !seen[f.Pointer+" "+f.Code] {
				seen[f.Pointer+" "+f.Code] = true
				all = append(all, f)
			}
		}
	}
	if len(all) == 0 {
		return []problem.FieldError{{Code: "invalid", Message: "does not match the API's description"}}
	}
	return all
}

func schemaErrors(err error) []*openapi3.SchemaError {
	switch e := err.(type) { //nolint:errorlint // walks the tree level by level, where errors.As would take the first leaf it finds
	case openapi3.MultiError:
		var all []*openapi3.SchemaError
		for _, cause := range e {
			all = append(all, schemaErrors(cause)...)
		}
		return all
	case *openapi3.SchemaError:
		return []*openapi3.SchemaError{e}
	}
	return nil
}

func bodyFaults(e *openapi3.SchemaError) []problem.FieldError {
	at, field := "", ""
	for _, part := range e.JSONPointer() {
		at, field = at+"/"+escapePointer(part), part
	}
	if e.SchemaField == "properties" {
		return unknownMembers(e, at)
	}
	code, message := words(e)
	return []problem.FieldError{{Pointer: at, Field: field, Code: code, Message: message}}
}

// unknownMembers names every member that the object may not have.
func unknownMembers(e *openapi3.SchemaError, at string) []problem.FieldError {
	var all []problem.FieldError
	object, _ := e.Value.(map[string]any)
	for name := range object {
		if _, known := e.Schema.Properties[name]; known {
			continue
		}
		f := problem.FieldError{Pointer: at + "/" + escapePointer(name), Field: name, Code: "unknown", Message: "is not a known member"}
		for known := range e.Schema.Properties {
			if strings.EqualFold(known, name) {
				f.Message += fmt.Sprintf("; did you mean %q?", known)
			}
		}
		all = append(all, f)
	}
	return all
}

// words says what a rule asks for.
func words(e *openapi3.SchemaError) (code, message string) {
	s := e.Schema
	switch e.SchemaField {
	case "required":
		return "required", "is missing"
	case "type":
		return "wrong_type", fmt.Sprintf("must be %s, not %s", typeName(s), article(jsonType(e.Value)))
	case "nullable":
		return "wrong_type", fmt.Sprintf("must be %s, not null", typeName(s))
	case "enum":
		want := make([]string, len(s.Enum))
		for i, w := range s.Enum {
			want[i] = fmt.Sprint(w)
		}
		return "not_allowed", "must be one of " + strings.Join(want, ", ")
	case "minLength":
		if s.MinLength == 1 {
			return "too_short", "must not be empty"
		}
		return "too_short", fmt.Sprintf("must have at least %d characters", s.MinLength)
	case "maxLength":
		return "too_long", fmt.Sprintf("must have at most %d characters", *s.MaxLength)
	case "minimum":
		return "too_small", fmt.Sprintf("must be at least %v", *s.Min)
	case "maximum":
		return "too_large", fmt.Sprintf("must be at most %v", *s.Max)
	default:
		return "invalid", "is not of the form that is described"
	}
}

func typeName(s *openapi3.Schema) string { return article(strings.Join(s.Type.Slice(), " or ")) }

func jsonType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	default:
		return "number"
	}
}

func article(noun string) string {
	switch {
	case noun == "null":
		return noun
	case strings.ContainsAny(noun[:min(1, len(noun))], "aeio"):
		return "an " + noun
	}
	return "a " + noun
}
