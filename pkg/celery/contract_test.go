package celery

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/timestamppb" // the contract below imports its file
)

// orderContract has a field of every kind; its fields are declared out of number order on purpose.
const orderContract = `
name: "order.proto" package: "shop" syntax: "proto3" dependency: "google/protobuf/timestamp.proto"
enum_type { name: "Channel" value { name: "CHANNEL_UNSPECIFIED" number: 0 } value { name: "CHANNEL_WEB" number: 1 } }
message_type { name: "Line"
  field { name: "sku" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "units" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL } }
message_type { name: "Order" oneof_decl { name: "buyer" } oneof_decl { name: "_note" }
  field { name: "quantity" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "order_id" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "orderId" }
  field { name: "amount_minor" number: 3 type: TYPE_INT64 label: LABEL_OPTIONAL json_name: "amountMinor" }
  field { name: "price" number: 4 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "placed_at" number: 5 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
  field { name: "paid" number: 6 type: TYPE_BOOL label: LABEL_OPTIONAL }
  field { name: "lines" number: 7 type: TYPE_MESSAGE type_name: ".shop.Line" label: LABEL_REPEATED }
  field { name: "channel" number: 8 type: TYPE_ENUM type_name: ".shop.Channel" label: LABEL_OPTIONAL }
  field { name: "user_id" number: 9 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "guest" number: 10 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "total_units" number: 11 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "small" number: 12 type: TYPE_UINT32 label: LABEL_OPTIONAL }
  field { name: "ratio" number: 13 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
  field { name: "receipt" number: 14 type: TYPE_BYTES label: LABEL_OPTIONAL }
  field { name: "note" number: 15 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 1 proto3_optional: true }
  field { name: "counts" number: 16 type: TYPE_SINT64 label: LABEL_REPEATED } }
`

func newOrder(t testing.TB) proto.Message {
	t.Helper()
	var file descriptorpb.FileDescriptorProto
	require.NoError(t, prototext.Unmarshal([]byte(orderContract), &file))
	fd, err := protodesc.NewFile(&file, protoregistry.GlobalFiles)
	require.NoError(t, err)
	return dynamicpb.NewMessage(fd.Messages().ByName("Order"))
}

// show gives one field's value as text, for comparison.
func show(m proto.Message, name protoreflect.Name) string {
	r := m.ProtoReflect()
	fd := r.Descriptor().Fields().ByName(name)
	if fd.HasPresence() && !r.Has(fd) {
		return "unset"
	}
	if fd.IsList() {
		var b bytes.Buffer
		if err := writeField(&b, fd, r.Get(fd)); err != nil {
			return err.Error()
		}
		return b.String()
	}
	return r.Get(fd).String()
}
