package document

import (
	"fmt"
	"sync"

	"github.com/go-analyze/charts"

	"makola/pkg/money"
)

// Bar is one bar of a chart: what it stands for, and how much.
type Bar struct {
	Label string
	Value int64 // Minor units; may be negative.
}

// Charts are drawn at twice the resolution of a screen for a page's width, which is what an office printer shows. In pixels and millimetres.
const (
	chartWide   = 1400
	chartTall   = 390
	chartHeight = 51.0
	chartType   = 15.0 // Points of the labels.
	labelLength = 28   // Characters of a name beside its bar.
	mostLabels  = 12   // Under upright bars.
)

// Chart draws amounts of one currency as bars: upright ones for what follows in time, lying ones for names, the first on top. It shows the shape; the figures stand in a
// table beside it. The same bars give the same picture.
func Chart(caption string, bars []Bar, lying bool, currency money.Currency) (Picture, error) {
	exponent, err := currency.Exponent()
	if err != nil {
		return Picture{}, fmt.Errorf("draw chart %q: %w", caption, err)
	}
	if err := chartFont(); err != nil {
		return Picture{}, fmt.Errorf("draw chart %q: %w", caption, err)
	}
	unit := 1.0 // Where a bar ends, and nothing else, is a float.
	for range exponent {
		unit *= 10
	}
	values, labels := make([]float64, len(bars)), make([]string, len(bars))
	every, floor := (len(bars)+mostLabels-1)/mostLabels, 0.0 // bars begin at nothing, or their lengths would lie
	for i, b := range bars {
		at := i
		if lying { // the library begins at the bottom
			at = len(bars) - 1 - i
		}
		values[at] = float64(b.Value) / unit
		floor = min(floor, values[at])
		if lying || i%every == 0 {
			labels[at] = shortened(b.Label)
		}
	}
	theme := charts.MakeTheme(charts.ThemeOption{
		AxisStrokeColor: drawn(rule), AxisSplitLineColor: drawn(rule), TextColor: drawn(grey), BackgroundColor: drawn(white), SeriesColors: []charts.Color{drawn(accent)},
	})
	letters := charts.FontStyle{FontSize: chartType, FontColor: drawn(grey), Font: charts.GetFont(family)}
	opt := charts.NewBarChartOptionWithData([][]float64{values})
	opt.Theme, opt.Horizontal, opt.ValueFormatter = theme, lying, compact
	opt.Padding = charts.NewBox(8, 12, 24, 8)
	opt.Legend.Show = charts.Ptr(false)
	opt.CategoryAxis.Labels, opt.CategoryAxis.LabelFontStyle, opt.CategoryAxis.LabelCount = labels, letters, len(labels)
	opt.ValueAxis = []charts.ValueAxisOption{{LabelFontStyle: letters, ValueFormatter: compact, PreferNiceIntervals: charts.Ptr(true)}}
	if floor == 0 {
		opt.ValueAxis[0].Min = &floor
	}
	p := charts.NewPainter(charts.PainterOptions{Width: chartWide, Height: chartTall, Font: letters.Font, Theme: theme})
	if err := p.BarChart(opt); err != nil {
		return Picture{}, fmt.Errorf("draw chart %q: %w", caption, err)
	}
	png, err := p.Bytes()
	if err != nil {
		return Picture{}, fmt.Errorf("draw chart %q: %w", caption, err)
	}
	return Picture{Caption: caption, PNG: png, Height: chartHeight}, nil
}

// chartFont gives the charts the documents' own letters.
var chartFont = sync.OnceValue(func() error { return charts.InstallFont(family, regularTTF) })

func drawn(c colour) charts.Color { return charts.ColorRGB(uint8(c[0]), uint8(c[1]), uint8(c[2])) }

// compact is an axis's number as people say it: 1500 is 1.5k.
func compact(v float64) string {
	for _, step := range []struct {
		of     float64
		letter string
	}{{1e9, "bn"}, {1e6, "m"}, {1e3, "k"}} {
		if v >= step.of || v <= -step.of {
			return trimZero(fmt.Sprintf("%.1f", v/step.of)) + step.letter
		}
	}
	return trimZero(fmt.Sprintf("%.1f", v))
}

func trimZero(s string) string {
	if len(s) > 2 && s[len(s)-2:] == ".0" {
		return s[:len(s)-2]
	}
	return s
}

// shortened keeps a name beside its bar.
func shortened(s string) string {
	letters := []rune(s)
	if len(letters) <= labelLength {
		return s
	}
	return string(letters[:labelLength-1]) + "…"
}
