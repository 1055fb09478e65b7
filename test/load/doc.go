// Package load measures Makola under bounded load on real servers: `make bench`.
//
// Everything shares the machine: the load, the programs, PostgreSQL and RabbitMQ. So absolute numbers say little elsewhere, and what is compared is compared within
// one run: the gateway's webhook with a floor (see the command floor) that gets the same requests from the same client. The goals are in docs/benchmarks.md.
//
// Each benchmark runs once whatever -benchtime says (b.N is ignored), reports its metrics, and adds a line to the table that is printed at the end. BENCH_OUT names
// a file that the table is written to as well.
package load
