package celery

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ProtoToKwargs writes a message as keyword arguments: snake_case names in field-number order, unset fields left out (a field without presence
// counts as unset when it has its default).
//
// It is protobuf's JSON mapping with one difference: 64-bit integers are JSON numbers, because Python code expects int and not str. Every JSON
// reader for protobuf accepts both. The output is deterministic. Errors: NaN and infinities, which JSON cannot say, invalid
// UTF-8, and NUL characters, which PostgreSQL cannot store.
func ProtoToKwargs(msg proto.Message) (json.RawMessage, error) {
	if msg == nil {
		return json.RawMessage("{}"), nil
	}
	var b bytes.Buffer
	if err := writeMessage(&b, msg.ProtoReflect(), isSet); err != nil {
		return nil, fmt.Errorf("write arguments of %s: %w", msg.ProtoReflect().Descriptor().FullName(), err)
	}
	return b.Bytes(), nil
}

// ProtoToResult writes a message as a task's result: like ProtoToKwargs, but fields without presence are always there, because whoever reads a
// result wants to see a count of 0 and not a gap.
func ProtoToResult(msg proto.Message) (json.RawMessage, error) {
	if msg == nil || !msg.ProtoReflect().IsValid() {
		return json.RawMessage("{}"), nil
	}
	var b bytes.Buffer
	if err := writeMessage(&b, msg.ProtoReflect(), isSetOrPlain); err != nil {
		return nil, fmt.Errorf("write result %s: %w", msg.ProtoReflect().Descriptor().FullName(), err)
	}
	return b.Bytes(), nil
}

// isSet and isSetOrPlain choose the fields that writeMessage writes.
func isSet(m protoreflect.Message, fd protoreflect.FieldDescriptor) bool { return m.Has(fd) }

func isSetOrPlain(m protoreflect.Message, fd protoreflect.FieldDescriptor) bool {
	return m.Has(fd) || !fd.HasPresence() && !fd.IsList() && !fd.IsMap()
}

func writeMessage(b *bytes.Buffer, m protoreflect.Message, wanted func(protoreflect.Message, protoreflect.FieldDescriptor) bool) error {
	if m.Descriptor().FullName().Parent() == "google.protobuf" { // Timestamp, Duration, Struct and the like have JSON forms of their own
		raw, err := protojson.Marshal(m.Interface())
		if err != nil {
			return err
		}
		if err := checkText(raw); err != nil {
			return err
		}
		return json.Compact(b, raw) // protojson spaces its output at random
	}
	var set []protoreflect.FieldDescriptor
	for i, fields := 0, m.Descriptor().Fields(); i < fields.Len(); i++ {
		if fd := fields.Get(i); wanted(m, fd) {
			set = append(set, fd)
		}
	}
	slices.SortFunc(set, func(a, c protoreflect.FieldDescriptor) int { return int(a.Number()) - int(c.Number()) })
	b.WriteByte('{')
	for i, fd := range set {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeString(b, string(fd.Name())); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeField(b, fd, m.Get(fd)); err != nil {
			return fmt.Errorf("field %s: %w", fd.Name(), err)
		}
	}
	b.WriteByte('}')
	return nil
}

func writeField(b *bytes.Buffer, fd protoreflect.FieldDescriptor, v protoreflect.Value) error {
	switch {
	case fd.IsList():
		b.WriteByte('[')
		for i := range v.List().Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeValue(b, fd, v.List().Get(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case fd.IsMap():
		return writeMap(b, fd, v.Map())
	default:
		return writeValue(b, fd, v)
	}
}

func writeMap(b *bytes.Buffer, fd protoreflect.FieldDescriptor, m protoreflect.Map) error {
	var keys []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(a, c protoreflect.MapKey) int { return bytes.Compare([]byte(a.String()), []byte(c.String())) })
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeString(b, k.String()); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeValue(b, fd.MapValue(), m.Get(k)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func writeValue(b *bytes.Buffer, fd protoreflect.FieldDescriptor, v protoreflect.Value) error {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return writeString(b, v.String())
	case protoreflect.BytesKind:
		return writeString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
	case protoreflect.BoolKind:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case protoreflect.EnumKind:
		switch e := fd.Enum().Values().ByNumber(v.Enum()); {
		case fd.Enum().FullName() == "google.protobuf.NullValue":
			b.WriteString("null")
		case e != nil:
			return writeString(b, string(e.Name()))
		default:
			b.WriteString(strconv.Itoa(int(v.Enum())))
		}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		bits := 64
		if fd.Kind() == protoreflect.FloatKind {
			bits = 32
		}
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return fmt.Errorf("is not a finite number")
		}
		b.WriteString(strconv.FormatFloat(v.Float(), 'g', -1, bits))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		b.WriteString(strconv.FormatUint(v.Uint(), 10))
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return writeMessage(b, v.Message(), isSet)
	default: // the signed integers
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	}
	return nil
}

func writeString(b *bytes.Buffer, s string) error {
	if verbatim(s) { // nearly all: ids, references, amounts
		b.WriteByte('"')
		b.WriteString(s)
		b.WriteByte('"')
		return nil
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("is not UTF-8")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("holds a NUL character, which PostgreSQL cannot store")
	}
	raw, err := encodeJSON(s)
	if err != nil {
		return err
	}
	b.Write(raw)
	return nil
}

// verbatim reports whether s stands in JSON as it is.
func verbatim(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
