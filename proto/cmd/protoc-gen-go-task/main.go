// Command protoc-gen-go-task turns a service whose methods are tasks into Go: a descriptor per task, a typed client and the interface
// a worker implements. It is a protoc plug-in, run by proto/gen.sh after protoc-gen-go.
//
// Beside the options every plug-in knows (paths, module, M…) it has one of its own:
//
//	emit=go    (default) writes <file>_task.pb.go beside <file>.pb.go
//	emit=doc   writes tasks.md, the catalogue for people
//	emit=text  writes catalogue/descriptions.pb.go, what the contracts say of each task, for programs that show it
//
// All files must be given to one run (buf: strategy all), because names and aliases are unique over all contexts.
// A contract that breaks a rule is refused with file, line and reason, and nothing is written; check.go has the rules.
package main

import (
	"flag"
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	var flags flag.FlagSet
	emit := flags.String("emit", emitGo, "what to write: go, doc or text")
	protogen.Options{ParamFunc: flags.Set}.Run(func(gen *protogen.Plugin) error {
		return generate(gen, *emit)
	})
}

// The values of the option emit.
const (
	emitGo   = "go"
	emitDoc  = "doc"
	emitText = "text"
)

// generate checks every task of the run, then writes what emit names.
func generate(gen *protogen.Plugin, emit string) error {
	gen.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
	services, err := readServices(gen)
	if err != nil {
		return err
	}
	switch emit {
	case emitGo:
		for _, s := range services {
			writeGo(gen, s)
		}
		return nil
	case emitDoc:
		return writeDoc(gen, services)
	case emitText:
		writeDescriptions(gen, services)
		return nil
	default:
		return fmt.Errorf("option emit is %q, want %s, %s or %s", emit, emitGo, emitDoc, emitText)
	}
}
