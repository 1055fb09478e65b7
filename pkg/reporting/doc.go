// Package reporting makes reports: sales, stock, customers, transactions and the log of one business, as PDF, XLSX or CSV, kept for 30 days.
//
//	asked for ──Request──▶ a row PENDING and its task, in one commit
//	                         │ Write: one snapshot, rows by cursor into the file
//	                         ├──▶ COMPLETED ──Complete, in the task's own commit──▶ EXPIRED after 30 days, the file gone, the row kept
//	                         ├──▶ FAILED     when the task has failed for good
//	                         └──▶ CANCELLED  by whoever asked, or an admin; no file is left
//
// Promises: a report shows one moment, however long it takes to write. Its row tells of a file only once that is whole; of two workers that make the same report, one
// finishes it. Its sums are sums over what the business's tables say. Memory does not grow with rows, except in a PDF, which shows the first 10,000.
//
// Reports are also made by the clock, see Schedule: RunDue claims what is due, and records and enqueues each run in one commit. A run is a report like any other. What became of its mails is read from
// their own rows, as its progress is from its task's.
//
// What the figures mean:
//
//   - A sale belongs to the business's day on which it was completed, a refund to its own day, whenever the sale was. Carts are in no report. Cancelled sales are in no
//     sum; where there are any, a table of their own lists them.
//   - Revenue is what was sold, with tax and after discounts, less what was refunded. Net sales is that without tax. What goods cost is what they had cost when they were
//     sold, landed, less what went back on the shelf. Paid and outstanding are of the period's sales, as they stand now.
//   - The total price of a line is what the customer owed for it: after discounts, also its share of the discount on the whole sale, and with tax. So lines add up to sales.
//
// Three reports of one business are made at a time, see Turn; whoever has a Link may have the file.
//
// Who sees only some storefronts gets only their sales, see Order.Storefronts.
//
// The tables are those of other contexts, which are read and never written: sales and inventory by their own names, people and letterhead through views of accounts, the log through
// one of audit.
package reporting
