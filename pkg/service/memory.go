package service

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent is the default for GOGC. A service's live heap is a few MiB, so waiting for four times as much garbage costs little memory
// and gave 10 % more tasks per second than Go's own default of 100 (docs/benchmarks.md).
const gcPercent = 400

// Where Linux shows a container its own memory limit: cgroup v2, and v1 on older hosts.
const (
	cgroupLimit   = "/sys/fs/cgroup/memory.max"
	cgroupLimitV1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes"
)

// settleMemory is called once a service has started: what was needed only for that (a parsed specification, compiled schemas) goes back to the operating system, and
// from here on memory is traded for speed. Setting the percentage earlier would let the start grow to a size that an idle service never needs again.
func settleMemory(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	debug.FreeOSMemory()
}

// tuneMemory sets the memory limit of a service. GOMEMLIMIT, where set, wins.
func tuneMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	content, err := os.ReadFile(cgroupLimit)
	if err != nil {
		content, err = os.ReadFile(cgroupLimitV1)
	}
	if err != nil {
		return
	}
	if limit, ok := softLimit(string(content)); ok {
		debug.SetMemoryLimit(limit)
	}
}

// softLimit is 90 % of the container's limit; the rest is for what the Go runtime does not count. It reports false where there is none: v2 says
// "max", v1 a number that no machine has.
func softLimit(content string) (bytes int64, ok bool) {
	limit, err := strconv.ParseInt(strings.TrimSpace(content), 10, 64)
	if err != nil || limit <= 0 || limit >= 1<<60 {
		return 0, false
	}
	return limit / 10 * 9, true
}
