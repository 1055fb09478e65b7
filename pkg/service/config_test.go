package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"makola/pkg/service"
)

type database struct {
	URL  string        `env:"URL,required" secret:"true" doc:"Where the database is."`
	Wait time.Duration `env:"WAIT" envDefault:"5s" doc:"Patience."`
	Max  int           `env:"MAX" envDefault:"10"`
}

func (d database) Validate() []error {
	if d.Max < 1 {
		return []error{service.Invalid("PG_MAX", fmt.Sprintf("is %d", d.Max), "choose at least 1")}
	}
	return nil
}

func (d database) ValidateProduction() []error {
	if strings.Contains(d.URL, "sslmode=disable") {
		return []error{service.Invalid("PG_URL", "turns encryption off", "remove sslmode=disable")}
	}
	return nil
}

type config struct {
	service.Config
	PG     database       `envPrefix:"PG_"`
	Key    service.Secret `env:"API_KEY,required" doc:"Signs things."`
	Pin    int            `env:"PIN" secret:"true"`
	Queues []string       `env:"QUEUES" doc:"Only these | those."`
	Home   url.URL        `env:"HOME_URL" envDefault:"https://example.org/a"`
	On     bool           `env:"ON" envDefault:"true"`
}

func TestLoadReadsEveryKindOfField(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("s3cret\n"), 0o600))
	var c config
	require.NoError(t, service.Load(&c, []string{
		"PG_URL=postgres://u:p@h/db?a=b", "PG_WAIT=250ms", "API_KEY_FILE=" + file, "QUEUES=a,b", "LOG_LEVEL=warn", "PG_MAX=", "ON=false",
	}))
	require.Equal(t, "postgres://u:p@h/db?a=b", c.PG.URL)
	require.Equal(t, 250*time.Millisecond, c.PG.Wait)
	require.Equal(t, 10, c.PG.Max, "a variable that is set but empty counts as unset")
	require.Equal(t, "s3cret", c.Key.Reveal(), "the line break at the file's end is no part of the secret")
	require.Equal(t, []string{"a", "b"}, c.Queues)
	require.Equal(t, "example.org", c.Home.Host)
	require.False(t, c.On)
	require.Equal(t, slog.LevelWarn, c.LogLevel)
	require.Equal(t, service.Development, c.Env)
	require.Equal(t, 30*time.Second, c.ShutdownTimeout)
}

func TestLoadListsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	var c config
	err := service.Load(&c, []string{
		"MAKOLA_ENV=prod", "LOG_LEVEL=loud", "ADMIN_ADDR=9090", "SHUTDOWN_TIMEOUT=soon",
		"PG_WAIT=5", "PG_MAX=many", "API_KEY_FILE=/does/not/exist", "PIN=12x4", "ON=perhaps",
	})
	var list service.FaultList
	require.ErrorAs(t, err, &list)
	text := err.Error()
	for _, want := range []string{
		`LOG_LEVEL is "loud"; write a level`,
		`SHUTDOWN_TIMEOUT is "soon"; write a duration such as "500ms"`,
		`PG_URL is not set; set it, or PG_URL_FILE to the path of a file that holds it (Where the database is)`,
		`PG_WAIT is "5"; write a duration`,
		`PG_MAX is "many"; write a whole number`,
		`API_KEY_FILE names "/does/not/exist", which cannot be read: no such file or directory`,
		`PIN has a value that cannot be read; write a whole number`,
		`ON is "perhaps"; write true or false`,
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "12x4", "a secret's value is not shown")

	var fault *service.Fault
	require.True(t, errors.As(err, &fault))
	require.Equal(t, "LOG_LEVEL", fault.Variable)
}

func TestLoadRunsTheStructsOwnChecksOnce(t *testing.T) {
	t.Parallel()
	var c config
	err := service.Load(&c, []string{"MAKOLA_ENV=prod", "ADMIN_ADDR=9090", "SHUTDOWN_TIMEOUT=0s", "PG_URL=x", "PG_MAX=0", "API_KEY=k"})
	var list service.FaultList
	require.ErrorAs(t, err, &list)
	require.Len(t, list, 4, "%v", err)
	require.Contains(t, err.Error(), `MAKOLA_ENV is "prod"; set it to development or production`)
	require.Contains(t, err.Error(), "PG_MAX is 0; choose at least 1")
}

func TestLoadChecksMoreInProduction(t *testing.T) {
	t.Parallel()
	settings := []string{"PG_URL=postgres://h/db?sslmode=disable", "API_KEY=k"}
	require.NoError(t, service.Load(&config{}, settings))
	err := service.Load(&config{}, append(settings, "MAKOLA_ENV=production"))
	require.ErrorContains(t, err, "PG_URL turns encryption off; remove sslmode=disable")
}

func TestLoadRefusesASecretGivenTwice(t *testing.T) {
	t.Parallel()
	err := service.Load(&config{}, []string{"PG_URL=x", "API_KEY=k", "API_KEY_FILE=/k"})
	require.ErrorContains(t, err, "API_KEY is set, and so is API_KEY_FILE; keep one of the two")
}

func TestSecretNeverShowsItself(t *testing.T) {
	t.Parallel()
	const value = "hunter2"
	c := config{Key: value}
	var log strings.Builder
	service.NewLogger(&log, slog.LevelInfo).Info("x", "k", c.Key, "config", c, "db_password", value, "Refresh-Token", value) //nolint:sloglint // a key as a careless caller writes it
	encoded, err := json.Marshal(c)
	require.NoError(t, err)
	for _, out := range []string{
		fmt.Sprint(c.Key), fmt.Sprintf("%v %+v %#v %s %q %x %d", c, c, c, c.Key, c.Key, c.Key, c.Key), string(encoded), log.String(),
		fmt.Errorf("wrapped: %v", c.Key).Error(),
	} {
		require.NotContains(t, out, value)
		require.NotContains(t, out, fmt.Sprintf("%x", value))
		require.Contains(t, out, "***")
	}
	require.Equal(t, value, c.Key.Reveal())
	require.Empty(t, service.Secret("").String())
}

func TestDescribeConfigAndRender(t *testing.T) {
	t.Parallel()
	settings := service.DescribeConfig(config{})
	byName := map[string]service.Setting{}
	for _, s := range settings {
		byName[s.Variable] = s
	}
	require.Equal(t, service.Setting{Variable: "PG_URL", Type: "text", Required: true, Secret: true, Group: "PG", Doc: "Where the database is."}, byName["PG_URL"])
	require.Equal(t, "duration", byName["PG_WAIT"].Type)
	require.Equal(t, "5s", byName["PG_WAIT"].Default)
	require.True(t, byName["API_KEY"].Secret)
	require.Equal(t, "MAKOLA_ENV", settings[0].Variable, "settings keep the order of the fields")

	md := service.Markdown(settings)
	require.Contains(t, md, "| `PG_URL` | text, secret, required |  | Where the database is. |\n")
	require.Contains(t, md, `Only these \| those.`)
	dotenv := service.Dotenv(append(settings, settings...))
	require.Contains(t, dotenv, "# Where the database is. (text, secret, required)\nPG_URL=\n")
	require.Contains(t, dotenv, "#PG_WAIT=5s\n")
	require.Equal(t, 1, strings.Count(dotenv, "PG_URL="))
}

type nestedFaults struct {
	URL   string `env:"NEEDED_URL,required"`
	Inner struct {
		Level int `env:"LEVEL" envDefault:"3"`
	}
}

func (n nestedFaults) Validate() []error {
	var faults []error
	if n.URL == "" {
		faults = append(faults, service.Invalid("NEEDED_URL", "is empty", "set it"))
	}
	if n.Inner.Level > 2 {
		faults = append(faults, service.Invalid("LEVEL", "is above 2", "choose 1 or 2"))
	}
	return faults
}

func TestAMissingVariableHidesNoOtherFault(t *testing.T) {
	t.Parallel()
	err := service.Load(&nestedFaults{}, nil)
	require.ErrorContains(t, err, "2 fault(s)")
	require.ErrorContains(t, err, "NEEDED_URL is not set")
	require.ErrorContains(t, err, "LEVEL is above 2")
}
