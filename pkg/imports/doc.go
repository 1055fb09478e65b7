// Package imports brings many rows into a business from one file that somebody uploaded: it keeps the file's record, reads it, and reports every bad row with line, column
// and reason. What a row means, and how it is written, is said by the context that owns it, behind Sink.
//
//	upload ──▶ PENDING, with a task ──▶ first pass: every row is checked ──┬─▶ faults ──▶ REJECTED, nothing written
//	                                                                       ├─▶ a dry run ──▶ CHECKED
//	                                                                       └─▶ second pass, in the transaction that ends the task ──▶ COMPLETED
//
// Promises: all rows or none, unless the import says to skip the bad ones. An import is done once, however often its task runs. Memory does not grow with the file but by
// what a Sink keeps of each row to find duplicates. Each batch of rows is checked in a short transaction of its own, and what has changed between the check and the write is
// found by the write, which then gives up for the task to try again.
//
// See docs/adr/0029-an-import-is-checked-whole-and-written-at-once.md.
package imports
