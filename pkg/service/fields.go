package service

import (
	"reflect"
	"strings"
)

// field is one leaf of a configuration struct: a struct field with an env tag.
type field struct {
	reflect.StructField
	value    reflect.Value // settable when the walk began at a pointer
	variable string        // with every prefix applied
	fallback string
	hasFall  bool
	required bool
	secret   bool
	group    string // the Go path of the struct it stands in; empty at the top
}

// walk visits every leaf of the struct v in source order, then the struct itself (children before parents).
func walk(v reflect.Value, prefix, group string, leaf func(field), node func(reflect.Value)) {
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			continue
		}
		tag, tagged := sf.Tag.Lookup("env")
		if !tagged {
			if sf.Type.Kind() == reflect.Struct {
				walk(v.Field(i), prefix+sf.Tag.Get("envPrefix"), join(group, sf), leaf, node)
			}
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "-" { // set in code
			continue
		}
		fallback, hasFall := sf.Tag.Lookup("envDefault")
		leaf(field{
			StructField: sf, value: v.Field(i), variable: prefix + name, group: group,
			fallback: fallback, hasFall: hasFall,
			required: hasOption(options, "required") || hasOption(options, "notEmpty"),
			secret:   sf.Tag.Get("secret") == "true" || sf.Type == reflect.TypeFor[Secret](),
		})
	}
	if node != nil {
		node(v)
	}
}

func join(group string, sf reflect.StructField) string {
	if sf.Anonymous {
		return group
	}
	return strings.TrimPrefix(group+"."+sf.Name, ".")
}

func hasOption(options, want string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if o == want {
			return true
		}
	}
	return false
}
