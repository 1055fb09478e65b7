// Package tabular reads a table from a file that somebody uploaded: CSV in the dialects that spreadsheets write, and XLSX. It
// yields rows with their line numbers, as a stream in bounded memory, whatever the file claims to be.
//
//	bytes ──▶ Open: what is it? limits, encoding, delimiter, header ──▶ Match: which column is which field? ──▶ Rows: one at a time
//
//	table, err := tabular.Open(file, size, "products.csv", tabular.Options{})
//	…
//	defer table.Close()
//	err = table.Match(
//		tabular.Field{Name: "name", Required: true, Aliases: []string{"product", "product name"}},
//		tabular.Field{Name: "quantity"},
//	)
//	…
//	for row, err := range table.Rows() {
//		if err != nil { … } // *Error: report it and go on, unless it says Fatal, after which nothing follows
//		quantity, err := row.Integer("quantity")
//	}
//
// Promises: nothing is ever evaluated; a cell that begins with = + - @ or ' is text, as is any other, until a caller parses it.
// An error names the line, the column and the reason in words for the person who made the file. A file that is not text or a
// workbook, or that would unpack to more than the limits, is refused before anything is kept of it. Memory is bounded by the limits.
//
// Traps: numbers of XLSX come without the noise of binary floating point, as at most 15 digits; a percentage is its number (0.15).
// Dates of XLSX come in ISO 8601, since their cells say that they are dates. Dates of CSV are read day first.
package tabular
