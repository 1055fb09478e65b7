package schedule

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"makola/pkg/celery"
	accounts "makola/proto/makola/accounts/v1"
	aifeatures "makola/proto/makola/ai_features/v1"
	inventory "makola/proto/makola/inventory/v1"
	notifications "makola/proto/makola/notifications/v1"
	reports "makola/proto/makola/reports/v1"
	sales "makola/proto/makola/sales/v1"
	subscriptions "makola/proto/makola/subscriptions/v1"
	webhooks "makola/proto/makola/webhooks/v1"

	"makola/proto/contract"
)

// Job is an entry that can run: its task is known and its arguments are ready.
type Job struct {
	Entry
	descriptor *contract.Descriptor
	args       proto.Message
}

// Catalogue returns every task that may be scheduled, by name. The selftest tasks are not among them: they exist for tests.
func Catalogue() map[string]*contract.Descriptor {
	all := map[string]*contract.Descriptor{}
	for _, tasks := range [][]*contract.Descriptor{accounts.AllTasks(), aifeatures.AllTasks(), inventory.AllTasks(), notifications.AllTasks(), reports.AllTasks(), sales.AllTasks(), subscriptions.AllTasks(), webhooks.AllTasks()} {
		for _, d := range tasks {
			all[d.Name] = d
		}
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
	d, known := catalogue[e.Task]
	switch {
	case e.Name == "":
		return nil, errors.New("it has no name")
	case e.Every < time.Minute || e.Offset < 0 || e.Offset >= e.Every:
		return nil, fmt.Errorf("its slots of %s, shifted by %s, make no sense: a slot is a minute at least, and the shift less than a slot", e.Every, e.Offset)
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
	if _, err := celery.ProtoToKwargs(args); err != nil {
		return nil, fmt.Errorf("its arguments %s cannot be sent: %w", raw, err)
	}
	return &Job{Entry: e, descriptor: d, args: args}, nil
}
