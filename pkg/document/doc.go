// Package document writes tables for people: as CSV, as XLSX and as PDF, and receipts for a thermal printer.
//
// A [Report] says what stands at the head and which tables follow; a [Table] says its columns and yields its rows. The same
// report goes to [WriteCSV], [WriteXLSX] and [WritePDF], so the formats cannot disagree. The package knows neither a business
// word nor a database: who asks brings the rows, usually from a cursor.
//
//	rows of the caller ──[]Cell──▶ kinds checked, totals added ──┬──▶ WriteCSV   streamed, any number of rows
//	                                                             ├──▶ WriteXLSX  streamed through temporary files, split at the sheet's limit
//	                                                             └──▶ WritePDF   in memory, the first MaxRows rows, then "n more rows"
//
// Promises: the same report gives the same bytes. Memory does not grow with the rows, except in a PDF, which is capped.
// A cell of the wrong kind, a money cell in another currency, a row of the wrong length or an error of the source stops the
// writer with an error; what was written until then is not a document, so write to a place that nobody reads before success.
// No text can act as a formula. Money is integers of minor units throughout.
//
// Traps: a source may reuse its row slice, the writers keep nothing of it. Instants are shown in the report's zone, calendar dates as they are.
package document
