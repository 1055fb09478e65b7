package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// builds are the programs that this test process has built. Main sets the folder.
var builds struct {
	sync.Mutex
	dir  string
	done map[string]error
}

// Main is TestMain's whole body: it runs the tests with a folder for the programs they build, removes it, calls last, and exits.
func Main(m *testing.M, last ...func()) {
	dir, err := os.MkdirTemp("", "makola-programs-")
	if err != nil {
		panic(fmt.Sprintf("create folder for programs: %v", err))
	}
	builds.dir, builds.done = dir, map[string]error{}
	code := m.Run()
	_ = os.RemoveAll(dir)
	for _, f := range last {
		f()
	}
	os.Exit(code)
}

// Program builds the program name with the build tags and returns its path. A program is a folder of services, of deploy/sandbox or of
// test/load. It is built once per test process.
func Program(t testing.TB, name string, tags ...string) string {
	t.Helper()
	if builds.dir == "" {
		t.Fatal("stack.Main is not this package's TestMain")
	}
	builds.Lock()
	defer builds.Unlock()
	key := strings.Join(append([]string{name}, tags...), "+")
	path := filepath.Join(builds.dir, key)
	err, built := builds.done[key]
	if !built {
		err = build(t.Context(), path, name, tags)
		builds.done[key] = err
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func build(ctx context.Context, path, name string, tags []string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	for _, folder := range []string{"services", "deploy/sandbox", "test/load"} {
		if _, err := os.Stat(filepath.Join(root, folder, name, "main.go")); err != nil {
			continue
		}
		// Without what only a debugger reads, which takes half the time of linking.
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-tags", strings.Join(tags, ","), "-o", path, "./"+folder+"/"+name) //nolint:gosec // our own programs
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		return nil
	}
	return fmt.Errorf("there is no program %s in services, deploy/sandbox or test/load", name)
}

// Root returns the repository's folder: the one above the working folder that holds go.work.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.work above the working folder")
		}
		dir = filepath.Dir(dir)
	}
}
