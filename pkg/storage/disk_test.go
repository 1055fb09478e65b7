package storage_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"makola/pkg/storage"
)

// smallDisk tells the test's own process, started once more, in which folder it may write little.
const smallDisk = "MAKOLA_TEST_SMALL_DISK"

// The kernel refuses the bytes above a limit, in the middle of a file, as a disk does that is full. The limit is a process's, so the test starts one.
func TestADiskThatIsFullKeepsNothing(t *testing.T) {
	t.Parallel()
	if folder := os.Getenv(smallDisk); folder != "" {
		writeTooMuch(t, folder)
		return
	}
	folder := t.TempDir()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestADiskThatIsFullKeepsNothing$", "-test.count=1")
	again.Env = append(os.Environ(), smallDisk+"="+folder)
	out, err := again.CombinedOutput()
	require.NoError(t, err, "%s", out)
	file, err := os.ReadFile(folder + "/reports/small")
	require.NoError(t, err, "%s", out)
	require.Equal(t, "fits", string(file))
}

func writeTooMuch(t *testing.T, folder string) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}))
	files := open(t, storage.Config{URL: "file://" + folder})
	_, err := files.Put(t.Context(), "reports/large", bytes.NewReader(make([]byte, 3<<20)), 1<<30)
	require.EqualError(t, err, "write file: file too large")
	require.ErrorIs(t, err, syscall.EFBIG)
	require.False(t, errors.Is(err, storage.ErrTooLarge), "the disk's fault, not the file's")
	entries, err := os.ReadDir(folder + "/reports")
	require.NoError(t, err)
	require.Empty(t, entries, "not even under a temporary name")
	_, err = files.Put(t.Context(), "reports/small", strings.NewReader("fits"), 1<<30)
	require.NoError(t, err)
}
