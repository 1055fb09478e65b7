package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/task"
	"makola/proto/catalogue"
	"makola/proto/contract"
)

const callHelp = `Enqueues the task with the arguments, after they have been checked against its contract: a name that it does not have, a value of another type, and an argument that is missing are refused (exit code 2)
and enqueue nothing. makola registered TASK lists the arguments; one with a question mark may be left out. Give them one by one (--arg name=value, again for each item of a list) or as one JSON object (--json).

The task is the platform's, or that of --business; an argument business_id names the business as well. What is called is kept in the audit log with who did it and why, without the arguments' values. With --key
the command may be repeated: the same key of a task is enqueued once. With --wait it waits for the task's end and prints its result: exit code 6 if that is no success, or has not come in time.`

func newCall(e *env) *cobra.Command {
	var r request
	var pairs []string
	var object, business, key string
	c := &cobra.Command{
		Use: "call TASK", Short: "Enqueue a task, with arguments that are checked first", Long: callHelp, Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := findTask(args[0])
			if err != nil {
				return err
			}
			message, given, err := arguments(d, pairs, object)
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			tenant, err := businessOf(message, business)
			if err != nil {
				return err
			}
			options := []contract.Option{task.ForTenant(tenant)}
			if key != "" {
				options = append(options, task.Unique("call:"+key))
			}
			return r.start(c.Context(), e, func(tx *gorm.DB, queue *task.Queue) (uuid.UUID, error) {
				id, err := queue.Enqueue(c.Context(), tx, d, message, options...)
				if err != nil {
					return id, err
				}
				return id, audit.Record(tx, audit.Entry{Tenant: tenant, Actor: "operator:" + r.actor, Action: "task.called", Entity: "task", EntityID: id.String(),
					Changes: map[string]any{"task": d.Name, "arguments": given, "reason": r.reason, "key": key}})
			})
		},
	}
	e.actorFlag(c, &r.actor)
	c.Flags().StringArrayVar(&pairs, "arg", nil, "one argument, name=value; may be given more than once")
	c.Flags().StringVar(&object, "json", "", "all arguments, as one JSON object")
	c.Flags().StringVar(&business, "business", "", "the business that the task belongs to; without it the argument business_id, or the platform")
	c.Flags().StringVar(&key, "key", "", "your own name for this call, so that repeating the command enqueues once")
	c.Flags().StringVar(&r.reason, "reason", "", "why; kept in the audit log")
	c.Flags().DurationVar(&r.wait, "wait", 0, "how long to wait for the task to end; 0 does not wait")
	return c
}

// businessOf returns the business that a task belongs to, uuid.Nil for the platform's.
func businessOf(args proto.Message, named string) (uuid.UUID, error) {
	m := args.ProtoReflect()
	fd := m.Descriptor().Fields().ByName("business_id")
	argument := ""
	if fd != nil && fd.Kind() == protoreflect.StringKind && !fd.IsList() {
		argument = m.Get(fd).String()
	}
	if named == "" && argument == "" {
		return uuid.Nil, nil
	}
	id, err := parseID(cmp.Or(named, argument))
	if err == nil && named != "" && argument != "" && !strings.EqualFold(named, argument) {
		err = fmt.Errorf("%w: --business is %s and the argument business_id %s", errUsage, named, argument)
	}
	return id, err
}

// arguments makes a task's arguments of what the command line says, and lists the names that were given. Nothing that the contract does not have is passed over.
func arguments(d *contract.Descriptor, pairs []string, object string) (args proto.Message, given []string, err error) {
	raw := []byte(object)
	if len(pairs) > 0 {
		if object != "" {
			return nil, nil, fmt.Errorf("give arguments by --arg or by --json, not both")
		}
		if raw, err = objectOf(d, pairs); err != nil {
			return nil, nil, err
		}
	}
	if len(raw) == 0 {
		raw = []byte("{}")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, nil, fmt.Errorf("the arguments are no JSON object: %.100q", raw)
	}
	args = d.NewArgs()
	fields := args.ProtoReflect().Descriptor().Fields()
	given = []string{}
	for name := range members {
		fd := fields.ByName(protoreflect.Name(name))
		if fd == nil {
			fd = fields.ByJSONName(name)
		}
		if fd == nil {
			return nil, nil, unknownArgument(d, name)
		}
		given = append(given, string(fd.Name()))
	}
	if err := protojson.Unmarshal(raw, args); err != nil {
		return nil, nil, fmt.Errorf("the arguments do not fit %s: %w", d.Name, err)
	}
	if name := catalogue.Missing(d, given); name != "" {
		return nil, nil, fmt.Errorf("%s needs the argument %s; it takes %s", d.Name, name, takes(d))
	}
	slices.Sort(given)
	return args, given, nil
}

// objectOf makes a JSON object of name=value pairs. Text may stand without quotation marks; an argument that is a list takes one item from each of its pairs.
func objectOf(d *contract.Descriptor, pairs []string) ([]byte, error) {
	fields := d.NewArgs().ProtoReflect().Descriptor().Fields()
	values := map[string]any{}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--arg is %q; write name=value", pair)
		}
		fd := fields.ByName(protoreflect.Name(name))
		if fd == nil {
			return nil, unknownArgument(d, name)
		}
		var value any = json.RawMessage(text)
		if k := fd.Kind(); k == protoreflect.StringKind || k == protoreflect.EnumKind || k == protoreflect.BytesKind || !json.Valid([]byte(text)) {
			value = text // what is no JSON is for the contract to refuse, or to read: a time, a duration
		}
		_, again := values[name]
		switch {
		case fd.IsList():
			items, _ := values[name].([]any)
			values[name] = append(items, value)
		case again:
			return nil, fmt.Errorf("the argument %s is given twice", name)
		default:
			values[name] = value
		}
	}
	return json.Marshal(values)
}

func unknownArgument(d *contract.Descriptor, name string) error {
	return fmt.Errorf("%s has no argument %q; it takes %s", d.Name, name, takes(d))
}

func takes(d *contract.Descriptor) string {
	if list := parameters(d); len(list) > 0 {
		return strings.Join(list, ", ")
	}
	return "none"
}

// parameters lists a task's arguments as "name type", with a question mark behind those that may be left out, in positional order.
func parameters(d *contract.Descriptor) []string {
	list := []string{}
	for _, fd := range catalogue.Parameters(d) {
		kind := fd.Kind().String()
		switch {
		case fd.IsMap():
			kind = "map"
		case fd.Message() != nil:
			kind = string(fd.Message().Name())
		case fd.Enum() != nil:
			kind = string(fd.Enum().Name())
		}
		if fd.IsList() {
			kind = "list of " + kind
		}
		mark := ""
		if catalogue.Optional(fd) {
			mark = "?"
		}
		list = append(list, string(fd.Name())+" "+kind+mark)
	}
	return list
}
