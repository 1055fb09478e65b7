// Package stack builds Makola's programs and runs them as a system test needs them: real binaries, each as its own database role, on the test's own
// database (postgrestest) and virtual host (rabbittest), with free ports and their logs kept.
//
//	func TestMain(m *testing.M) { stack.Main(m) }
//
//	s := stack.New(t)
//	gateway := s.Start("api-gateway")
//	worker := s.Start("billing-worker", "TASKS_SHORT=16")
//	stack.Ready(t, gateway, worker)
//	… http to gateway.URL() …
//	worker.Kill()            // SIGKILL
//	code := gateway.Stop()   // SIGTERM, and its exit code
//
// Programs are built once per test process. What still runs when the test ends is killed; a failed test shows its logs.
// It is imported by tests only.
package stack
