package catalogue

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"makola/proto/contract"
)

// Parameters returns a task's arguments in positional order, which is that of their field numbers.
func Parameters(d *contract.Descriptor) []protoreflect.FieldDescriptor {
	fields := d.NewArgs().ProtoReflect().Descriptor().Fields()
	ordered := make([]protoreflect.FieldDescriptor, fields.Len())
	for i := range ordered {
		ordered[i] = fields.Get(i)
	}
	slices.SortFunc(ordered, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	return ordered
}

// Optional reports whether an argument may be left out: what the contract marks so, and lists and maps, which may be empty.
func Optional(fd protoreflect.FieldDescriptor) bool {
	return fd.HasPresence() || fd.IsList() || fd.IsMap()
}

// Missing returns the name of the first argument that the task needs and that is not among the names given, which are the contract's or those of its JSON; it is empty when none is missing.
func Missing(d *contract.Descriptor, given []string) string {
	for _, fd := range Parameters(d) {
		if !Optional(fd) && !slices.Contains(given, string(fd.Name())) && !slices.Contains(given, fd.JSONName()) {
			return string(fd.Name())
		}
	}
	return ""
}
