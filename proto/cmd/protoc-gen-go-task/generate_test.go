package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Run with -update after a wanted change, and read the difference.
func TestGolden(t *testing.T) {
	t.Parallel()
	const contract = "makola/reports/v1/tasks.proto"
	tests := map[string]struct{ emit, file, golden string }{
		"Go stubs for each mode": {emitGo, "makola/reports/v1/tasks_task.pb.go", "testdata/makola/reports/v1/tasks_task.pb.go.golden"},
		"catalogue for people":   {emitDoc, "tasks.md", "testdata/tasks.md.golden"},
		"descriptions":           {emitText, "catalogue/descriptions.pb.go", "testdata/descriptions.pb.go.golden"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gen := plugin(t, nil, contract)
			if err := generate(gen, tt.emit); err != nil {
				t.Fatal(err)
			}
			response := gen.Response()
			if len(response.GetFile()) != 1 || response.GetFile()[0].GetName() != tt.file || response.GetError() != "" {
				t.Fatalf("response = %v, want the one file %s", response, tt.file)
			}
			got := response.GetFile()[0].GetContent()
			if *update {
				if err := os.WriteFile(tt.golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(tt.golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("output differs from %s, which has\n%s\ngot\n%s", tt.golden, want, got)
			}
		})
	}
}

// plugin makes the plug-in as protoc would start it for the named contracts, which are read from sources, else from testdata and the module.
func plugin(t *testing.T, sources map[string]string, names ...string) *protogen.Plugin {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
			ImportPaths: []string{"testdata", "../.."},
			Accessor: func(path string) (io.ReadCloser, error) {
				for name, source := range sources {
					if strings.HasSuffix(path, filepath.Join("testdata", name)) {
						return io.NopCloser(strings.NewReader(source)), nil
					}
				}
				return os.Open(path)
			},
		}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), names...)
	if err != nil {
		t.Fatal(err)
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, Parameter: proto.String("paths=source_relative")}
	seen := map[string]bool{}
	for _, file := range files {
		request.ProtoFile = appendFile(request.ProtoFile, seen, file)
	}
	// Over the wire and back, so that options are read as in a real run.
	wire, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	received := &pluginpb.CodeGeneratorRequest{}
	if err := proto.Unmarshal(wire, received); err != nil {
		t.Fatal(err)
	}
	gen, err := protogen.Options{}.New(received)
	if err != nil {
		t.Fatal(err)
	}
	return gen
}

// appendFile appends file behind everything it imports, as protoc does.
func appendFile(to []*descriptorpb.FileDescriptorProto, seen map[string]bool, file protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return to
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		to = appendFile(to, seen, file.Imports().Get(i).FileDescriptor)
	}
	return append(to, protoutil.ProtoFromFileDescriptor(file))
}
