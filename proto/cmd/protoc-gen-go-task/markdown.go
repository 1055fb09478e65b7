package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// workers maps a queue to the service that consumes it.
var workers = map[string]string{
	"accounts":      "notifier",
	"ai_features":   "billing-worker",
	"inventory":     "inventory-worker",
	"notifications": "notifier",
	"reports":       "reports-worker",
	"sales":         "inventory-worker",
	"subscriptions": "billing-worker",
	"webhooks":      "notifier",
}

// testQueue carries the tasks that the engine's own tests use. They are no part of the product, so the catalogue leaves them out.
const testQueue = "selftest"

const docHead = `<!-- Generated from proto/makola/*/v1/tasks.proto by proto/gen.sh. Edit the contracts, not this page. -->

# Tasks

Every task Makola knows. A task is defined by the method of the same name in ` + "`proto/makola/<queue>/v1/tasks.proto`" + ` and run by the file in the last column.
Arguments stand in positional order; one with a question mark is optional. A message may name a task by its aliases as well.
`

// writeDoc writes the catalogue for people, tasks.md: one table, then one paragraph per task, by name.
func writeDoc(gen *protogen.Plugin, services []*service) error {
	var tasks []*task
	for _, s := range services {
		for _, t := range s.tasks {
			if t.queue == testQueue {
				continue
			}
			if workers[t.queue] == "" {
				return fault(t.method.Desc, "no worker consumes the queue %q; name one in the generator's table of workers", t.queue)
			}
			tasks = append(tasks, t)
		}
	}
	slices.SortFunc(tasks, func(a, b *task) int { return strings.Compare(a.name, b.name) })

	g := gen.NewGeneratedFile("tasks.md", "")
	g.P(docHead)
	g.P("| task | queue | mode | time limit | attempts | backoff | handler |")
	g.P("|---|---|---|---|---|---|---|")
	for _, t := range tasks {
		g.P("| [`", t.name, "`](#", anchor(t.name), ") | ", t.queue, " | ", t.modeCell(), " | ", span(t.timeout), " | ", t.attempts, " | ",
			span(t.backoffBase), " to ", span(t.backoffCap), " | `", t.handlerFile(), "` |")
	}
	for _, t := range tasks {
		g.P()
		g.P("## ", t.name)
		g.P()
		g.P(strings.TrimSpace(unindent(t.comment)))
		g.P()
		g.P("- Arguments: ", fieldList(t.method.Input))
		g.P("- Result: ", fieldList(t.method.Output))
		g.P("- Aliases: ", codeList(t.aliases))
	}
	return nil
}

func (t *task) modeCell() string {
	if t.batch > 0 {
		return fmt.Sprintf("%s, up to %d", modeWord(t.mode), t.batch)
	}
	return modeWord(t.mode)
}

// handlerFile is where the house keeps the handler of a task: one file per task, called like the task.
func (t *task) handlerFile() string {
	name := snake(t.method.Desc.Name())
	if strings.HasSuffix(name, "_test") { // go build would take the file for a test
		name += "_task"
	}
	return "services/" + workers[t.queue] + "/internal/tasks/" + name + ".go"
}

// fieldList writes a message's fields as `name type`, a question mark behind the type of an optional one.
func fieldList(m *protogen.Message) string {
	var fields []string
	for _, f := range m.Fields {
		mark := ""
		if f.Desc.HasOptionalKeyword() {
			mark = "?"
		}
		fields = append(fields, string(f.Desc.Name())+" "+fieldType(f.Desc)+mark)
	}
	return codeList(fields)
}

func fieldType(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "map of " + fieldType(f.MapKey()) + " to " + fieldType(f.MapValue())
	case f.Message() != nil:
		return listOf(f, string(f.Message().Name()))
	case f.Enum() != nil:
		return listOf(f, string(f.Enum().Name()))
	default:
		return listOf(f, f.Kind().String())
	}
}

func listOf(f protoreflect.FieldDescriptor, word string) string {
	if f.IsList() {
		return "list of " + word
	}
	return word
}

func codeList(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

// span writes whole hours, minutes or seconds, the largest unit that fits: 10 min, 90 s.
func span(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	default:
		return d.String()
	}
}

// anchor is the address that a heading gets: its dots are dropped.
func anchor(name string) string { return strings.ReplaceAll(name, ".", "") }

// unindent drops the blank that follows each comment mark.
func unindent(comment string) string { return strings.ReplaceAll("\n"+comment, "\n ", "\n") }
