package document_test

import (
	"bytes"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/document"
)

func TestAChartIsTheSamePictureForTheSameBars(t *testing.T) {
	t.Parallel()
	for name, bars := range map[string][]document.Bar{
		"many":     {{"1 Mar", 125_000}, {"2 Mar", 0}, {"3 Mar", 98_765_432}},
		"none":     {},
		"nothing":  {{"1 Mar", 0}},
		"negative": {{"1 Mar", -5_000}, {"2 Mar", 7_500}},
		"long":     {{"Anyinam Electronics, Accra Mall, second floor beside the bank, ₵ and ŋ", 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, lying := range []bool{false, true} {
				first, err := document.Chart("Revenue", bars, lying, "GHS")
				require.NoError(t, err)
				again, err := document.Chart("Revenue", bars, lying, "GHS")
				require.NoError(t, err)
				require.Equal(t, first.PNG, again.PNG)
				picture, err := png.Decode(bytes.NewReader(first.PNG))
				require.NoError(t, err)
				require.Equal(t, 1400, picture.Bounds().Dx())
			}
		})
	}
}

func TestAHigherBarInksMoreOfTheChart(t *testing.T) {
	t.Parallel()
	ink := func(values ...int64) (dark int) {
		bars := make([]document.Bar, len(values))
		for i, v := range values {
			bars[i] = document.Bar{Label: "day", Value: v}
		}
		chart, err := document.Chart("Revenue", bars, false, "GHS")
		require.NoError(t, err)
		picture, err := png.Decode(bytes.NewReader(chart.PNG))
		require.NoError(t, err)
		for x := range picture.Bounds().Dx() {
			for y := range picture.Bounds().Dy() {
				if r, g, b, _ := picture.At(x, y).RGBA(); r>>8 == 22 && g>>8 == 78 && b>>8 == 99 { // the colour of the bars
					dark++
				}
			}
		}
		return dark
	}
	require.Greater(t, ink(100, 100, 100), 2*ink(100, 10, 10))
}

func TestAChartOfNoKnownCurrencyIsRefused(t *testing.T) {
	t.Parallel()
	_, err := document.Chart("Revenue", nil, false, "XXX")
	require.Error(t, err)
}
