package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"makola/pkg/service"
)

func newDocs(e *env) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "docs", Short: "Write docs/config.md and .env.example",
		Long: `Asks every service of the repository for its settings ("go run ./services/NAME config json") and writes docs/config.md and the end of .env.example.
It needs the source tree and Go; "make gen" runs it.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			programs, err := collect(c.Context(), root)
			if err != nil {
				return err
			}
			page, example := filepath.Join(root, "docs", "config.md"), filepath.Join(root, ".env.example")
			old, err := os.ReadFile(example) //nolint:gosec // a file of the repository
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("read %s: %w", example, err)
			}
			for _, f := range []struct{ path, content string }{{page, configPage(programs)}, {example, envExample(string(old), programs)}} {
				if err := os.WriteFile(f.path, []byte(f.content), 0o644); err != nil { //nolint:gosec // documentation, for everybody to read
					return fmt.Errorf("write %s: %w", f.path, err)
				}
			}
			return e.print(map[string]any{"written": []string{page, example}}, nil, [][]string{{page}, {example}})
		},
	}
	c.Flags().StringVar(&root, "root", ".", "the repository's root")
	return c
}

// program is one program and its settings.
type program struct {
	name     string
	settings []service.Setting
}

// collect asks every service below root; makola itself answers at once.
func collect(ctx context.Context, root string) ([]program, error) {
	mains, err := filepath.Glob(filepath.Join(root, "services", "*", "main.go"))
	if err != nil {
		return nil, fmt.Errorf("find services: %w", err)
	}
	if len(mains) == 0 {
		return nil, fmt.Errorf("%w: no services below %q; --root must name the repository", errUsage, root)
	}
	var programs []program
	for _, path := range mains {
		p := program{name: filepath.Base(filepath.Dir(path))}
		if p.name == "makola" {
			p.settings = service.DescribeConfig(Config{})
		} else if p.settings, err = ask(ctx, root, p.name); err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}

func ask(ctx context.Context, root, name string) (settings []service.Setting, err error) {
	cmd := exec.CommandContext(ctx, "go", "run", "./services/"+name, "config", "json") //nolint:gosec // a folder of the repository
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ask %s for its settings: %w\n%s", name, err, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), &settings); err != nil {
		return nil, fmt.Errorf("read the settings of %s: %w", name, err)
	}
	return settings, nil
}

// chapter holds the settings that the same programs have in common.
type chapter struct {
	programs []string
	settings []service.Setting
}

// chapters sorts every setting under the programs that have it; those that most have come first.
func chapters(programs []program) []*chapter {
	owners := map[service.Setting][]string{}
	var order []service.Setting
	for _, p := range programs {
		for _, s := range p.settings {
			if s.Variable == "-" {
				continue // set by the program, not by the environment
			}
			s.Group = "" // where it stands in the program's code is no concern of the reader's
			if owners[s] == nil {
				order = append(order, s)
			}
			owners[s] = append(owners[s], p.name)
		}
	}
	var list []*chapter
	for _, s := range order {
		i := slices.IndexFunc(list, func(c *chapter) bool { return slices.Equal(c.programs, owners[s]) })
		if i < 0 {
			i, list = len(list), append(list, &chapter{programs: owners[s]})
		}
		list[i].settings = append(list[i].settings, s)
	}
	slices.SortStableFunc(list, func(a, b *chapter) int {
		return cmp.Or(cmp.Compare(len(b.programs), len(a.programs)), cmp.Compare(strings.Join(a.programs, " "), strings.Join(b.programs, " ")))
	})
	return list
}

const configHead = `# Settings

Written by ` + "`make gen`" + ` from the programs' own configuration; do not edit.

Settings come from the environment and from nowhere else. A variable that is set and empty counts as not set. A secret may be put into a file
instead: ` + "`DATABASE_URL_FILE=/run/secrets/database_url`" + `. A program lists all faults of its settings at once and does not start. ` + "`NAME config`" + ` prints
this list for one program.
`

func configPage(programs []program) string {
	var b strings.Builder
	b.WriteString(configHead)
	for _, c := range chapters(programs) {
		title := strings.Join(c.programs, ", ")
		if len(c.programs) == len(programs) {
			title = "Every program"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s", title, service.Markdown(c.settings))
	}
	return b.String()
}

// envMark begins the generated part of .env.example; what stands above it is written by hand and kept.
const envMark = "# ---- Settings of the programs, written by `make gen`; do not edit below this line. ----"

const envHead = envMark + `
# For running a program outside Compose: each wants its own DATABASE_URL and AMQP_URL. docs/config.md says which program reads what.

`

// envExample returns the new content of .env.example: the old one's hand-written part, and every setting commented out, because Compose reads the
// same file and must not find a variable emptied.
func envExample(old string, programs []program) string {
	var all []service.Setting
	for _, c := range chapters(programs) {
		all = append(all, c.settings...)
	}
	byHand, _, _ := strings.Cut(old, envMark)
	var b strings.Builder
	if byHand = strings.TrimRight(byHand, "\n"); byHand != "" {
		b.WriteString(byHand + "\n\n")
	}
	b.WriteString(envHead)
	for line := range strings.Lines(service.Dotenv(all)) {
		if line != "\n" && !strings.HasPrefix(line, "#") {
			b.WriteString("#")
		}
		b.WriteString(line)
	}
	return b.String()
}
