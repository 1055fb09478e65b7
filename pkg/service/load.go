package service

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Fault is one thing wrong with the configuration: which variable, what is wrong, and what to do about it.
type Fault struct {
	Variable, Problem, Remedy string
}

// Error puts the three parts in one line.
func (f *Fault) Error() string {
	if f.Variable == "" {
		return f.Problem
	}
	return f.Variable + " " + f.Problem + "; " + f.Remedy
}

// Invalid makes a Fault for a Validate method. The problem continues a sentence that begins with the variable ("is not a URL") and must
// not repeat a secret; the remedy is an imperative ("write …").
func Invalid(variable, problem, remedy string) error {
	return &Fault{Variable: variable, Problem: problem, Remedy: remedy}
}

// FaultList is every fault of a configuration, in the order of its fields.
type FaultList []error

// Error lists the faults, one per line.
func (l FaultList) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "configuration has %d fault(s):", len(l))
	for _, f := range l {
		b.WriteString("\n  - " + f.Error())
	}
	return b.String()
}

// Unwrap gives the single faults to errors.As.
func (l FaultList) Unwrap() []error { return l }

// Load fills cfg, a pointer to a struct, from environ (as from os.Environ) and validates it and every struct within it. It returns nil or
// a FaultList with all faults. A struct is validated by its Validate method, returning error or []error, and in production also by its ValidateProduction
// method; what they say of a variable that could not be read is left out, because that one is at fault already.
func Load(cfg any, environ []string) error {
	root := reflect.ValueOf(cfg)
	if root.Kind() != reflect.Pointer || root.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("load configuration into %T: want a pointer to a struct", cfg)
	}
	set := make(map[string]string, len(environ))
	for _, kv := range environ {
		if name, value, _ := strings.Cut(kv, "="); value != "" {
			set[name] = value
		}
	}
	l := loader{set: set, production: set["MAKOLA_ENV"] == Production}
	walk(root.Elem(), "", "", l.fill, l.validate)
	if len(l.faults) == 0 {
		return nil
	}
	return l.faults
}

type loader struct {
	set        map[string]string
	production bool
	faults     FaultList
	unread     []string // variables whose fields hold no valid value
}

// fill parses one field. Each is given to the library alone, in a struct made for it, so that every fault can name its variable.
func (l *loader) fill(f field) {
	known := len(l.faults)
	defer func() {
		if len(l.faults) > known {
			l.unread = append(l.unread, f.variable)
		}
	}()
	value, ok := l.lookup(f)
	switch {
	case len(l.faults) > known:
		return
	case !ok && f.required:
		l.fault(f, "is not set", "set it"+fileHint(f)+docHint(f))
		return
	case !ok && !f.hasFall:
		return
	case !ok:
		value = f.fallback
	}
	alone := f.StructField
	alone.Anonymous, alone.Offset, alone.Index = false, 0, nil
	alone.Tag = reflect.StructTag(`env:"V" envSeparator:"` + separator(f) + `"`)
	holder := reflect.New(reflect.StructOf([]reflect.StructField{alone}))
	if err := env.ParseWithOptions(holder.Interface(), env.Options{Environment: map[string]string{"V": value}}); err != nil {
		problem := fmt.Sprintf("is %q", value)
		if f.secret {
			problem = "has a value that cannot be read"
		}
		l.fault(f, problem, expectation(f.Type)+docHint(f))
		return
	}
	f.value.Set(holder.Elem().Field(0))
}

// lookup finds the field's value in its variable or, for a secret, in the file its _FILE variable names. A trailing line break is not part of it.
func (l *loader) lookup(f field) (string, bool) {
	value, ok := l.set[f.variable]
	file, fileOK := l.set[f.variable+"_FILE"]
	if !f.secret || !fileOK {
		return value, ok
	}
	if ok {
		l.fault(f, "is set, and so is "+f.variable+"_FILE", "keep one of the two")
		return "", false
	}
	content, err := os.ReadFile(file) //nolint:gosec // the file that the operator names in NAME_FILE
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		l.faults = append(l.faults, &Fault{f.variable + "_FILE", fmt.Sprintf("names %q, which cannot be read: %v", file, err), "name a readable file"})
		return "", false
	}
	value = strings.TrimRight(string(content), "\r\n")
	return value, value != ""
}

func (l *loader) fault(f field, problem, remedy string) {
	l.faults = append(l.faults, &Fault{f.variable, problem, remedy})
}

// validate runs a struct's own checks. An embedding struct inherits the methods of what it embeds, so a fault already listed is not listed twice.
func (l *loader) validate(v reflect.Value) {
	var found []error
	switch c := v.Addr().Interface().(type) {
	case interface{ Validate() []error }:
		found = c.Validate()
	case interface{ Validate() error }:
		found = []error{c.Validate()}
	}
	if c, ok := v.Addr().Interface().(interface{ ValidateProduction() []error }); ok && l.production {
		found = append(found, c.ValidateProduction()...)
	}
	for _, err := range flatten(found) {
		listed := func(other error) bool { return other.Error() == err.Error() }
		if !l.alreadyAtFault(err) && !slices.ContainsFunc(l.faults, listed) {
			l.faults = append(l.faults, err)
		}
	}
}

// alreadyAtFault reports whether err speaks of a variable that could not be read at all: its field holds nothing worth checking, and one fault a variable is enough.
func (l *loader) alreadyAtFault(err error) bool {
	return slices.ContainsFunc(l.unread, func(name string) bool {
		return strings.HasPrefix(err.Error(), name+" ") || strings.HasPrefix(err.Error(), name+":")
	})
}

// flatten takes joined errors apart, so that each fault has a line of its own.
func flatten(errs []error) (all []error) {
	for _, err := range errs {
		switch joined, ok := err.(interface{ Unwrap() []error }); {
		case err == nil:
		case ok && strings.Contains(err.Error(), "\n"): // errors.Join; a wrapped pair is one sentence
			all = append(all, flatten(joined.Unwrap())...)
		default:
			all = append(all, err)
		}
	}
	return all
}
