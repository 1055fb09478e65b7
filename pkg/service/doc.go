// Package service is the frame every Makola process stands in: configuration, logs, health, metrics, and the order of start and stop.
//
//	func main() { service.Main("reports-worker", wire) }
//
// # Life of a process
//
//	configuration ─▶ admin server ─▶ wire ─▶ Start in order ─▶ ready ─▶ signal ─▶ unready ─▶ Stop in reverse ─▶ exit 0
//	     │ faults         │ busy port    │ error    │ error                             │ 30 s used up
//	     ▼                ▼              ▼          ▼                                   ▼
//	   exit 1, every fault listed; exit 1 with one line that says why                 exit 1, naming who did not stop
//
// The admin server answers from the first moment, so an orchestrator can tell "starting" from "dead". A first SIGTERM or SIGINT
// fails readiness at once and stops what was added, last added first, within [Config.ShutdownTimeout] in all. A second signal exits
// with status 1 at once. A component that dies on its own calls [App.Fail]; the process then stops in the same order and exits 1.
//
// # Subcommands
//
// Without arguments a binary runs the service. `health` asks the running process's /readyz and exits 0 or 1; it is what container
// health checks call, since the images hold no shell and no curl. `config [table|markdown|dotenv|json]` prints the settings.
//
// # Traps
//
// Configuration comes from the environment only; a variable that is set but empty counts as unset. GOGC is 400 unless the service (App.GCPercent) or the
// environment says otherwise (10 % more tasks per second, docs/benchmarks.md), which is why a container's memory limit also
// becomes the garbage collector's soft limit unless GOMEMLIMIT is set.
package service
