package assist

import "makola/pkg/postgres"

// The short names of this package for what all contexts do in a transaction.
var owner, exec, query = postgres.Owner, postgres.Do, postgres.Each
