// Package e2e tells stories with the built programs: HTTP in; rows, mails and answers out. Each test runs the programs it needs on a database and a
// virtual host of its own (see package stack).
package e2e
