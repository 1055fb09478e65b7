package task

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"makola/pkg/rabbit"
)

// text makes s fit a text column: PostgreSQL takes neither NUL nor broken UTF-8.
func text(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}

// printable turns AMQP headers, which may hold anything, into what jsonb can keep.
func printable(t rabbit.Table) map[string]any {
	out := make(map[string]any, len(t))
	for k, v := range t {
		out[text(k)] = printableValue(v)
	}
	return out
}

func printableValue(v any) any {
	switch v := v.(type) {
	case string:
		return text(v)
	case []byte:
		if utf8.Valid(v) {
			return text(string(v))
		}
		return base64.StdEncoding.EncodeToString(v)
	case rabbit.Table:
		return printable(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = printableValue(v[i])
		}
		return out
	default:
		return v
	}
}
