package server

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	// memory is where Linux keeps files in memory.
	memory = "/dev/shm"
	// roomWanted is how much must be free there, and spareWanted how much the machine must have left, before servers keep their data in memory.
	roomWanted, spareWanted = 3 << 30, 6 << 30
	// folderPrefix begins the name of each folder; the number of the process that made it follows.
	folderPrefix = "makola-servers-"
)

// DataFolder is the folder in which servers should keep their data: the one that MAKOLA_TEST_DATA names, else memory where there is plenty of it, else the temporary folder.
// A database is made and dropped for almost each test, and most of what that costs is the disk. What servers must survive here is being killed, and files in memory do.
func DataFolder() string {
	if dir := os.Getenv("MAKOLA_TEST_DATA"); dir != "" {
		return filepath.Clean(dir)
	}
	if inMemory(memory) && spare() >= spareWanted {
		return memory
	}
	return filepath.Clean(os.TempDir())
}

// MkdirTemp makes a folder for the data of this process's servers. Whoever made it removes it; RemoveStale removes those of processes that could not.
func MkdirTemp() (string, error) {
	dir, err := os.MkdirTemp(DataFolder(), folderPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", fmt.Errorf("create folder for servers: %w", err)
	}
	return dir, nil
}

// RemoveStale removes the folders of earlier runs that were killed before they could clean up. What it cannot remove stays.
func RemoveStale() {
	for _, in := range []string{os.TempDir(), DataFolder()} {
		dirs, _ := filepath.Glob(filepath.Join(in, folderPrefix+"*")) // the pattern is well-formed
		for _, dir := range dirs {
			number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), folderPrefix), "-")
			pid, err := strconv.Atoi(number)
			if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				_ = os.RemoveAll(dir)
			}
		}
	}
}

// inMemory reports whether a folder is a file system in memory that may be written and has room.
func inMemory(dir string) bool {
	const tmpfs = 0x01021994
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Type != tmpfs {
		return false
	}
	const mayWrite = 2
	return fs.Bavail*uint64(fs.Bsize) >= roomWanted && syscall.Access(dir, mayWrite) == nil
}

// spare is how many bytes the machine says programs may still take; 0 when it does not say.
func spare() int64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64) // 0 when it is no number
			return kib << 10
		}
	}
	return 0
}
