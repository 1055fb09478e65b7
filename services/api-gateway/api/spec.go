// Package spec holds the description of the HTTP API: openapi.yaml is the one source from which requests are checked, code is generated and the
// documentation page is made.
package spec

import (
	_ "embed" // for openapi.yaml
	"fmt"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:generate ../gen.sh

//go:embed openapi.yaml
var document []byte

// YAML returns the description as it was written. The caller must not change it.
func YAML() []byte { return document }

// Load returns the description, parsed once in a process: everybody has the same, and nobody may change it. An error means that openapi.yaml is wrong; a test keeps it right.
var Load = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("parse openapi.yaml: %w", err)
	}
	return doc, nil
})
