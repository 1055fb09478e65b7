package celery

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTextIsWrittenAsTheStandardLibraryWouldWriteIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]{0,40}`), rapid.StringMatching(`[a-f0-9-]{36}`)).Draw(t, "text")
		var b bytes.Buffer
		err := writeString(&b, s)
		if !utf8.ValidString(s) || bytes.IndexByte([]byte(s), 0) >= 0 {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		want, err := encodeJSON(s)
		require.NoError(t, err)
		require.Equal(t, string(want), b.String())
	})
}
