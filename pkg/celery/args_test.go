package celery

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	selftest "makola/proto/makola/selftest/v1"
)

func TestArgsToProtoMapsPositionsAndNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args, kwargs string
		want         map[protoreflect.Name]string
	}{
		"positions are field numbers, not declaration order": {`["o-1", 7]`, `{}`, map[protoreflect.Name]string{"order_id": "o-1", "quantity": "7"}},
		"proto names":  {`[]`, `{"order_id": "o-1", "amount_minor": 5}`, map[protoreflect.Name]string{"order_id": "o-1", "amount_minor": "5"}},
		"JSON names":   {`[]`, `{"orderId": "o-1", "amountMinor": 5}`, map[protoreflect.Name]string{"order_id": "o-1", "amount_minor": "5"}},
		"unknown name": {`[]`, `{"colour": [1], "quantity": 1}`, map[protoreflect.Name]string{"quantity": "1"}},
		"null is left unset, by position and by name": {`[null, 2]`, `{"note": null}`, map[protoreflect.Name]string{"order_id": "", "quantity": "2", "note": "unset"}},
		"empty optional is set":                       {`[]`, `{"note": ""}`, map[protoreflect.Name]string{"note": ""}},
		"largest integers keep every digit": {`[]`, `{"amount_minor": 9223372036854775807, "total_units": 18446744073709551615, "counts": [-9007199254740993]}`,
			map[protoreflect.Name]string{"amount_minor": "9223372036854775807", "total_units": "18446744073709551615", "counts": "[-9007199254740993]"}},
		"64-bit integers as protobuf's JSON writes them": {`[]`, `{"amount_minor": "-12"}`, map[protoreflect.Name]string{"amount_minor": "-12"}},
		"a number for text keeps its text":               {`[]`, `{"price": 12.30}`, map[protoreflect.Name]string{"price": "12.30"}},
		"decimal as text":                                {`[]`, `{"price": "12.30"}`, map[protoreflect.Name]string{"price": "12.30"}},
		"tagged decimal":                                 {`[]`, `{"price": {"__type__": "decimal", "__value__": "12.30"}}`, map[protoreflect.Name]string{"price": "12.30"}},
		"tagged uuid": {`[{"__type__": "uuid", "__value__": {"hex": "0d6f3f5e7c1f4f0e8f570c3a4f6a9b10", "version": 4}}]`, `{}`,
			map[protoreflect.Name]string{"order_id": "0d6f3f5e-7c1f-4f0e-8f57-0c3a4f6a9b10"}},
		"naive time":      {`[]`, `{"placed_at": "2026-01-02T03:04:05"}`, map[protoreflect.Name]string{"placed_at": "seconds:1767323045"}},
		"time with zone":  {`[]`, `{"placed_at": "2026-01-02T04:04:05+01:00"}`, map[protoreflect.Name]string{"placed_at": "seconds:1767323045"}},
		"tagged datetime": {`[]`, `{"placed_at": {"__type__": "datetime", "__value__": "2026-01-02T03:04:05"}}`, map[protoreflect.Name]string{"placed_at": "seconds:1767323045"}},
		"nested, with unknown members": {`[]`, `{"lines": [{"sku": "a", "units": 3, "new": true}], "channel": "CHANNEL_WEB", "paid": true, "ratio": 0.5, "receipt": "AQI="}`,
			map[protoreflect.Name]string{"channel": "1", "paid": "true", "ratio": "0.5"}},
		"nothing at all": {``, ``, map[protoreflect.Name]string{"order_id": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			order := newOrder(t)
			require.NoError(t, ArgsToProto(&Message{Args: json.RawMessage(c.args), Kwargs: json.RawMessage(c.kwargs)}, order))
			for field, want := range c.want {
				require.Equal(t, want, strings.ReplaceAll(show(order, field), ": ", ":"), field)
			}
		})
	}
}

func TestArgsToProtoRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ args, kwargs, param, class string }{
		"too many positions":          {`[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]`, `{}`, "", TypeError},
		"position and name":           {`["o-1"]`, `{"order_id": "o-2"}`, "order_id", TypeError},
		"null position and name":      {`[null]`, `{"order_id": "o-2"}`, "order_id", TypeError},
		"both spellings":              {`[]`, `{"order_id": "o-1", "orderId": "o-2"}`, "order_id", TypeError},
		"one key twice":               {`[]`, `{"order_id": "o-1", "order_id": "o-1"}`, "order_id", TypeError},
		"two of a oneof":              {`[]`, `{"user_id": "a", "guest": "b"}`, "guest", TypeError},
		"boolean for integer":         {`[]`, `{"quantity": true}`, "quantity", TypeError},
		"float for integer":           {`[]`, `{"quantity": 1.0}`, "quantity", TypeError},
		"exponent for integer":        {`[]`, `{"amount_minor": 1e3}`, "amount_minor", TypeError},
		"text for 32-bit integer":     {`[]`, `{"quantity": "1"}`, "quantity", TypeError},
		"32-bit overflow":             {`[]`, `{"quantity": 2147483648}`, "quantity", ValueError},
		"64-bit overflow":             {`[]`, `{"amount_minor": 9223372036854775808}`, "amount_minor", ValueError},
		"negative unsigned":           {`[]`, `{"small": -1}`, "small", ValueError},
		"boolean for text":            {`[]`, `{"order_id": false}`, "order_id", TypeError},
		"list for text":               {`[["a"]]`, `{}`, "order_id", TypeError},
		"object for text":             {`[{"a": 1}]`, `{}`, "order_id", TypeError},
		"exponent for text":           {`[]`, `{"price": 1e+16}`, "price", TypeError},
		"number for boolean":          {`[]`, `{"paid": 1}`, "paid", TypeError},
		"text for list":               {`[]`, `{"lines": "a"}`, "lines", TypeError},
		"wrong element":               {`[]`, `{"lines": [{"units": "SECRET"}]}`, "lines", ValueError},
		"unknown enum value":          {`[]`, `{"channel": "SECRET"}`, "channel", ValueError},
		"time that is none":           {`[]`, `{"placed_at": "SECRET"}`, "placed_at", ValueError},
		"NaN as text":                 {`[]`, `{"ratio": "NaN"}`, "ratio", ValueError},
		"NUL":                         {`["\u0000"]`, `{}`, "order_id", ValueError},
		"NUL deep inside":             {`[]`, `{"lines": [{"sku": "\u0000"}]}`, "lines", ValueError},
		"tag inside a value of a tag": {`[]`, `{"price": {"__type__": "decimal", "__value__": null}}`, "price", TypeError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ArgsToProto(&Message{Args: json.RawMessage(c.args), Kwargs: json.RawMessage(c.kwargs)}, newOrder(t))
			argument, ok := errors.AsType[*ArgumentError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.param, argument.Param)
			require.Equal(t, c.class, argument.Class)
			require.NotContains(t, err.Error(), "SECRET")
		})
	}
}

func TestProtoToKwargsWritesWhatPythonExpects(t *testing.T) {
	t.Parallel()
	order := newOrder(t)
	require.NoError(t, protojson.Unmarshal([]byte(`{"orderId": "<a&b>", "amountMinor": "9007199254740993", "placedAt": "2026-01-02T03:04:05Z", "counts": ["-1"],
		"lines": [{"sku": "x", "units": "2"}], "channel": "CHANNEL_WEB", "totalUnits": "18446744073709551615", "receipt": "AQI=", "note": "", "ratio": 0.1}`), order))
	got, err := ProtoToKwargs(order)
	require.NoError(t, err)
	require.Equal(t, `{"order_id":"<a&b>","amount_minor":9007199254740993,"placed_at":"2026-01-02T03:04:05Z","lines":[{"sku":"x","units":2}],`+
		`"channel":"CHANNEL_WEB","total_units":18446744073709551615,"ratio":0.1,"receipt":"AQI=","note":"","counts":[-1]}`, string(got))

	empty, err := ProtoToKwargs(&selftest.EchoArgs{})
	require.NoError(t, err)
	require.Equal(t, `{}`, string(empty))
	none, err := ProtoToKwargs(nil)
	require.NoError(t, err)
	require.Equal(t, `{}`, string(none))

	for _, bad := range []string{"a\x00b", "\xff"} {
		_, err := ProtoToKwargs(&selftest.EchoArgs{Text: bad})
		require.Error(t, err)
	}
	ratio := order.ProtoReflect().Descriptor().Fields().ByName("ratio")
	order.ProtoReflect().Set(ratio, protoreflect.ValueOfFloat64(math.NaN()))
	_, err = ProtoToKwargs(order)
	require.Error(t, err)
}

// drawText gives text that may travel: any valid UTF-8 without NUL.
func drawText() *rapid.Generator[string] {
	return rapid.String().Filter(func(s string) bool { return checkText([]byte(s)) == nil && !strings.Contains(s, "\x00") })
}

func drawEcho(t *rapid.T) *selftest.EchoArgs {
	a := &selftest.EchoArgs{
		Text: drawText().Draw(t, "text"), Number: rapid.Int64().Draw(t, "number"),
		Labels: rapid.MapOfN(drawText(), drawText(), 0, 4).Draw(t, "labels"), List: rapid.SliceOfN(drawText(), 0, 4).Draw(t, "list"),
	}
	if rapid.Bool().Draw(t, "given") {
		a.Flag = proto.Bool(rapid.Bool().Draw(t, "flag"))
	}
	return a
}

func TestArgumentsSurviveTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawEcho(t)
		kwargs, err := ProtoToKwargs(want)
		if err != nil {
			t.Fatal(err)
		}
		var got, plain selftest.EchoArgs
		if err := ArgsToProto(&Message{Kwargs: kwargs}, &got); err != nil {
			t.Fatal(err)
		}
		if err := protojson.Unmarshal(kwargs, &plain); err != nil {
			t.Fatalf("protobuf's own reader refuses %s: %v", kwargs, err)
		}
		if !proto.Equal(want, &got) || !proto.Equal(want, &plain) {
			t.Fatalf("%v became %v", want, &got)
		}
	})
}

func FuzzArgsToProto(f *testing.F) {
	f.Add([]byte(`["o-1", 7]`), []byte(`{"price": 12.30, "lines": [{"sku": "a", "units": "3"}]}`))
	f.Add([]byte(`[null, 1.5, 1e400, -0]`), []byte(`{"placed_at": "2026-01-02T03:04:05", "channel": 5}`))
	f.Add([]byte(`{}`), []byte(`[]`))
	f.Add([]byte(`[{"__type__":"uuid","__value__":{"hex":"é"}}]`), []byte(`{"note":{"__type__":1,"__value__":2},"a":{},"a":{}}`))
	f.Fuzz(func(t *testing.T, args, kwargs []byte) {
		order := newOrder(t)
		err := ArgsToProto(&Message{Args: args, Kwargs: kwargs}, order)
		if err != nil {
			if _, ok := errors.AsType[*ArgumentError](err); !ok {
				t.Fatalf("not an ArgumentError: %v", err)
			}
			return
		}
		raw, err := ProtoToKwargs(order)
		if err != nil {
			t.Fatalf("accepted, yet not writable: %v", err)
		}
		again := newOrder(t)
		if err := ArgsToProto(&Message{Kwargs: raw}, again); err != nil {
			t.Fatalf("own output %s: %v", raw, err)
		}
		if one, _ := ProtoToKwargs(again); string(one) != string(raw) {
			t.Fatalf("%s became %s", raw, one)
		}
	})
}
