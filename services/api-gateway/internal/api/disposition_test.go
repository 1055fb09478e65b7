package api

import (
	"mime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileIsNamedSoThatNoNameBreaksOut(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"sales_2026-11-01.csv":        `attachment; filename="sales_2026-11-01.csv"`,
		"Ẹ̀bùn & Daughters 100%.pdf":  `attachment; filename="__b_n & Daughters 100%.pdf"; filename*=UTF-8''%E1%BA%B8%CC%80b%C3%B9n%20%26%20Daughters%20100%25.pdf`,
		"a\"; x=\"b\r\nX-Evil: 1.csv": `attachment; filename="a_; x=_b__X-Evil: 1.csv"; filename*=UTF-8''a%22%3B%20x%3D%22b%0D%0AX-Evil%3A%201.csv`,
		`back\slash`:                  `attachment; filename="back_slash"; filename*=UTF-8''back%5Cslash`,
	} {
		got := disposition(name)
		require.Equal(t, want, got)
		kind, params, err := mime.ParseMediaType(got)
		require.NoError(t, err)
		require.Equal(t, "attachment", kind)
		require.Equal(t, name, params["filename"])
	}
}
