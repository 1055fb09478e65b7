package service

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain turns the test binary into a real service when a test asks for it, so that signals, exit codes and subcommands are the real ones.
func TestMain(m *testing.M) {
	if os.Getenv("SERVICE_TEST_ROLE") != "service" {
		os.Exit(m.Run())
	}
	Main("real-service", func(_ context.Context, _ embedder, app *App) error {
		app.Ready("door", func(context.Context) error {
			_, err := os.Stat(os.Getenv("SERVICE_TEST_DOOR"))
			return err
		})
		return nil
	})
}

// serviceCommand runs this binary as a service, or one of its subcommands.
func serviceCommand(t *testing.T, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append([]string{"SERVICE_TEST_ROLE=service"}, environ...)
	return cmd
}

// freeAddr returns an address that nothing listens on, from below the range out of which the kernel hands ports to whoever asks for any.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(2000)))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
}

func TestRealProcess(t *testing.T) {
	t.Parallel()
	addr, door := freeAddr(t), t.TempDir()+"/door"
	_, port, _ := strings.Cut(addr, ":")
	environ := []string{"ADMIN_ADDR=:" + port, "SERVICE_TEST_DOOR=" + door}

	out, err := serviceCommand(t, environ, "health").CombinedOutput()
	require.Error(t, err, "nobody listens yet")
	require.Contains(t, string(out), "connection refused")

	cmd := serviceCommand(t, environ)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	started := make(chan string, 1)
	rest := make(chan string, 1)
	go func() {
		var all strings.Builder
		for s := bufio.NewScanner(stderr); s.Scan(); {
			all.WriteString(s.Text() + "\n")
			if strings.Contains(s.Text(), `"msg":"service started"`) {
				started <- s.Text()
			}
		}
		rest <- all.String()
	}()
	select {
	case line := <-started:
		require.Contains(t, line, `"service":"real-service"`)
		require.Contains(t, line, `"instance":"`)
	case <-time.After(patience):
		require.FailNow(t, "service did not start")
	}

	out, err = serviceCommand(t, environ, "health").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), `"door":"stat `)

	require.NoError(t, os.WriteFile(door, nil, 0o600))
	out, err = serviceCommand(t, environ, "health").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))

	res, err := http.Get("http://" + addr + "/metrics")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)); err == nil {
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmRSS") {
				t.Log(strings.TrimSpace(line))
			}
		}
	}

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	log := <-rest
	require.NoError(t, cmd.Wait(), "exit code 0 after SIGTERM: %s", log)
	require.Contains(t, log, `"msg":"service stopped"`)
}

func TestRealProcessPrintsItsSettings(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"table": "ADMIN_ADDR", "markdown": "| `ADMIN_ADDR` |", "dotenv": "#ADMIN_ADDR=:9090", "json": `"variable": "ADMIN_ADDR"`} {
		out, err := serviceCommand(t, nil, "config", format).Output()
		require.NoError(t, err)
		require.Contains(t, string(out), want)
	}
	cmd := serviceCommand(t, nil, "dance")
	require.Error(t, cmd.Run())
	require.Equal(t, 2, cmd.ProcessState.ExitCode())
}
