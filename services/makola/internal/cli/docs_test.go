package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocsGatherTheSettingsOfEveryService(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(path, content string) {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	read := func(path string) string {
		raw, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		return string(raw)
	}
	// Two services that know nothing but the answer to "config json".
	answer := func(own string) string {
		return "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(`[" + `{"variable": "SHARED", "type": "text", "required": true, "group": "X", "doc": "Both have it."}, ` + own + "]`) }\n"
	}
	write("go.mod", "module example\n\ngo 1.26.0\n")
	write("services/one/main.go", answer(`{"variable": "ALONE", "type": "duration", "default": "5s", "doc": "One has it."}`))
	write("services/two/main.go", answer(`{"variable": "KEY", "type": "text", "secret": true, "required": true, "doc": "Two has it."}`))
	write("docs/keep", "")
	write(".env.example", "# For Compose.\nKEY=dev\n")

	r := &rig{t: t, vars: nil}
	first := r.ok("docs", "--root", root)
	require.Contains(t, first, "config.md")
	page, example := read("docs/config.md"), read(".env.example")
	require.Contains(t, page, "## Every program\n")
	require.Contains(t, page, "| `SHARED` | text, required |  | Both have it. |")
	require.Contains(t, page, "## one\n")
	require.Contains(t, page, "| `ALONE` | duration | `5s` | One has it. |")
	require.True(t, strings.HasPrefix(example, "# For Compose.\nKEY=dev\n\n"+envMark), "what is written by hand stays")
	require.Contains(t, example, "\n#ALONE=5s\n")
	require.Contains(t, example, "\n#KEY=\n", "a required one must not empty the one above")
	require.Equal(t, 1, strings.Count(example, "SHARED"))

	r.ok("docs", "--root", root)
	require.Equal(t, page+example, read("docs/config.md")+read(".env.example"), "writing again changes nothing")

	code, _, errs := r.run("docs", "--root", t.TempDir())
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "--root must name the repository")
	write("services/two/main.go", "package main\n")
	code, _, errs = r.run("docs", "--root", root)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "ask two for its settings")
}
