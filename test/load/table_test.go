package load

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"makola/test/stack"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // as every service runs (pkg/service); some benchmarks run the engine in this process
	stack.Main(m, printTable)
}

// table collects what the benchmarks found, in the order they found it.
var table struct {
	sync.Mutex
	lines []string
}

// note adds a line to the table: what was measured, and what came out.
func note(what, format string, values ...any) {
	table.Lock()
	defer table.Unlock()
	table.lines = append(table.lines, fmt.Sprintf("| %-58s | %s |", what, fmt.Sprintf(format, values...)))
}

// printTable prints the table, and writes it to the file that BENCH_OUT names.
func printTable() {
	table.Lock()
	defer table.Unlock()
	if len(table.lines) == 0 {
		return
	}
	text := fmt.Sprintf("%d processors, %s\n\n| measured | result |\n|---|---|\n%s\n", runtime.NumCPU(), runtime.Version(), strings.Join(table.lines, "\n"))
	fmt.Print("\n" + text + "\n")
	if name := os.Getenv("BENCH_OUT"); name != "" {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, "load: write BENCH_OUT:", err)
			os.Exit(1)
		}
	}
}

// limit is how long a benchmark waits for the end of its work. It is far more than the work takes, unless the machine is busy with other things.
const limit = 4 * time.Minute

// latencies are how long single things took.
type latencies []time.Duration

// at returns the given thousandth: at(500) is the median, at(990) the 99th percentile. It sorts.
func (l latencies) at(thousandth int) time.Duration {
	if len(l) == 0 {
		return 0
	}
	slices.Sort(l)
	return l[min(len(l)*thousandth/1000, len(l)-1)]
}

// ms prints a duration as milliseconds.
func ms(d time.Duration) string {
	return fmt.Sprintf("%d.%02d ms", d/time.Millisecond, d%time.Millisecond/(10*time.Microsecond))
}

// perSecond is n things in d.
func perSecond(n int, d time.Duration) int {
	return int(int64(n) * int64(time.Second) / max(int64(d), 1))
}

// share prints a/b with two decimals.
func share(a, b int) string { return fmt.Sprintf("%d.%02d", a/max(b, 1), a*100/max(b, 1)%100) }
