package celery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Classes of an ArgumentError: the Python exceptions that a Python task would have raised.
const (
	TypeError  = "TypeError"
	ValueError = "ValueError"
)

// ArgumentError says that a message's arguments do not fit the task's contract. It is permanent, and its text holds no argument values, so that it
// may be stored, logged and sent to the client.
type ArgumentError struct {
	// Param is the parameter's name, as the contract spells it; empty when the fault is in the call as a whole.
	Param string
	// Class is TypeError or ValueError.
	Class string
	// Problem is for people.
	Problem string
}

// Error gives the parameter and the problem.
func (e *ArgumentError) Error() string {
	if e.Param == "" {
		return "arguments: " + e.Problem
	}
	return "argument " + e.Param + ": " + e.Problem
}

// ArgsToProto fills dst, which must be empty, from a message's arguments. Positional ones go to the fields in field-number order, named ones by
// their proto name (snake_case) or JSON name; unknown names are ignored, because a newer publisher may be ahead; null leaves a field unset.
//
// Integers are read from their text and never pass through a float. A number given for a string field keeps its text (12.30 stays "12.30"), which is
// how decimals arrive from clients that do not quote them. Times may be naive (UTC). Lists, maps and messages follow protobuf's JSON mapping.
// Values that newer Python clients tag with their type ({"__type__": "decimal", …}) are unwrapped.
// Whatever it accepts, ProtoToKwargs can write. The error is an *ArgumentError; dst is then partly filled.
func ArgsToProto(m *Message, dst proto.Message) error {
	r := dst.ProtoReflect()
	fields := r.Descriptor().Fields()
	params := make([]protoreflect.FieldDescriptor, fields.Len())
	for i := range params {
		params[i] = fields.Get(i)
	}
	slices.SortFunc(params, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })

	var args []json.RawMessage
	if err := json.Unmarshal(orEmpty(m.Args, "[]"), &args); err != nil {
		return &ArgumentError{Class: TypeError, Problem: "args is not a list"}
	}
	if len(args) > len(params) {
		return &ArgumentError{Class: TypeError, Problem: fmt.Sprintf("takes %d positional arguments but %d were given", len(params), len(args))}
	}
	kwargs, err := members(orEmpty(m.Kwargs, "{}"))
	if err != nil {
		return &ArgumentError{Class: TypeError, Problem: "kwargs is not an object"}
	}
	given := make(map[protoreflect.FieldNumber]bool, len(args)+len(kwargs))
	for i, raw := range args {
		if err := setParam(r, params[i], raw, given); err != nil {
			return err
		}
	}
	for _, kw := range kwargs {
		fd := fields.ByName(protoreflect.Name(kw.name))
		if fd == nil {
			fd = fields.ByJSONName(kw.name)
		}
		if fd == nil {
			continue
		}
		if err := setParam(r, fd, kw.raw, given); err != nil {
			return err
		}
	}
	return nil
}

// setParam sets one field, once.
func setParam(r protoreflect.Message, fd protoreflect.FieldDescriptor, raw json.RawMessage, given map[protoreflect.FieldNumber]bool) error {
	fail := func(class, problem string) error {
		return &ArgumentError{Param: string(fd.Name()), Class: class, Problem: problem}
	}
	if given[fd.Number()] {
		return fail(TypeError, "given twice")
	}
	given[fd.Number()] = true
	if absent(raw) {
		return nil
	}
	if one := fd.ContainingOneof(); one != nil && r.WhichOneof(one) != nil {
		return fail(TypeError, "excludes another argument that was given as well")
	}
	if fd.IsList() || fd.IsMap() {
		return setByJSON(r, fd, raw)
	}
	raw = untag(raw)
	switch fd.Kind() {
	case protoreflect.StringKind:
		s, ok := text(raw)
		if !ok {
			return fail(TypeError, "must be a string")
		}
		if strings.IndexByte(s, 0) >= 0 {
			return fail(ValueError, "holds a NUL character")
		}
		r.Set(fd, protoreflect.ValueOfString(s))
	case protoreflect.BoolKind:
		if c := first(raw); c != 't' && c != 'f' {
			return fail(TypeError, "must be a boolean")
		}
		r.Set(fd, protoreflect.ValueOfBool(first(raw) == 't'))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		v, class := whole(fd.Kind(), raw)
		if class != "" {
			return fail(class, "must be an integer in the range of "+fd.Kind().String())
		}
		r.Set(fd, v)
	case protoreflect.MessageKind:
		return setByJSON(r, fd, moment(fd, raw))
	default: // enums, bytes, floating point
		return setByJSON(r, fd, raw)
	}
	return nil
}

// setByJSON leaves a field to protobuf's JSON mapping. What that says about a fault may quote the value, so it is not repeated.
func setByJSON(r protoreflect.Message, fd protoreflect.FieldDescriptor, raw json.RawMessage) error {
	src := r.New().Interface()
	doc := append(append(append(json.RawMessage(`{"`), fd.Name()...), `":`...), raw...)
	// DiscardUnknown would drop an enum's unknown value as well, silently.
	read := protojson.UnmarshalOptions{DiscardUnknown: fd.Kind() != protoreflect.EnumKind}
	if err := read.Unmarshal(append(doc, '}'), src); err != nil {
		class, want := ValueError, "does not fit "+fd.Kind().String()
		switch {
		case fd.IsMap() && first(raw) != '{', fd.IsList() && first(raw) != '[':
			class = TypeError
		case fd.Kind() == protoreflect.MessageKind:
			want = "does not fit " + string(fd.Message().FullName())
		case fd.Kind() == protoreflect.EnumKind:
			want = "is no value of " + string(fd.Enum().FullName())
		}
		return &ArgumentError{Param: string(fd.Name()), Class: class, Problem: want}
	}
	if v := src.ProtoReflect(); v.Has(fd) {
		if err := writeField(new(bytes.Buffer), fd, v.Get(fd)); err != nil { // "NaN", or a NUL deep inside
			return &ArgumentError{Param: string(fd.Name()), Class: ValueError, Problem: "holds a value that cannot be stored"}
		}
		r.Set(fd, v.Get(fd))
	}
	return nil
}

var (
	decimalText = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	wholeText   = regexp.MustCompile(`^-?[0-9]+$`)
)

// text reads a string, or the exact text of a plain decimal number. Exponents are refused: 1e3 is not what anybody meant to write.
func text(raw json.RawMessage) (string, bool) {
	if first(raw) == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	}
	return string(raw), decimalText.Match(raw)
}

// whole reads an integer, or a quoted one for the 64-bit kinds, as protobuf's JSON mapping writes those. class is empty on success.
func whole(kind protoreflect.Kind, raw json.RawMessage) (v protoreflect.Value, class string) {
	digits, bits := string(raw), 64
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		bits = 32
	default:
		if first(raw) == '"' {
			digits, _ = text(raw)
		}
	}
	if !wholeText.MatchString(digits) {
		return v, TypeError
	}
	var err error
	switch kind {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		var n uint64
		if n, err = strconv.ParseUint(digits, 10, bits); bits == 32 {
			v = protoreflect.ValueOfUint32(uint32(n))
		} else {
			v = protoreflect.ValueOfUint64(n)
		}
	default:
		var n int64
		if n, err = strconv.ParseInt(digits, 10, bits); bits == 32 {
			v = protoreflect.ValueOfInt32(int32(n))
		} else {
			v = protoreflect.ValueOfInt64(n)
		}
	}
	if err != nil {
		return v, ValueError
	}
	return v, ""
}

// moment makes a naive time acceptable to protobuf's JSON mapping, which demands a zone.
func moment(fd protoreflect.FieldDescriptor, raw json.RawMessage) json.RawMessage {
	if fd.Message().FullName() != "google.protobuf.Timestamp" || first(raw) != '"' {
		return raw
	}
	s, _ := text(raw)
	t, err := parseTime(s, nil)
	if err != nil {
		return raw
	}
	out, err := encodeJSON(t.Format("2006-01-02T15:04:05.999999999Z07:00"))
	if err != nil {
		return raw
	}
	return out
}

// untag unwraps {"__type__": t, "__value__": v}, as kombu 5.3 and later write what JSON has no type for. A uuid's value is {"hex": …}.
func untag(raw json.RawMessage) json.RawMessage {
	if first(raw) != '{' {
		return raw
	}
	fields, err := members(raw)
	if err != nil || len(fields) != 2 {
		return raw
	}
	tag := map[string]json.RawMessage{fields[0].name: fields[0].raw, fields[1].name: fields[1].raw}
	var kind string
	if tag["__value__"] == nil || json.Unmarshal(tag["__type__"], &kind) != nil {
		return raw
	}
	switch kind {
	case "datetime", "date", "time", "decimal", "bytes":
		return tag["__value__"]
	case "uuid":
		var v struct {
			Hex string `json:"hex"`
		}
		if json.Unmarshal(tag["__value__"], &v) != nil || len(v.Hex) != 32 {
			return raw
		}
		h := v.Hex
		out, err := encodeJSON(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
		if err != nil {
			return raw
		}
		return out
	}
	return raw
}
