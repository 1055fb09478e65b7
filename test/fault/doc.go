// Package fault breaks things while the task engine works, and then asks the database whether every promise was kept.
//
// One file per fault, named like it. Each test starts victims (see victim), which are real worker processes, gives them load, does the
// damage, and waits until every accepted task has ended. Then history_test.go checks: each accepted task entered a terminal state once;
// its effect happened once if it succeeded and never otherwise; no attempt was spent on a fault that was not the task's; nothing is left in
// queues or dead letters. What ran is decided by a seed, which is printed.
//
// Tests that harm a server start one of their own; the others share a pair, each with its own database and virtual host.
package fault
