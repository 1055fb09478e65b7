package service

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Setting documents one configuration variable.
type Setting struct {
	// Variable is the environment variable's name.
	Variable string `json:"variable"`
	// Type says in words what a value looks like.
	Type string `json:"type"`
	// Default is the value used when the variable is unset; empty when there is none.
	Default string `json:"default,omitempty"`
	// Required is true when the service does not start without it.
	Required bool `json:"required,omitempty"`
	// Secret is true when the value is never printed and Variable_FILE works too.
	Secret bool `json:"secret,omitempty"`
	// Group is the Go path of the struct the setting belongs to, for example "PG"; empty for the service's own.
	Group string `json:"group,omitempty"`
	// Doc says what the setting does and why one would change it.
	Doc string `json:"doc,omitempty"`
}

// DescribeConfig lists the settings of cfg, a configuration struct or a pointer to one, in the order of its fields.
// The sentences come from the doc tags, because reflection cannot see comments.
func DescribeConfig(cfg any) []Setting {
	v := reflect.Indirect(reflect.ValueOf(cfg))
	var settings []Setting
	walk(v, "", "", func(f field) {
		settings = append(settings, Setting{
			Variable: f.variable, Type: typeName(f.Type), Default: f.fallback, Required: f.required && !f.hasFall,
			Secret: f.secret, Group: f.group, Doc: f.Tag.Get("doc"),
		})
	}, nil)
	return settings
}

// typeName says in words what a value of type t looks like.
func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() != reflect.String && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return strings.ToLower(t.Name())
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "whole number"
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem())
	case t.Kind() == reflect.String:
		return "text"
	default:
		return strings.ToLower(t.Name())
	}
}

// expectation is the remedy for a value that cannot be read as type t.
func expectation(t reflect.Type) string {
	switch name := typeName(t); name {
	case "duration":
		return `write a duration such as "500ms", "30s" or "5m"`
	case "whole number":
		return "write a whole number that fits " + t.Kind().String()
	case "true or false":
		return "write true or false"
	default:
		return fmt.Sprintf("write a %s", name)
	}
}

func docHint(f field) string {
	if doc := f.Tag.Get("doc"); doc != "" {
		return ` (` + strings.TrimSuffix(doc, ".") + `)`
	}
	return ""
}

func fileHint(f field) string {
	if f.secret {
		return ", or " + f.variable + "_FILE to the path of a file that holds it"
	}
	return ""
}

func separator(f field) string {
	if s := f.Tag.Get("envSeparator"); s != "" {
		return s
	}
	return ","
}
