package main

import (
	"strings"
	"testing"
)

// head comes before the service in every case: eight lines, so that the service starts on the ninth.
const head = `syntax = "proto3";
package makola.reports.v1;
import "makola/task/v1/options.proto";
option go_package = "makola/example/reports/v1;reports";
message MakeArgs {}
message MakeResult {}
message OtherArgs { string b = 2; string a = 1; }
message OtherResult {}
`

// make1 wraps the options of one method Make, which stands on line 11.
func make1(options string) string {
	return head + `service TasksService {
  // Make makes.
  rpc Make(MakeArgs) returns (MakeResult) { option (makola.task.v1.task) = {` + options + `}; }
}`
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const ok = `name: "reports.make" `
	tests := map[string]struct {
		source string
		want   string
	}{
		"name of another method": {make1(`name: "reports.made"`), `tasks.proto:11: method Make has the task name "reports.made", want "reports.make"`},
		"name of another queue":  {make1(`name: "sales.make"`), `tasks.proto:11: method Make has the task name "sales.make", want "reports.make"`},
		"no name":                {make1(``), `tasks.proto:11: method Make has the task name "", want "reports.make"`},
		"short task over ten minutes": {make1(ok + `timeout: {seconds: 601}`),
			`tasks.proto:11: task reports.make has the time limit 10m1s, but SHORT ends at 10m0s`},
		"batch task over ten minutes": {make1(ok + `mode: MODE_BATCH timeout: {seconds: 601}`),
			`tasks.proto:11: task reports.make has the time limit 10m1s, but BATCH ends at 10m0s`},
		"time limit of zero":             {make1(ok + `timeout: {}`), `tasks.proto:11: task reports.make has the time limit 0s, want more than zero`},
		"commit timeout of a short task": {make1(ok + `commit_timeout: {seconds: 60}`), `tasks.proto:11: task reports.make has a commit timeout, but its mode is SHORT`},
		"commit timeout over the limit":  {make1(ok + `mode: MODE_LONG commit_timeout: {seconds: 601}`), `tasks.proto:11: task reports.make has the commit timeout 10m1s, want more than zero and at most 10m0s`},
		"negative attempts":              {make1(ok + `attempts: -1`), `tasks.proto:11: task reports.make has -1 attempts, want at least 1`},
		"batch size on a short task":     {make1(ok + `batch: 2`), `tasks.proto:11: task reports.make has a batch size, but its mode is SHORT`},
		"batch size on a long task":      {make1(ok + `mode: MODE_LONG batch: 2`), `tasks.proto:11: task reports.make has a batch size, but its mode is LONG`},
		"negative batch size":            {make1(ok + `mode: MODE_BATCH batch: -2`), `tasks.proto:11: task reports.make has the batch size -2, want at least 1`},
		"backoff of zero":                {make1(ok + `backoff: {base: {}}`), `tasks.proto:11: task reports.make has the backoff base 0s, want more than zero`},
		"backoff cap below its base":     {make1(ok + `backoff: {base: {seconds: 7200}}`), `tasks.proto:11: task reports.make has the backoff cap 1h0m0s below its base 2h0m0s`},
		"alias that is the name":         {make1(ok + `aliases: ["reports.make"]`), `tasks.proto:11: the name "reports.make" is taken already, at makola/reports/v1/tasks.proto:11`},
		"empty alias":                    {make1(ok + `aliases: [""]`), `tasks.proto:11: task reports.make has an empty alias`},
		"method without the option":      {head + "service TasksService {\n  // Make makes.\n  rpc Make(MakeArgs) returns (MakeResult);\n}", `tasks.proto:11: method Make lacks the option (makola.task.v1.task)`},
		"method without a comment":       {strings.Replace(make1(ok), "// Make makes.", "", 1), `tasks.proto:11: method Make lacks a comment that says what the task does`},
		"arguments of another name":      {strings.Replace(make1(ok), "Make(MakeArgs)", "Make(OtherResult)", 1), `tasks.proto:11: method Make takes makola.reports.v1.OtherResult, want makola.reports.v1.MakeArgs`},
		"result of another name":         {strings.Replace(make1(ok), "(MakeResult)", "(OtherResult)", 1), `tasks.proto:11: method Make returns makola.reports.v1.OtherResult, want makola.reports.v1.MakeResult`},
		"streamed arguments":             {strings.Replace(make1(ok), "(MakeArgs)", "(stream MakeArgs)", 1), `tasks.proto:11: method Make streams, which a task cannot`},
		"streamed result":                {strings.Replace(make1(ok), "(MakeResult)", "(stream MakeResult)", 1), `tasks.proto:11: method Make streams, which a task cannot`},
		"arguments out of order":         {strings.Replace(make1(ok), "Make(MakeArgs)", "Make(OtherArgs)", 1), `tasks.proto:7: field a stands after a higher number; arguments are positional, so append and never reorder`},
		"service of another name":        {strings.Replace(make1(ok), "TasksService", "JobsService", 1), `tasks.proto:9: service JobsService holds tasks, so it must be called TasksService`},
		"two services of tasks":          {make1(ok) + "\nservice TaskService {\n  // Other does.\n  rpc Other(OtherArgs) returns (OtherResult) { option (makola.task.v1.task) = {name: \"reports.other\"}; }\n}", `tasks.proto:13: a Go package has one service of tasks, and makola/reports/v1/tasks.proto:9 has the first`},
		"all faults at once, the first":  {make1(`attempts: -1`), `tasks.proto:11: method Make has the task name ""`},
		"all faults at once, the last":   {make1(`attempts: -1`), `tasks.proto:11: task reports.make has -1 attempts`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gen := plugin(t, map[string]string{"makola/reports/v1/tasks.proto": tt.source}, "makola/reports/v1/tasks.proto")
			err := generate(gen, emitGo)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %s", err, tt.want)
			}
			if files := gen.Response().GetFile(); len(files) > 0 {
				t.Errorf("%d files were written", len(files))
			}
		})
	}
}

func TestAliasTakenByAnotherContext(t *testing.T) {
	t.Parallel()
	const first, second = "makola/reports/v1/tasks.proto", "makola/sales/v1/tasks.proto"
	source := make1(`name: "reports.make" aliases: ["app.tasks.make"]`)
	gen := plugin(t, map[string]string{first: source, second: strings.ReplaceAll(source, "reports", "sales")}, first, second)
	err := generate(gen, emitGo)
	const want = `makola/sales/v1/tasks.proto:11: the name "app.tasks.make" is taken already, at makola/reports/v1/tasks.proto:11`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want %s", err, want)
	}
}

func TestDocRefusesQueueWithoutWorker(t *testing.T) {
	t.Parallel()
	const name = "makola/moon/v1/tasks.proto"
	gen := plugin(t, map[string]string{name: strings.ReplaceAll(make1(`name: "reports.make"`), "reports", "moon")}, name)
	err := generate(gen, emitDoc)
	if err == nil || !strings.Contains(err.Error(), `tasks.proto:11: no worker consumes the queue "moon"`) {
		t.Errorf("error = %v", err)
	}
}

func TestUnknownEmit(t *testing.T) {
	t.Parallel()
	if err := generate(plugin(t, nil, "makola/reports/v1/tasks.proto"), "rust"); err == nil {
		t.Error("emit=rust was accepted")
	}
}
