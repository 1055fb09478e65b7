package document_test

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"makola/pkg/document"
	"makola/pkg/document/documenttest"
)

var update = flag.Bool("update", false, "write the golden files again; look at the pages before you commit them")

var pageSize = regexp.MustCompile(`/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]`)

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; run the test with -update and look at the page\n%s", path, diff)
	}
}

func pdfOf(t *testing.T, r *document.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := document.WritePDF(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAReportAsPDF(t *testing.T) {
	t.Parallel()
	golden(t, "sales.txt", documenttest.Outline(t, pdfOf(t, sample(3))))
}

func TestAReportWithoutRowsIsAPageThatSaysSo(t *testing.T) {
	t.Parallel()
	golden(t, "empty.txt", documenttest.Outline(t, pdfOf(t, sample(0))))
}

func TestAReceiptAsPDF(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := document.WriteReceiptPDF(&b, sampleReceipt()); err != nil {
		t.Fatal(err)
	}
	golden(t, "receipt.txt", documenttest.Outline(t, b.Bytes()))
}

func TestEveryPageOfALongTableHasItsHeadingAndItsNumber(t *testing.T) {
	t.Parallel()
	const rows = 100
	r := sample(rows)
	r.MaxRows = 90
	seen := 0
	pages := documenttest.Pages(t, pdfOf(t, r))
	for i, page := range pages {
		heading := false
		for _, s := range page {
			heading = heading || s.Text == "Customer"
			if s.Y < 28 || s.Y > 595 || s.X < 28 || s.X > 842-34 {
				t.Errorf("page %d: %q stands at %.0f, %.0f, beyond the margins", i+1, s.Text, s.X, s.Y)
			}
			if s.Text == fmt.Sprintf("MKL-20261125-%04d", seen+1) {
				seen++
			}
		}
		if last := page[len(page)-1].Text; !heading || last != fmt.Sprintf("Page %d of %d", i+1, len(pages)) {
			t.Errorf("page %d has a heading: %v; ends with %q", i+1, heading, last)
		}
	}
	if len(pages) < 4 || seen != 90 {
		t.Errorf("%d rows on %d pages", seen, len(pages))
	}
	last := fmt.Sprint(pages[len(pages)-1])
	if !strings.Contains(last, "10 more rows. The CSV and XLSX forms of this report are complete.") || !strings.Contains(last, "612,076.50") {
		t.Errorf("the last page does not name the rest and the totals of all rows: %s", last)
	}
}

func TestLongNamesWrapWithinTheirColumnAndNumbersEndAtTheirs(t *testing.T) {
	t.Parallel()
	long := strings.TrimSpace(strings.Repeat("Ɔheneba of many names ", 9))
	unbroken := strings.Repeat("W", 200)
	r := sample(0)
	r.Summary = nil
	r.Tables[0].Rows = rowsOf(2, func(i int, row []document.Cell) {
		fillSale(i, row)
		row[2] = document.Text([]string{long, unbroken}[i])
		row[4] = document.Money(cedis([]int64{99_999_999_999_999, -1}[i]))
	})
	var names, joined []string
	widths := map[string]float64{}
	for _, s := range documenttest.Pages(t, pdfOf(t, r))[0] {
		widths[s.Text] = s.X
		if strings.Trim(s.Text, "W") == "" || strings.Contains(s.Text, "names") || strings.Contains(s.Text, "Ɔheneba") {
			names = append(names, s.Text)
		}
	}
	for _, n := range names {
		if len([]rune(n)) > 60 {
			t.Errorf("a line of %d characters", len([]rune(n)))
		}
		if strings.Contains(n, "e") {
			joined = append(joined, n)
		}
	}
	if got := strings.Join(joined, " "); got != long {
		t.Errorf("the name came out as %q", got)
	}
	if got := strings.Count(strings.Join(names, ""), "W"); got != 200 {
		t.Errorf("%d of 200 letters came out", got)
	}
	// Flush right: the shorter number begins further to the right.
	if widths["999,999,999,999.99"] == 0 || widths["-0.01"] <= widths["999,999,999,999.99"] {
		t.Errorf("amounts stand at %v and %v", widths["999,999,999,999.99"], widths["-0.01"])
	}
}

func TestAPictureStandsBetweenSummaryAndTables(t *testing.T) {
	t.Parallel()
	img := image.NewRGBA(image.Rect(0, 0, 400, 100))
	img.Set(5, 5, color.RGBA{R: 200, A: 255})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	r := sample(1)
	r.Pictures = []document.Picture{{Caption: "Sales by day", PNG: b.Bytes()}}
	pdf := pdfOf(t, r)
	if !bytes.Contains(pdf, []byte("/Subtype /Image")) || !strings.Contains(documenttest.Outline(t, pdf), "Sales by day") {
		t.Error("the picture is missing")
	}
	r.Pictures[0].PNG = []byte("no picture")
	if err := document.WritePDF(io.Discard, r); err == nil || !strings.Contains(err.Error(), `picture "Sales by day"`) {
		t.Errorf("got %v", err)
	}
}

func TestAReceiptOf300LinesFitsPagesThatReadersAccept(t *testing.T) {
	t.Parallel()
	r := sampleReceipt()
	line := r.Lines[2]
	r.Lines = nil
	for i := range 300 {
		line.Name = fmt.Sprintf("%d %s", i+1, strings.Repeat("Łong name ", 20))
		r.Lines = append(r.Lines, line)
	}
	var b bytes.Buffer
	if err := document.WriteReceiptPDF(&b, r); err != nil {
		t.Fatal(err)
	}
	got := documenttest.Outline(t, b.Bytes())
	for i := range 300 {
		if !strings.Contains(got, fmt.Sprintf("  %d Łong", i+1)) {
			t.Fatalf("line %d is missing", i+1)
		}
	}
	for _, m := range pageSize.FindAllSubmatch(b.Bytes(), -1) {
		if documenttest.Number(t, m[1]) > 227 || documenttest.Number(t, m[2]) > 14_400 {
			t.Errorf("a page of %s x %s points", m[1], m[2])
		}
	}
	if !strings.Contains(got, "Still to pay") {
		t.Error("the end is missing")
	}
}

func TestAReceiptInTwoCurrenciesIsRefused(t *testing.T) {
	t.Parallel()
	r := sampleReceipt()
	r.Currency = "NGN"
	err := document.WriteReceiptPDF(io.Discard, r)
	if err == nil || err.Error() != `cell does not fit its column: an amount in "GHS" on a receipt in "NGN"` {
		t.Errorf("got %v", err)
	}
}

func TestPDFsAreMadeSideBySide(t *testing.T) {
	t.Parallel()
	var work sync.WaitGroup
	begin := make(chan struct{})
	for range 4 {
		r := sample(3)
		work.Go(func() {
			<-begin
			if err := document.WritePDF(io.Discard, r); err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	work.Wait()
}
