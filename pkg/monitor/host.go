package monitor

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"makola/pkg/celery"
)

// software is what monitors show as the kind of worker.
const software = "makola"

// version is the build's, or dev.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// system is the operating system's name as Python says it: Linux.
func system() string { return strings.ToUpper(runtime.GOOS[:1]) + runtime.GOOS[1:] }

// loadAverage is the host's; zeros where it cannot be read.
func loadAverage() (load [3]float64) {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return load
	}
	if n, err := fmt.Sscan(string(raw), &load[0], &load[1], &load[2]); err != nil || n != len(load) {
		return [3]float64{}
	}
	return load
}

// monotonic is a past time on the host's monotonic clock, which Python's workers compare with theirs: the seconds since the host's start.
func monotonic(t time.Time) celery.Seconds {
	var up float64
	if raw, err := os.ReadFile("/proc/uptime"); err == nil {
		_, _ = fmt.Sscan(string(raw), &up) // zero where it cannot be read
	}
	return celery.Seconds(max(0, up-time.Since(t).Seconds()))
}

// usage is what the process has used so far, under the names of Python's resource module.
func usage() map[string]any {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return map[string]any{}
	}
	seconds := func(t syscall.Timeval) celery.Seconds { return celery.Seconds(float64(t.Nano()) / 1e9) }
	return map[string]any{
		"utime": seconds(u.Utime), "stime": seconds(u.Stime), "maxrss": u.Maxrss, "ixrss": u.Ixrss, "idrss": u.Idrss, "isrss": u.Isrss, "minflt": u.Minflt, "majflt": u.Majflt,
		"nswap": u.Nswap, "inblock": u.Inblock, "oublock": u.Oublock, "msgsnd": u.Msgsnd, "msgrcv": u.Msgrcv, "nsignals": u.Nsignals, "nvcsw": u.Nvcsw, "nivcsw": u.Nivcsw,
	}
}
