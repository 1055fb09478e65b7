package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrNotInstalled tells which program is missing and how to get it.
var ErrNotInstalled = errors.New("not installed; run deploy/local/install.sh (or `make test`, which does)")

// postgresBin is the folder with initdb and postgres: MAKOLA_PG_BIN, else the one in PATH, else the newest that Debian's layout holds.
func postgresBin() (string, error) {
	if dir := os.Getenv("MAKOLA_PG_BIN"); dir != "" {
		return dir, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && isProgram(filepath.Join(filepath.Dir(path), "postgres")) {
			return filepath.Dir(path), nil
		}
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is constant and well-formed
	slices.SortFunc(dirs, func(a, b string) int { return major(b) - major(a) })
	for _, dir := range dirs {
		if isProgram(filepath.Join(dir, "initdb")) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL server: %w", ErrNotInstalled)
}

// major reads 15 from /usr/lib/postgresql/15/bin; anything else counts as 0.
func major(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// rabbitServer is the program rabbitmq-server: MAKOLA_RABBITMQ_SERVER, else Debian's own, else the one in PATH.
// Debian's program in PATH is a wrapper which insists on the account rabbitmq and its folders, so the one behind it is preferred.
func rabbitServer() (string, error) {
	if path := os.Getenv("MAKOLA_RABBITMQ_SERVER"); path != "" {
		return path, nil
	}
	if path := "/usr/lib/rabbitmq/bin/rabbitmq-server"; isProgram(path) {
		return path, nil
	}
	path, err := exec.LookPath("rabbitmq-server")
	if err != nil {
		return "", fmt.Errorf("RabbitMQ: %w", ErrNotInstalled)
	}
	return path, nil
}

// portMapper is Erlang's epmd, which is in PATH or in the folder of the Erlang runtime.
func portMapper() (string, error) {
	if path, err := exec.LookPath("epmd"); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib*/erlang/erts-*/bin/epmd") // the pattern is constant and well-formed
	if len(found) == 0 {
		return "", fmt.Errorf("the Erlang port mapper (epmd): %w", ErrNotInstalled)
	}
	return found[len(found)-1], nil
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// repository is the folder of go.work, above the working folder.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "postgres", "roles.sql")); err == nil {
			return dir, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the repository: %w", err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no deploy/postgres/roles.sql above the working folder: start inside the repository")
		}
		dir = parent
	}
}

// unprivileged is the account for a server that refuses to run as root; nil when the caller is not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil means "as the caller", in SysProcAttr too
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user id of %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("group id of %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
}

// handOver gives a folder to an account and makes the folders above it passable, as far as they belong to the temporary folder or that of the data.
// (A test's folder is made for its owner alone, so another account could not reach what is inside.)
func handOver(dir string, account *syscall.Credential) error {
	if account == nil {
		return nil
	}
	if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
		return fmt.Errorf("hand over %s: %w", dir, err)
	}
	within := func(up, top string) bool {
		return strings.HasPrefix(up, filepath.Clean(top)+string(filepath.Separator))
	}
	for up := filepath.Dir(dir); within(up, os.TempDir()) || within(up, DataFolder()); up = filepath.Dir(up) {
		info, err := os.Stat(up)
		if err != nil {
			return fmt.Errorf("open the way to %s: %w", dir, err)
		}
		if info.Mode()&0o001 != 0 {
			continue
		}
		if err := os.Chmod(up, info.Mode().Perm()|0o011); err != nil {
			return fmt.Errorf("open the way to %s: %w", dir, err)
		}
	}
	return nil
}
