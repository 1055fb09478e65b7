// Package postgres opens the database and is the only way into a transaction.
//
// Every transaction begins in InTenant (one business, taken from the context) or InSystem (platform work). Both set, as the
// transaction's first statement, what the row-security policies ask for: app.tenants and app.scope. A transaction that
// forgets a filter therefore sees its own tenant's rows, and one that is bound to nobody sees none.
//
//	err := db.InTenant(ctx, func(tx *gorm.DB) error {
//		return billing.Credit(tx, …)   // commits when nil is returned, rolls back otherwise
//	})
//
// A function that writes takes tx and never begins a transaction itself. A batch that serves many tenants at once begins in
// InSystem and names them with BindTenants.
//
// Begin and the binding travel in one round trip, and so do Finish statements and COMMIT: a short task costs three trips to the
// server instead of five (docs/benchmarks.md). gorm sits on the same connection through database/sql.
package postgres
