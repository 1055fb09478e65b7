//go:build !faults

package task

// crash is where the fault suite kills the process. It does nothing unless built with the tag "faults".
func crash(string) {}
