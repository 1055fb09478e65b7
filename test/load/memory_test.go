package load

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"makola/test/stack"
)

// peaks are the most memory that programs needed under load, by name.
var peaks struct {
	sync.Mutex
	bytes map[string]int64
}

// remember keeps what a loaded program needed at most.
func remember(name string, p *stack.Process) {
	_, peak := p.Memory()
	peaks.Lock()
	defer peaks.Unlock()
	if peaks.bytes == nil {
		peaks.bytes = map[string]int64{}
	}
	peaks.bytes[name] = max(peaks.bytes[name], peak)
}

// settled is how long after its start a service's idle memory is read.
const settled = 5 * time.Second

// BenchmarkZMemory reads the resident memory of each service, idle and (where another benchmark loaded it) at its peak. Its name makes it run last.
func BenchmarkZMemory(b *testing.B) {
	names := []string{"api-gateway", "billing-worker", "inventory-worker", "reports-worker", "notifier", "cron"}
	s := stack.New(b)
	var processes []*stack.Process
	for _, name := range names {
		processes = append(processes, s.Start(name))
	}
	stack.Ready(b, processes...)
	<-time.After(settled)
	for _, p := range processes {
		idle, _ := p.Memory()
		b.ReportMetric(float64(idle)/(1<<20), p.Name+"-MiB")
		loaded := "not loaded"
		peaks.Lock()
		if peak := peaks.bytes[p.Name]; peak > 0 {
			loaded = mib(peak) + " at most under load"
		}
		peaks.Unlock()
		note("memory of "+p.Name, "%s idle, %s", mib(idle), loaded)
	}
}

// mib prints bytes as MiB.
func mib(bytes int64) string { return fmt.Sprintf("%d.%d MiB", bytes>>20, bytes%(1<<20)*10>>20) }
