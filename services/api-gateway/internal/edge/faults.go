package edge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"makola/pkg/problem"
)

// faults turns what the validator found into one FieldError per value at fault. Values themselves are never repeated: one may be a password.
func (o *Operation) faults(err error) []problem.FieldError {
	if many, ok := err.(openapi3.MultiError); ok { //nolint:errorlint // the outermost one: each RequestError may hold another of its own
		var all []problem.FieldError
		for _, e := range many {
			all = append(all, o.faults(e)...)
		}
		return all
	}
	request, ok := errors.AsType[*openapi3filter.RequestError](err)
	if !ok {
		return []problem.FieldError{{Code: "invalid", Message: "does not match the API's description"}}
	}
	causes := leaves(request.Err)
	if p := request.Parameter; p != nil {
		switch {
		case len(causes) > 0:
			code, message := words(causes[0].ErrorKind)
			return []problem.FieldError{{Field: p.Name, Code: code, Message: message}}
		case errors.Is(request.Err, openapi3filter.ErrInvalidRequired):
			return []problem.FieldError{{Field: p.Name, Code: "required", Message: "is missing"}}
		}
		return []problem.FieldError{{Field: p.Name, Code: "wrong_type", Message: "must be " + typeName(p.Schema)}}
	}
	var all []problem.FieldError
	for _, cause := range causes {
		all = append(all, o.bodyFault(cause)...)
	}
	if len(all) == 0 {
		return []problem.FieldError{{Code: "invalid", Message: "does not match the API's description"}}
	}
	return all
}

// leaves returns the innermost causes: the validator wraps them in one SchemaError for each level of the schema, whose Origin holds those beneath.
func leaves(err error) []*jsonschema.ValidationError {
	switch e := err.(type) { //nolint:errorlint // walks the tree level by level, where errors.As would take the first leaf it finds
	case openapi3.MultiError:
		var all []*jsonschema.ValidationError
		for _, cause := range e {
			all = append(all, leaves(cause)...)
		}
		return all
	case *openapi3.SchemaError:
		if e.Origin != nil {
			return leaves(errors.Unwrap(e.Origin))
		}
		if v, ok := errors.AsType[*jsonschema.ValidationError](e); ok {
			return []*jsonschema.ValidationError{v}
		}
	}
	return nil
}

func (o *Operation) bodyFault(v *jsonschema.ValidationError) []problem.FieldError {
	at := ""
	for _, part := range v.InstanceLocation {
		at += "/" + escapePointer(part)
	}
	var names []string
	code, message := words(v.ErrorKind)
	switch k := v.ErrorKind.(type) {
	case *kind.Required:
		names = k.Missing
	case *kind.AdditionalProperties:
		names = k.Properties
	default:
		field := ""
		if n := len(v.InstanceLocation); n > 0 {
			field = v.InstanceLocation[n-1]
		}
		return []problem.FieldError{{Pointer: at, Field: field, Code: code, Message: message}}
	}
	var all []problem.FieldError
	for _, name := range names {
		f := problem.FieldError{Pointer: at + "/" + escapePointer(name), Field: name, Code: code, Message: message}
		if near := o.meant(name); code == "unknown" && near != "" {
			f.Message += fmt.Sprintf("; did you mean %q?", near)
		}
		all = append(all, f)
	}
	return all
}

// meant finds the member that an unknown name differs from in letter case alone.
func (o *Operation) meant(name string) string {
	for known := range o.body.Properties {
		if strings.EqualFold(known, name) {
			return known
		}
	}
	return ""
}

// words says what a rule asks for.
func words(k jsonschema.ErrorKind) (code, message string) {
	switch k := k.(type) {
	case *kind.Required:
		return "required", "is missing"
	case *kind.AdditionalProperties:
		return "unknown", "is not a known member"
	case *kind.Type:
		return "wrong_type", fmt.Sprintf("must be %s, not %s", article(strings.Join(k.Want, " or ")), article(k.Got))
	case *kind.Enum:
		var want []string
		for _, w := range k.Want {
			want = append(want, fmt.Sprint(w))
		}
		return "not_allowed", "must be one of " + strings.Join(want, ", ")
	case *kind.MinLength:
		if k.Want == 1 {
			return "too_short", "must not be empty"
		}
		return "too_short", fmt.Sprintf("must have at least %d characters", k.Want)
	case *kind.MaxLength:
		return "too_long", fmt.Sprintf("must have at most %d characters", k.Want)
	case *kind.Minimum:
		return "too_small", "must be at least " + k.Want.RatString()
	case *kind.Maximum:
		return "too_large", "must be at most " + k.Want.RatString()
	default:
		return "invalid", "is not of the form that is described"
	}
}

func typeName(s *openapi3.SchemaRef) string {
	if s == nil || s.Value == nil || s.Value.Type == nil {
		return "of another type"
	}
	return article(strings.Join(s.Value.Type.Slice(), " or "))
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
