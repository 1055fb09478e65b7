package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	taskv1 "makola/proto/makola/task/v1"
)

// What a contract gets when it does not say otherwise; options.proto documents the same values.
const (
	defaultTimeout  = time.Minute
	defaultAttempts = 12
	defaultBase     = 5 * time.Second
	defaultCap      = time.Hour
	defaultBatch    = 256
)

// serviceName is the one name of a service of tasks. Generated Go drops the suffix, which is there for buf's rule SERVICE_SUFFIX.
const serviceName = "TasksService"

// service is one checked service of tasks.
type service struct {
	file    *protogen.File
	comment string
	tasks   []*task
}

// task is one checked method, defaults applied.
type task struct {
	method      *protogen.Method
	name        string
	aliases     []string
	queue       string
	mode        taskv1.Mode
	timeout     time.Duration
	attempts    int
	backoffBase time.Duration
	backoffCap  time.Duration
	batch       int           // zero unless BATCH
	commit      time.Duration // zero unless the contract says
	comment     string
}

// readServices reads the task services of all files to generate, in the order given, and reports every broken rule at once.
func readServices(gen *protogen.Plugin) ([]*service, error) {
	var services []*service
	var faults []error
	taken := names{}
	packages := map[protogen.GoImportPath]string{}
	for _, file := range gen.Files {
		if !file.Generate {
			continue
		}
		for _, s := range file.Services {
			if !isTaskService(s) {
				continue
			}
			if s.Desc.Name() != serviceName {
				faults = append(faults, fault(s.Desc, "service %s holds tasks, so it must be called %s", s.Desc.Name(), serviceName))
			}
			if first, ok := packages[file.GoImportPath]; ok {
				faults = append(faults, fault(s.Desc, "a Go package has one service of tasks, and %s has the first", first))
			}
			packages[file.GoImportPath] = place(s.Desc)
			read, err := readService(file, s, taken)
			faults = append(faults, err)
			services = append(services, read)
		}
	}
	return services, errors.Join(faults...)
}

// isTaskService tells whether s is, or tries to be, a service of tasks.
func isTaskService(s *protogen.Service) bool {
	for _, m := range s.Methods {
		if options(m) != nil {
			return true
		}
	}
	return s.Desc.Name() == serviceName
}

func readService(file *protogen.File, s *protogen.Service, taken names) (*service, error) {
	read := &service{file: file, comment: string(s.Comments.Leading)}
	var faults []error
	for _, m := range s.Methods {
		o := options(m)
		if o == nil {
			faults = append(faults, fault(m.Desc, "method %s lacks the option (makola.task.v1.task)", m.Desc.Name()))
			continue
		}
		t := newTask(m, o)
		faults = append(faults, t.check(o), taken.take(t))
		read.tasks = append(read.tasks, t)
	}
	return read, errors.Join(faults...)
}

// options returns the task options of m, or nil when it has none.
func options(m *protogen.Method) *taskv1.TaskOptions {
	if !proto.HasExtension(m.Desc.Options(), taskv1.E_Task) {
		return nil
	}
	o, _ := proto.GetExtension(m.Desc.Options(), taskv1.E_Task).(*taskv1.TaskOptions)
	return o
}

// newTask applies the defaults; it checks nothing.
func newTask(m *protogen.Method, o *taskv1.TaskOptions) *task {
	t := &task{
		method:      m,
		name:        o.GetName(),
		aliases:     o.GetAliases(),
		queue:       queueOf(m.Desc.ParentFile().Package()),
		mode:        o.GetMode(),
		timeout:     duration(o.GetTimeout(), defaultTimeout),
		attempts:    defaultAttempts,
		backoffBase: duration(o.GetBackoff().GetBase(), defaultBase),
		backoffCap:  duration(o.GetBackoff().GetCap(), defaultCap),
		commit:      duration(o.GetCommitTimeout(), 0),
		comment:     string(m.Comments.Leading),
	}
	if t.mode == taskv1.Mode_MODE_UNSPECIFIED {
		t.mode = taskv1.Mode_MODE_SHORT
	}
	if o.GetAttempts() != 0 {
		t.attempts = int(o.GetAttempts())
	}
	if t.mode == taskv1.Mode_MODE_BATCH {
		t.batch = defaultBatch
		if o.GetBatch() != 0 {
			t.batch = int(o.GetBatch())
		}
	}
	return t
}

func duration(d *durationpb.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.AsDuration()
}

var version = regexp.MustCompile(`^v[0-9]+$`)

// queueOf returns the last part of a package's name that is not a version: ai_features for makola.ai_features.v1.
func queueOf(pkg protoreflect.FullName) string {
	if version.MatchString(string(pkg.Name())) {
		pkg = pkg.Parent()
	}
	return string(pkg.Name())
}

// snake turns a method's name into the last part of a task's name: ExportCustomersToCsv into export_customers_to_csv.
func snake(method protoreflect.Name) string {
	var b strings.Builder
	for i, r := range string(method) {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// place says where a descriptor stands, as file:line with lines counted from one.
func place(d protoreflect.Descriptor) string {
	at := d.ParentFile().SourceLocations().ByDescriptor(d)
	return fmt.Sprintf("%s:%d", d.ParentFile().Path(), at.StartLine+1)
}

func fault(d protoreflect.Descriptor, format string, args ...any) error {
	return fmt.Errorf("%s: %s", place(d), fmt.Sprintf(format, args...))
}
