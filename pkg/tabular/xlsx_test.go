package tabular_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"makola/pkg/tabular"
)

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`

// parts are the files of a small workbook, by name. Tests replace some of them.
func parts(rows string) map[string]string {
	return map[string]string{
		"_rels/.rels": xmlHead + `<Relationships><Relationship Id="rId1" Type="http://x/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml": xmlHead + `<workbook xmlns:r="http://r"><sheets><sheet name="Hidden" sheetId="1" state="hidden" r:id="rId3"/>` +
			`<sheet name="Products" sheetId="2" r:id="rId1"/><sheet name="Second" sheetId="3" r:id="rId4"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": xmlHead + `<Relationships><Relationship Id="rId1" Type="http://x/worksheet" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="rId3" Type="http://x/worksheet" Target="worksheets/sheet3.xml"/><Relationship Id="rId4" Type="http://x/worksheet" Target="/xl/worksheets/sheet2.xml"/>` +
			`<Relationship Id="rId5" Type="http://x/styles" Target="styles.xml"/><Relationship Id="rId6" Type="http://x/sharedStrings" Target="sharedStrings.xml"/></Relationships>`,
		"xl/styles.xml": xmlHead + `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy\ hh:mm"/><numFmt numFmtId="165" formatCode="[h]:mm"/>` +
			`<numFmt numFmtId="166" formatCode="&quot;day &quot;0.00"/><numFmt numFmtId="167" formatCode="[$-409]d mmm yyyy;@"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>` +
			`<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="167"/><xf numFmtId="21"/></cellXfs></styleSheet>`,
		"xl/sharedStrings.xml":     xmlHead + `<sst><si><t>name</t></si><si><t>value</t></si><si><r><t>Rich </t></r><r><t xml:space="preserve">Ẹ̀bà &amp; more</t></r><rPh><t>no</t></rPh></si></sst>`,
		"xl/worksheets/sheet1.xml": xmlHead + `<worksheet><cols/><sheetData>` + rows + `</sheetData><pageMargins/></worksheet>`,
		"xl/worksheets/sheet2.xml": xmlHead + `<worksheet><sheetData><row><c t="inlineStr"><is><t>second</t></is></c></row><row><c><v>2</v></c></row></sheetData></worksheet>`,
		"xl/worksheets/sheet3.xml": xmlHead + `<worksheet><sheetData/></worksheet>`,
	}
}

const header = `<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>`

func packed(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestXLSXCells(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, cell, want string }{
		{"a shared string of several runs", `<c r="A2" t="s"><v>2</v></c>`, "Rich Ẹ̀bà & more"},
		{"an inline string", `<c r="A2" t="inlineStr"><is><t>=1+1</t></is></c>`, "=1+1"},
		{"the text of a formula", `<c r="A2" t="str"><f>"a"&amp;"b"</f><v>ab</v></c>`, "ab"},
		{"the number of a formula", `<c r="A2"><f>1+1</f><v>2</v></c>`, "2"},
		{"an escaped character", `<c r="A2" t="inlineStr"><is><t>a_x000A_b_x005F_x0041_</t></is></c>`, "a\nb_x0041_"},
		{"a whole number", `<c r="A2"><v>6001234567890</v></c>`, "6001234567890"},
		{"noise of binary floating point", `<c r="A2"><v>0.30000000000000004</v></c>`, "0.3"},
		{"noise below", `<c r="A2"><v>19.989999999999998</v></c>`, "19.99"},
		{"scientific notation", `<c r="A2"><v>1.2E+3</v></c>`, "1200"},
		{"a small number", `<c r="A2"><v>1E-4</v></c>`, "0.0001"},
		{"a negative amount", `<c r="A2"><v>-12.5</v></c>`, "-12.5"},
		{"true", `<c r="A2" t="b"><v>1</v></c>`, "TRUE"},
		{"a date by a numbered format", `<c r="A2" s="1"><v>46352</v></c>`, "2026-11-26"},
		{"a date and time by a format of its own", `<c r="A2" s="2"><v>46352.604166666664</v></c>`, "2026-11-26 14:30:00"},
		{"a date by a format with a locale", `<c r="A2" s="5"><v>46352</v></c>`, "2026-11-26"},
		{"a time of day", `<c r="A2" s="6"><v>0.604166666666667</v></c>`, "14:30:00"},
		{"the first day", `<c r="A2" s="1"><v>1</v></c>`, "1900-01-01"},
		{"the day before the leap day that never was", `<c r="A2" s="1"><v>59</v></c>`, "1900-02-28"},
		{"the day after", `<c r="A2" s="1"><v>61</v></c>`, "1900-03-01"},
		{"elapsed time is a number", `<c r="A2" s="3"><v>1.5</v></c>`, "1.5"},
		{"a letter in quotes makes no date", `<c r="A2" s="4"><v>1.5</v></c>`, "1.5"},
		{"an ISO date", `<c r="A2" t="d"><v>2026-11-26T00:00:00</v></c>`, "2026-11-26"},
		{"a cell without a reference", `<c><v>7</v></c>`, "7"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			table := open(t, "a.xlsx", packed(t, parts(header+`<row r="2">`+tc.cell+`</row>`)), tabular.Options{})
			if diff := cmp.Diff([]string{"2: " + tc.want + " | "}, read(table)); diff != "" {
				t.Error(diff)
			}
			if table.Details != `sheet "Products"` || table.Format != tabular.XLSX {
				t.Errorf("read as %s %s", table.Format, table.Details)
			}
		})
	}
}

func TestXLSXRows(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, rows string
		want       []string
	}{
		{"rows and cells left out", header + `<row r="4"><c r="B4"><v>1</v></c></row><row r="9"/><row r="10"><c r="A10"><v>2</v></c></row>`, []string{"4:  | 1", "10: 2 | "}},
		{"cells of styles alone far to the right", header + `<row r="2"><c r="A2"><v>1</v></c><c r="XFD2" s="1"/></row>`, []string{"2: 1 | "}},
		{
			"an error in a cell", header + `<row r="2"><c r="B2" t="e"><v>#REF!</v></c></row><row r="3"><c r="A3"><v>1</v></c></row>`,
			[]string{`error line 2, column "value": the cell shows the error "#REF!"`, "3: 1 | "},
		},
		{"a date that is none", header + `<row r="2"><c r="A2" s="1"><v>-5</v></c></row>`, []string{`error line 2, column "name": "-5" is formatted as a date, but is none`}},
		{"a leap day that never was", header + `<row r="2"><c r="A2" s="1"><v>60</v></c></row>`, []string{`error line 2, column "name": "60" is formatted as a date, but is none`}},
		{"a number beyond all", header + `<row r="2"><c r="A2"><v>1e999</v></c></row>`, []string{`error line 2, column "name": "1e999" is not a number`}},
		{"a cell beyond the header", header + `<row r="2"><c r="C2"><v>1</v></c></row>`, []string{"error line 2: the row has 3 cells, the header 2; is a quote or a separator missing?"}},
		{"a cell beyond the limit", header + `<row r="2"><c r="XFD2"><v>1</v></c></row><row r="3"><c r="A3"><v>1</v></c></row>`, []string{"error line 2: more than 256 columns", "3: 1 | "}},
		{"a text that is missing", header + `<row r="2"><c r="A2" t="s"><v>3</v></c></row>`, []string{"error line 2: the workbook is damaged: a cell names a text that it does not have"}},
		{"rows out of order", header + `<row r="3"/><row r="2"/>`, []string{"error line 4: the workbook is damaged: rows are out of order"}},
		{"cells out of order", header + `<row r="2"><c r="B2"/><c r="A2"/></row>`, []string{"error line 2: the workbook is damaged: a part is not well-formed XML (cells are out of order)"}},
		{"a document type", header + `<!DOCTYPE x>`, []string{"error line 1: the workbook is damaged: a part is not well-formed XML (a document type is declared)"}},
		{"an entity of its own", header + `<row r="2"><c t="inlineStr"><is><t>&lol;</t></is></c></row>`, []string{"error line 2: the workbook is damaged: a part is not well-formed XML (XML syntax error on line 1: invalid character entity &lol;)"}},
		{"elements without end", header + strings.Repeat("<a>", 40), []string{"error line 1: the workbook is damaged: a part is not well-formed XML (elements are nested too deeply)"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, read(open(t, "a.xlsx", packed(t, parts(tc.rows)), tabular.Options{}))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestASheetIsChosenByName(t *testing.T) {
	t.Parallel()
	file := packed(t, parts(header))
	table := open(t, "a.xlsx", file, tabular.Options{Sheet: "second"})
	if diff := cmp.Diff([]string{"2: 2"}, read(table)); diff != "" || table.Details != `sheet "Second"` {
		t.Error(table.Details, diff)
	}
	_, err := tabular.Open(bytes.NewReader(file), int64(len(file)), "a.xlsx", tabular.Options{Sheet: "Stock"})
	if err == nil || err.Error() != `the workbook has no sheet "Stock"; it has "Hidden", "Products", "Second"` {
		t.Errorf("got %v", err)
	}
}

func TestDatesCountFrom1904WhereTheWorkbookSaysSo(t *testing.T) {
	t.Parallel()
	files := parts(header + `<row r="2"><c r="A2" s="1"><v>44890</v></c></row>`)
	files["xl/workbook.xml"] = strings.Replace(files["xl/workbook.xml"], "<sheets>", `<workbookPr date1904="1"/><sheets>`, 1)
	if diff := cmp.Diff([]string{"2: 2026-11-26 | "}, read(open(t, "a.xlsx", packed(t, files), tabular.Options{}))); diff != "" {
		t.Error(diff)
	}
}

func TestAWorkbookOfExcelizeIsRead(t *testing.T) {
	t.Parallel()
	f := excelize.NewFile()
	for i, row := range [][]any{{"SKU", "Price", "Name"}, {"A-1", 12.5, "Ẹ̀bà"}, {"A-2", 1234567.89, " =1 "}} {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2: A-1 | 12.5 | Ẹ̀bà", "3: A-2 | 1234567.89 |  =1 "}, read(open(t, "a.xlsx", b.Bytes(), tabular.Options{}))); diff != "" {
		t.Error(diff)
	}
}

// long writes s again and again, so that an archive's part can be larger than any memory a test should take.
func long(t *testing.T, z *zip.Writer, name, head, s string, size int, tail string) {
	t.Helper()
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	piece := []byte(strings.Repeat(s, max(1, (64<<10)/len(s))))
	if _, err := io.WriteString(w, head); err != nil {
		t.Fatal(err)
	}
	for written := 0; written < size; written += len(piece) {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(w, tail); err != nil {
		t.Fatal(err)
	}
}

// bomb is a workbook whose part of that name is replaced by something large.
func bomb(t *testing.T, name, head, s string, size int, tail string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for n, content := range parts(header) {
		if n == name {
			continue
		}
		w, err := z.Create(n)
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	long(t, z, name, head, s, size, tail)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBombsAreRefusedBeforeTheyUnpack(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 2_001 {
		many[fmt.Sprintf("part%04d", i)] = ""
	}
	directory := map[string]string{}
	for i := range 20_000 {
		directory[fmt.Sprintf("part%05d%s", i, strings.Repeat("x", 40))] = ""
	}
	lying := packed(t, parts(header+strings.Repeat(`<row><c><v>1</v></c></row>`, 10_000)))
	lying = shrinkSizes(lying)
	for _, tc := range []struct {
		name string
		file []byte
		want string
		is   error
	}{
		{
			"a sheet of noughts", bomb(t, "xl/worksheets/sheet1.xml", `<worksheet><sheetData>`, `<row><c><v>0</v></c></row>`, 20<<20, ""),
			"a part of the workbook unpacks to more than 250 times its size; save it again with a spreadsheet", tabular.ErrLimit,
		},
		{
			"shared strings of one letter", bomb(t, "xl/sharedStrings.xml", `<sst><si><t>`, "x", 20<<20, `</t></si></sst>`),
			"a part of the workbook unpacks to more than 250 times its size; save it again with a spreadsheet", tabular.ErrLimit,
		},
		{"parts without number", packed(t, many), "the workbook holds 2001 parts; at most 2000 are read", tabular.ErrLimit},
		{"a directory without end", packed(t, directory), "the workbook holds too many parts", tabular.ErrLimit},
		{"an archive of something else", packed(t, map[string]string{"a.txt": "x"}), "the archive holds no workbook; save the table as .xlsx or CSV", tabular.ErrFormat},
		{"sizes that lie", lying, "the workbook is damaged", tabular.ErrFormat},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			table, err := tabular.Open(bytes.NewReader(tc.file), int64(len(tc.file)), "a.xlsx", tabular.Options{})
			if err == nil {
				for _, rowErr := range table.Rows() { // A sheet is only unpacked here.
					if rowErr != nil {
						err = rowErr
					}
				}
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || !errors.Is(err, tc.is) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// shrinkSizes makes the archive's directory say that everything unpacks to ten bytes.
func shrinkSizes(file []byte) []byte {
	file = bytes.Clone(file)
	for at := 0; ; {
		n := bytes.Index(file[at:], []byte("PK\x01\x02"))
		if n < 0 {
			return file
		}
		at += n
		if name := file[at+46:]; bytes.HasPrefix(name, []byte("xl/worksheets/sheet1.xml")) {
			copy(file[at+24:], []byte{10, 0, 0, 0})
		}
		at += 4
	}
}

func TestOneTextWithoutEndTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	var noise strings.Builder // Does not pack well, so the ratio is no help.
	for i := range 2 << 20 / 8 {
		fmt.Fprintf(&noise, "%08x", uint32(i)*2_654_435_761)
	}
	files := parts(header + `<row r="2"><c r="A2" t="inlineStr"><is><t>` + noise.String() + `</t></is></c></row>`)
	want := []string{"error line 2: the workbook is damaged: a part is not well-formed XML (a text is too long)"}
	if diff := cmp.Diff(want, read(open(t, "a.xlsx", packed(t, files), tabular.Options{}))); diff != "" {
		t.Error(diff)
	}
}

func TestADamagedArchiveIsRefused(t *testing.T) {
	t.Parallel()
	whole := packed(t, parts(header+`<row r="2"><c r="A2"><v>1</v></c></row>`))
	for n := range 40 {
		cut := whole[:len(whole)*n/40]
		if _, err := tabular.Open(bytes.NewReader(cut), int64(len(cut)), "a.xlsx", tabular.Options{}); !errors.Is(err, tabular.ErrFormat) {
			t.Errorf("%d bytes of %d: %v", len(cut), len(whole), err)
		}
	}
	files := parts("")
	files["xl/worksheets/sheet1.xml"] = `<worksheet><sheetData>` + header + `<row r="2"><c r="A2"><v>1`
	want := []string{"error line 2: the workbook is damaged: a part ends in the middle"}
	if diff := cmp.Diff(want, read(open(t, "a.xlsx", packed(t, files), tabular.Options{}))); diff != "" {
		t.Error(diff)
	}
}

// FuzzXLSX reads a workbook whose sheet, shared strings and styles are whatever the fuzzer thinks of.
func FuzzXLSX(f *testing.F) {
	small := parts(header + `<row r="2"><c r="A2" s="1"><v>46352.5</v></c><c t="b"><v>1</v></c></row>`)
	f.Add(small["xl/worksheets/sheet1.xml"], small["xl/sharedStrings.xml"], small["xl/styles.xml"])
	f.Add(`<worksheet><sheetData><row><c t="inlineStr"><is><t>a</t></is></c></row><row r="1048576"><c r="XFD1"><v>1e308</v></c></row>`, `<sst><si/></sst>`, `<styleSheet/>`)
	f.Fuzz(func(t *testing.T, sheet, shared, styles string) {
		files := parts("")
		files["xl/worksheets/sheet1.xml"], files["xl/sharedStrings.xml"], files["xl/styles.xml"] = sheet, shared, styles
		content := packed(t, files)
		table, err := tabular.Open(bytes.NewReader(content), int64(len(content)), "a.xlsx", tabular.Options{MaxCell: 50, MaxColumns: 10, MaxRows: 100})
		if err != nil {
			return
		}
		last := 0
		for row, err := range table.Rows() {
			if row.Line < last {
				t.Fatalf("line %d behind line %d", row.Line, last)
			}
			last = row.Line
			if err == nil && len(row.Cells) != len(table.Header) {
				t.Fatalf("%d cells under %d titles", len(row.Cells), len(table.Header))
			}
		}
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzArchive reads archives that are broken anywhere.
func FuzzArchive(f *testing.F) {
	f.Add(packed(f, parts(header+`<row r="2"><c r="A2"><v>1</v></c></row>`)))
	f.Fuzz(func(t *testing.T, content []byte) {
		table, err := tabular.Open(bytes.NewReader(content), int64(len(content)), "a.xlsx", tabular.Options{MaxRows: 100})
		if err != nil {
			return
		}
		for row, err := range table.Rows() {
			if err == nil && len(row.Cells) != len(table.Header) {
				t.Fatalf("%d cells under %d titles", len(row.Cells), len(table.Header))
			}
		}
		_ = table.Close()
	})
}
