package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"makola/pkg/celery"
	"makola/proto/catalogue"
	"makola/proto/contract"
)

// nameRule is how jobs are called. Names stand in addresses, in keys of tasks and in metrics.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// Job is an entry that can run: its task is known and its arguments are ready.
type Job struct {
	Entry
	descriptor *contract.Descriptor
	args       proto.Message
}

// Catalogue returns every task that may be scheduled, by name. The selftest tasks are not among them: they exist for tests.
func Catalogue() map[string]*contract.Descriptor {
	all := map[string]*contract.Descriptor{}
	for _, d := range catalogue.All() {
		all[d.Name] = d
	}
	return all
}

// Check returns the jobs of the entries that can run. The error lists everything that is wrong with the table; a cron with a faulty table does not start.
func Check(entries []Entry, catalogue map[string]*contract.Descriptor) ([]Job, error) {
	var jobs []Job
	var faults []error
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.Name] {
			faults = append(faults, fmt.Errorf("job %q is in the table twice", e.Name))
		}
		seen[e.Name] = true
		job, err := e.job(catalogue)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("job %q: %w", e.Name, err))
		case job != nil:
			jobs = append(jobs, *job)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return jobs, nil
}

// Waiting lists the entries that are not run, as "job: task", in the order of the table.
func Waiting(entries []Entry) []string {
	list := []string{}
	for _, e := range entries {
		if e.Waits {
			list = append(list, e.Name+": "+e.Task)
		}
	}
	return list
}

// job is nil, without an error, for an entry that waits for its task.
func (e Entry) job(catalogue map[string]*contract.Descriptor) (*Job, error) {
	if !nameRule.MatchString(e.Name) {
		if e.Name == "" {
			return nil, errors.New("it has no name")
		}
		return nil, errors.New("its name is no name: write small letters, digits and hyphens, 64 at most")
	}
	if err := e.timing().Validate(); err != nil {
		return nil, err
	}
	d, known := catalogue[e.Task]
	switch {
	case e.Waits && known:
		return nil, fmt.Errorf("it waits for task %q, which exists now: delete Waits from its line", e.Task)
	case e.Waits:
		return nil, nil
	case !known:
		return nil, fmt.Errorf("no contract declares task %q; until one does, mark the line with Waits", e.Task)
	}
	args := d.NewArgs()
	raw := e.Args
	if raw == "" {
		raw = "{}"
	}
	if err := protojson.Unmarshal([]byte(raw), args); err != nil {
		return nil, fmt.Errorf("its arguments %s do not fit task %q: %w", raw, e.Task, err)
	}
	if name := missing(d, raw); name != "" {
		return nil, fmt.Errorf("task %q needs the argument %s", e.Task, name)
	}
	if _, err := celery.ProtoToKwargs(args); err != nil {
		return nil, fmt.Errorf("its arguments %s cannot be sent: %w", raw, err)
	}
	return &Job{Entry: e, descriptor: d, args: args}, nil
}

// missing returns the name of an argument that the task needs and the JSON object raw does not give; empty when there is none.
func missing(d *contract.Descriptor, raw string) string {
	var members map[string]*json.RawMessage
	if err := json.Unmarshal([]byte(raw), &members); err != nil {
		return ""
	}
	maps.DeleteFunc(members, func(_ string, value *json.RawMessage) bool { return value == nil }) // null gives nothing
	return catalogue.Missing(d, slices.Collect(maps.Keys(members)))
}
