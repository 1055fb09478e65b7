// Package server starts private PostgreSQL and RabbitMQ servers for tests and benchmarks: the real programs of the
// distribution, on free ports of 127.0.0.1, with everything they write below one folder.
//
//	pg, err := server.StartPostgres(ctx, dir)     // Kill, Restart, Stop as often as the story needs
//	mq, err := server.StartRabbit(ctx, dir)       // likewise, and Erase between Kill and Restart loses every queue
//
// Nothing is shared with other servers on the machine: own ports, own node name, own Erlang cookie and own Erlang port
// mapper. Servers die with the process that started them, even when that is killed by SIGKILL or by a test's time limit.
//
// PostgreSQL refuses to run as root, so root starts it as the user postgres (or nobody, where there is no postgres).
// MAKOLA_PG_BIN names another folder of PostgreSQL programs, MAKOLA_RABBITMQ_SERVER another rabbitmq-server program.
package server
