package tabular_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"makola/pkg/tabular"
)

// open opens bytes as an upload of that name.
func open(t testing.TB, name string, content []byte, options tabular.Options) *tabular.Table {
	t.Helper()
	table, err := tabular.Open(bytes.NewReader(content), int64(len(content)), name, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

// read gives each row as "line: cells", and each fault as "error" and its text.
func read(table *tabular.Table) []string {
	var got []string
	for row, err := range table.Rows() {
		if err != nil {
			got = append(got, "error "+err.Error())
			continue
		}
		got = append(got, fmt.Sprintf("%d: %s", row.Line, strings.Join(row.Cells, " | ")))
	}
	return got
}

func wideText(s string, little, mark bool) []byte {
	var b []byte
	units := utf16.Encode([]rune(s))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	for _, u := range units {
		if little {
			b = append(b, byte(u), byte(u>>8))
		} else {
			b = append(b, byte(u>>8), byte(u))
		}
	}
	return b
}

func TestCSVDialects(t *testing.T) {
	t.Parallel()
	plain := []string{"2: Gari | 12.50", "3: Kenkey | 3"}
	for _, tc := range []struct {
		name    string
		content []byte
		details string
		want    []string
	}{
		{"comma and LF", []byte("name,price\nGari,12.50\nKenkey,3\n"), `UTF-8, separated by ","`, plain},
		{"CRLF without an end behind the last line", []byte("name,price\r\nGari,12.50\r\nKenkey,3"), `UTF-8, separated by ","`, plain},
		{"CR alone", []byte("name,price\rGari,12.50\rKenkey,3\r"), `UTF-8, separated by ","`, plain},
		{"byte order mark", []byte("\ufeffname,price\nGari,12.50\nKenkey,3\n"), `UTF-8, separated by ","`, plain},
		{"semicolon", []byte("name;price\nGari;12.50\nKenkey;3\n"), `UTF-8, separated by ";"`, plain},
		{"tab", []byte("name\tprice\nGari\t12.50\nKenkey\t3\n"), `UTF-8, separated by tab`, plain},
		{"bar", []byte("name|price\nGari|12.50\nKenkey|3\n"), `UTF-8, separated by "|"`, plain},
		{"quoted throughout", []byte("\"name\",\"price\"\r\n\"Gari\",\"12.50\"\r\n\"Kenkey\",\"3\"\r\n"), `UTF-8, separated by ","`, plain},
		{"told its delimiter", []byte("sep=;\r\nname;price\r\nGari;12.50\r\n"), `UTF-8, separated by ";"`, []string{"3: Gari | 12.50"}},
		{
			"semicolons around decimal commas", []byte("name;price;cost\nGari;12,50;10,00\nKenkey;3,00;2,00\n"), `UTF-8, separated by ";"`,
			[]string{"2: Gari | 12,50 | 10,00", "3: Kenkey | 3,00 | 2,00"},
		},
		{
			"commas within a header separated by semicolons", []byte("name, full;price\nGari;12\nKenkey;3\n"), `UTF-8, separated by ";"`,
			[]string{"2: Gari | 12", "3: Kenkey | 3"},
		},
		{"a single column", []byte("name\nGari\nKenkey\n"), `UTF-8, separated by ","`, []string{"2: Gari", "3: Kenkey"}},
		{
			"quotes, delimiters and lines within quotes", []byte("name,price\n\"Gari, \"\"fine\"\"\nwhite\",1\nKenkey,2\n"), `UTF-8, separated by ","`,
			[]string{"2: Gari, \"fine\"\nwhite | 1", "4: Kenkey | 2"},
		},
		{"empty lines and a trailing separator", []byte("\n\nname,price,\n\nGari,1,\n , ,\nKenkey,2,\n"), `UTF-8, separated by ","`, []string{"5: Gari | 1", "7: Kenkey | 2"}},
		{"Windows-1252", []byte("name,price\nCr\xe8me br\xfbl\xe9e \x80,5\n"), `Windows-1252, separated by ","`, []string{"2: Crème brûlée € | 5"}},
		{"UTF-8 with accents and signs", []byte("name,price\nẸ̀bà,₵5\n"), `UTF-8, separated by ","`, []string{"2: Ẹ̀bà | ₵5"}},
		{"UTF-16 little endian with mark", wideText("name\tprice\r\nẸ̀bà\t₵5\r\n", true, true), "UTF-16 little endian, separated by tab", []string{"2: Ẹ̀bà | ₵5"}},
		{"UTF-16 big endian with mark", wideText("name,price\nẸ̀bà,5\n", false, true), `UTF-16 big endian, separated by ","`, []string{"2: Ẹ̀bà | 5"}},
		{"UTF-16 little endian without mark", wideText("name,price\nGari,5\n", true, false), `UTF-16 little endian, separated by ","`, []string{"2: Gari | 5"}},
		{"UTF-16 big endian without mark", wideText("name,price\nGari,5\n", false, false), `UTF-16 big endian, separated by ","`, []string{"2: Gari | 5"}},
		{
			"formulas are text", []byte("name,price\n=1+1,-5\n'+233,@x\n"), `UTF-8, separated by ","`,
			[]string{"2: =1+1 | -5", "3: '+233 | @x"},
		},
		{"only a header", []byte("name,price\n"), `UTF-8, separated by ","`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			table := open(t, "products.csv", tc.content, tabular.Options{})
			if table.Details != tc.details {
				t.Errorf("read as %s, want %s", table.Details, tc.details)
			}
			if diff := cmp.Diff(tc.want, read(table)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryFaultOfACSVNamesItsLineAndTheRestIsRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, content string
		want          []string
	}{
		{"a row too short", "name,price\nGari\nKenkey,3\n", []string{"error line 2: the row has only 1 cells, the header 2", "3: Kenkey | 3"}},
		{
			"a row too long", "name,price\nGari,1,2\nKenkey,3\n",
			[]string{"error line 2: the row has 3 cells, the header 2; is a quote or a separator missing?", "3: Kenkey | 3"},
		},
		{
			"a quote within a cell", "name,price\n5\" pipe,3\nKenkey,3\n",
			[]string{`error line 2, column "name": a quote within a cell that is not quoted; quote the cell and double the quote`, "3: Kenkey | 3"},
		},
		{
			"text behind a closing quote", "name,price\nGari,1\n\"Ken\"key,3\nTea,2\n",
			[]string{"2: Gari | 1", `error line 3, column "name": text behind a closing quote; double the quotes within a quoted cell`, "4: Tea | 2"},
		},
		{"a quote never closed", "name,price\nGari,1\n\"Kenkey,3\nTea,2\n", []string{"2: Gari | 1", "error line 3: the quote that opens here is never closed"}},
		{"a cell too long", "name,price\n" + strings.Repeat("x", 21) + ",1\nTea,2\n", []string{`error line 2, column "name": more than 20 characters in one cell`, "3: Tea | 2"}},
		{
			"a quoted cell too long", "name,price\nTea,\"" + strings.Repeat("x", 30) + "\",1\nTea,2\n",
			[]string{"error line 2: a quoted cell of more than 20 characters begins here; is its closing quote missing?"},
		},
		{"too many columns", "name,price\n1,2,3,4,5\nTea,2\n", []string{"error line 2: more than 4 columns", "3: Tea | 2"}},
		{"too many rows", "name,price\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n", []string{"2: 1 | 2", "3: 1 | 2", "4: 1 | 2", "5: 1 | 2", "6: 1 | 2", "error line 7: more than 5 rows"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := read(open(t, "a.csv", []byte(tc.content), tabular.Options{MaxCell: 20, MaxColumns: 4, MaxRows: 5}))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsNoTableIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, file, content, want string
		cause                     error
	}{
		{"nothing", "a.csv", "", "the file is empty", tabular.ErrFormat},
		{"only line ends", "a.csv", "\n\r\n \n", "the file has no rows", tabular.ErrFormat},
		{"a NUL byte", "a.csv", "name,price\nGari,1\nKen\x00key,3\n", "line 3: a NUL byte; this is no text file", tabular.ErrFormat},
		{"a PDF", "a.csv", "%PDF-1.4\n", "this is a PDF; save the table as .xlsx or CSV", tabular.ErrFormat},
		{
			"an old workbook", "a.xls", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....",
			"this is a workbook of Excel 97 to 2003, or one with a password; save it as .xlsx without password, or as CSV", tabular.ErrFormat,
		},
		{"gzip", "a.csv", "\x1f\x8b\x08\x00", "the file is compressed; unpack it first", tabular.ErrFormat},
		{"text called a workbook", "a.xlsx", "name,price\n", "the name ends in .xlsx, but the content is no workbook", tabular.ErrFormat},
		{"an archive that is none", "a.xlsx", "PK\x03\x04 and then nothing", "the workbook is damaged: its archive cannot be opened", tabular.ErrFormat},
		{"a file too long", "a.csv", strings.Repeat("x", 101), "the file has 101 bytes; at most 100 are read", tabular.ErrLimit},
		{"a byte of no encoding", "a.csv", "name\nGari \x81\n", "line 2: a byte that is neither UTF-8 nor Windows-1252; save the file as UTF-8", tabular.ErrFormat},
		{"a broken byte among UTF-8", "a.csv", "name\nẸ̀bà\nCr\xe8me\n", "line 3: a byte that is not UTF-8 in a file that otherwise is; save the file as UTF-8", tabular.ErrFormat},
		{"a header with a fault", "a.csv", "na\"me,price\n", "line 1: a quote within a cell that is not quoted; quote the cell and double the quote", tabular.ErrCell},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := tabular.Open(strings.NewReader(tc.content), int64(len(tc.content)), tc.file, tabular.Options{MaxBytes: 100})
			if err == nil || err.Error() != tc.want || !errors.Is(err, tc.cause) {
				t.Fatalf("got %v, want %s", err, tc.want)
			}
			if e, ok := errors.AsType[*tabular.Error](err); !ok || !e.Fatal {
				t.Fatalf("%v is not fatal", err)
			}
		})
	}
}

// repeated is a file of a header and the same line over and over, which takes no memory.
type repeated struct {
	header, line string
	lines        int64
}

func (r repeated) size() int64 { return int64(len(r.header)) + r.lines*int64(len(r.line)) }

func (r repeated) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	for n < len(p) && at < r.size() {
		from := r.header
		if at >= int64(len(r.header)) {
			from = r.line[(at-int64(len(r.header)))%int64(len(r.line)):]
		} else {
			from = from[at:]
		}
		c := copy(p[n:], from)
		n, at = n+c, at+int64(c)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Not parallel, because it measures the heap that all tests share.
func TestTwoMillionRowsStreamInFlatMemory(t *testing.T) {
	file := repeated{"name,sku,barcode,price,quantity\n", "Gari fine white,GAR-0001,6001234567890,12.50,40\n", 2_000_000}
	table, err := tabular.Open(file, file.size(), "products.csv", tabular.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	var most uint64
	for row, err := range table.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		if rows++; rows%500_000 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			if row.Cells[3] != "12.50" || row.Line != rows+1 {
				t.Fatalf("row %d is %v", rows, row)
			}
		}
	}
	if rows != 2_000_000 {
		t.Fatalf("%d rows", rows)
	}
	if most > 32<<20 { // The file is 96 MB, its rows far more.
		t.Fatalf("%d MiB live after a collection", most>>20)
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a;b\r\n\"1\n\";2", "sep=|\na|b\n", "\xff\xfea\x00,\x00b\x00", "a,\"b\n", "\xef\xbb\xbfx\n\xe8\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		options := tabular.Options{MaxCell: 50, MaxColumns: 10, MaxRows: 100}
		table, err := tabular.Open(bytes.NewReader(content), int64(len(content)), "a.csv", options)
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
