package tabular

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// What a workbook may cost, whatever it claims. A sheet of a million rows and forty columns stays below.
const (
	maxDirectory     = 1 << 20 // Bytes of the archive's directory: some ten thousand entries.
	maxEntries       = 2_000
	maxUnpacked      = 2 << 30   // Bytes of all entries together.
	maxRatio         = 250       // Unpacked to packed, of an entry of ratioFrom bytes or more. Real sheets reach 50.
	ratioFrom        = 1 << 20   //
	maxPart          = 8 << 20   // Bytes of the workbook's own small parts.
	maxSharedXML     = 512 << 20 // Bytes of the shared strings as XML; they are streamed.
	maxSharedBytes   = 96 << 20  // Bytes of the shared strings themselves, which stay in memory.
	maxSharedStrings = 4_000_000
)

// budgetReader fails once more than left bytes were read; a negative left is no limit.
type budgetReader struct {
	r    io.ReaderAt
	left int64
}

var errBudget = errors.New("archive directory is too long")

// ReadAt reads on within the budget.
func (b *budgetReader) ReadAt(p []byte, at int64) (int, error) {
	if b.left >= 0 {
		if b.left -= int64(len(p)); b.left < 0 {
			b.left = 0
			return 0, errBudget
		}
	}
	return b.r.ReadAt(p, at)
}

// workbook is an XLSX archive that passed the guards.
type workbook struct {
	files    map[string]*zip.File // By lower-case name.
	from1904 bool
}

// openWorkbook reads the archive's directory, in bounded memory, and refuses what would unpack beyond the limits. The sizes in the
// directory bind: archive/zip fails an entry that unpacks to more than it says.
func openWorkbook(r io.ReaderAt, size int64) (*workbook, error) {
	budget := &budgetReader{r: r, left: maxDirectory}
	archive, err := zip.NewReader(budget, size)
	if errors.Is(err, errBudget) {
		return nil, fatal(0, ErrLimit, "the workbook holds too many parts")
	}
	if err != nil {
		return nil, fatal(0, ErrFormat, "the workbook is damaged: its archive cannot be opened")
	}
	budget.left = -1
	if len(archive.File) > maxEntries {
		return nil, fatal(0, ErrLimit, "the workbook holds %d parts; at most %d are read", len(archive.File), maxEntries)
	}
	w := &workbook{files: make(map[string]*zip.File, len(archive.File))}
	var unpacked uint64
	for _, f := range archive.File {
		if f.UncompressedSize64 > maxUnpacked || unpacked+f.UncompressedSize64 > maxUnpacked {
			return nil, fatal(0, ErrLimit, "the workbook unpacks to more than %d MiB", maxUnpacked>>20)
		}
		unpacked += f.UncompressedSize64
		if f.UncompressedSize64 >= ratioFrom && f.UncompressedSize64/maxRatio > f.CompressedSize64 {
			return nil, fatal(0, ErrLimit, "a part of the workbook unpacks to more than %d times its size; save it again with a spreadsheet", maxRatio)
		}
		name := strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(f.Name, `\`, "/"), "/"))
		if _, twice := w.files[name]; twice {
			return nil, fatal(0, ErrFormat, "the workbook is damaged: it has two parts of one name")
		}
		w.files[name] = f
	}
	return w, nil
}

// part opens one part, which may unpack to limit bytes. A part that is missing gives nil.
func (w *workbook) part(name string, limit uint64) (*xmlReader, error) {
	f := w.files[strings.ToLower(name)]
	if f == nil {
		return nil, nil // Optional parts are usual; callers ask.
	}
	if f.UncompressedSize64 > limit {
		return nil, fatal(0, ErrLimit, "a part of the workbook unpacks to more than %d MiB", limit>>20)
	}
	content, err := f.Open()
	if err != nil {
		return nil, fatal(0, ErrFormat, "the workbook is damaged: a part cannot be unpacked")
	}
	return newXMLReader(content), nil
}

// relations reads the targets of a part's relationships by their ids, and by the last word of their types.
func (w *workbook) relations(of string) (byID, byType map[string]string, err error) {
	byID, byType = map[string]string{}, map[string]string{}
	folder, base := path.Split(of)
	x, err := w.part(folder+"_rels/"+base+".rels", maxPart)
	if err != nil || x == nil {
		return byID, byType, err
	}
	defer x.close()
	err = x.each(func(t token) error {
		if !t.start || t.name != "Relationship" || t.attr("TargetMode") == "External" {
			return nil
		}
		target := t.attr("Target")
		if strings.HasPrefix(target, "/") {
			target = target[1:]
		} else {
			target = path.Join(folder, target)
		}
		byID[t.attr("Id")] = target
		if kind := path.Base(t.attr("Type")); byType[kind] == "" {
			byType[kind] = target
		}
		return nil
	})
	return byID, byType, err
}

// sheet is one entry of the workbook's list.
type sheet struct {
	name, relation string
	hidden         bool
}

// sheets reads the workbook's list of sheets and its date system.
func (w *workbook) sheets(name string) ([]sheet, error) {
	x, err := w.part(name, maxPart)
	if err != nil {
		return nil, err
	}
	if x == nil {
		return nil, fatal(0, ErrFormat, "the archive holds no workbook; save the table as .xlsx or CSV")
	}
	defer x.close()
	var list []sheet
	err = x.each(func(t token) error {
		switch {
		case !t.start:
		case t.name == "workbookPr":
			w.from1904 = t.attr("date1904") == "1" || t.attr("date1904") == "true"
		case t.name == "sheet":
			list = append(list, sheet{name: t.attr("name"), relation: t.attr("id"), hidden: t.attr("state") != "" && t.attr("state") != "visible"})
		}
		return nil
	})
	return list, err
}

// choose finds the sheet of that name, in any case, or the first visible one that is a table.
func choose(list []sheet, name string, parts map[string]string) (sheet, string, error) {
	var names []string
	for _, s := range list {
		part := parts[s.relation]
		if part == "" || strings.Contains(strings.ToLower(part), "chartsheets/") {
			continue
		}
		if name == "" && !s.hidden || name != "" && strings.EqualFold(strings.TrimSpace(s.name), strings.TrimSpace(name)) {
			return s, part, nil
		}
		if len(names) < 10 {
			names = append(names, quoted(s.name))
		}
	}
	if name == "" {
		return sheet{}, "", fatal(0, ErrFormat, "the workbook has no visible sheet")
	}
	return sheet{}, "", fatal(0, ErrFormat, "the workbook has no sheet %s; it has %s", quoted(name), strings.Join(names, ", "))
}

// dateStyles tells for each cell style whether it shows numbers as dates or times.
func (w *workbook) dateStyles(name string) ([]bool, error) {
	x, err := w.part(name, maxPart)
	if err != nil || x == nil {
		return nil, err
	}
	defer x.close()
	var styles []bool
	custom, within := map[int]bool{}, false
	err = x.each(func(t token) error {
		switch {
		case t.name == "cellXfs":
			within = t.start
		case t.start && t.name == "numFmt":
			if id, err := strconv.Atoi(t.attr("numFmtId")); err == nil {
				custom[id] = dateFormat(t.attr("formatCode"))
			}
		case t.start && t.name == "xf" && within:
			id, _ := strconv.Atoi(t.attr("numFmtId")) // Without one: 0, the general format.
			date, known := custom[id]
			styles = append(styles, known && date || !known && builtinDate(id))
		}
		return nil
	})
	return styles, err
}

// builtinDate knows the numbered formats of ECMA-376, 18.8.30, that show dates or times, those of East Asian locales included.
func builtinDate(id int) bool {
	return id >= 14 && id <= 22 || id >= 27 && id <= 36 || id >= 45 && id <= 47 || id >= 50 && id <= 58
}

// dateFormat reports whether a format code shows a date or a time of day: a letter of those outside quotes, brackets and escapes.
// Elapsed time ("[h]:mm") is a number.
func dateFormat(code string) bool {
	code, _, _ = strings.Cut(code, ";")
	date := false
	for i := 0; i < len(code); i++ {
		switch c := code[i] | 0x20; {
		case code[i] == '"' || code[i] == '[':
			end := map[byte]byte{'"': '"', '[': ']'}[code[i]]
			n := strings.IndexByte(code[i+1:], end)
			if n < 0 {
				return date
			}
			if inner := strings.ToLower(code[i+1 : i+1+n]); end == ']' && inner != "" && strings.Trim(inner, inner[:1]) == "" && strings.Contains("hms", inner[:1]) {
				return false
			}
			i += n + 1
		case code[i] == '\\' || code[i] == '_' || code[i] == '*':
			i++
		case c == 'y' || c == 'd' || c == 'h' || c == 'm' || c == 's':
			date = true
		case c == 'g' || code[i] == '0' || code[i] == '#' || code[i] == '?': // "General", digits: "0.00E+00" has no date in it.
			if !date {
				return false
			}
		}
	}
	return date
}

// sharedStrings are the texts that cells name by number, in one piece.
type sharedStrings struct {
	text []byte
	ends []uint32
}

// shared reads the shared strings. They are what a workbook can hold most of, hence limits of their own.
func (w *workbook) shared(name string) (*sharedStrings, error) {
	s := &sharedStrings{}
	x, err := w.part(name, maxSharedXML)
	if err != nil || x == nil {
		return s, err
	}
	defer x.close()
	var text richText
	err = x.each(func(t token) error {
		text.take(t)
		if t.name != "si" || t.text != nil {
			return nil
		}
		if t.start {
			text.reset()
			return nil
		}
		if len(s.ends) == maxSharedStrings || len(s.text)+len(text.b) > maxSharedBytes {
			return fatal(0, ErrLimit, "the workbook holds more than %d MiB of different texts", maxSharedBytes>>20)
		}
		s.text = append(s.text, text.value()...)
		s.ends = append(s.ends, uint32(len(s.text)))
		return nil
	})
	return s, err
}

// get is the string of that number.
func (s *sharedStrings) get(number string) (string, bool) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(s.ends) {
		return "", false
	}
	var from uint32
	if n > 0 {
		from = s.ends[n-1]
	}
	return string(s.text[from:s.ends[n]]), true
}

// describe is a fault of the XML beneath, said for the file's author.
func describe(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return fatal(0, ErrFormat, "the workbook is damaged: %s", fault(err))
}

func fault(err error) string {
	switch {
	case errors.Is(err, zip.ErrChecksum):
		return "a part does not match its checksum"
	case errors.Is(err, zip.ErrFormat), errors.Is(err, zip.ErrAlgorithm):
		return "a part cannot be unpacked"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "a part ends in the middle"
	default:
		return fmt.Sprintf("a part is not well-formed XML (%.80s)", err.Error())
	}
}
