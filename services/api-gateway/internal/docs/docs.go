// Package docs serves the API's description and a page to read it, without the network: everything comes from this binary, and the page's policy
// keeps it from asking anybody else.
package docs

import (
	_ "embed" // for the page
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	swaggerfiles "github.com/swaggo/files/v2"
)

var (
	//go:embed page.html
	page []byte
	//go:embed page.js
	script []byte
	//go:embed page.css
	style []byte
)

// policy allows the page its own files and nothing else; there is no inline script. Swagger UI draws some icons from data: addresses.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Mount adds /openapi.yaml, /openapi.json, /docs with its files, and a redirect from / to it.
func Mount(r gin.IRouter, doc *openapi3.T, yaml []byte) error {
	asJSON, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode openapi.json: %w", err)
	}
	r.GET("/openapi.yaml", file("application/yaml", yaml))
	r.GET("/openapi.json", file("application/json", asJSON))
	r.GET("/", func(c *gin.Context) { c.Redirect(http.StatusFound, "/docs") })
	r.GET("/docs", file("text/html; charset=utf-8", page))
	r.GET("/docs/page.js", file("text/javascript; charset=utf-8", script))
	r.GET("/docs/page.css", file("text/css; charset=utf-8", style))
	for _, name := range []string{"swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"} {
		r.GET("/docs/"+name, func(c *gin.Context) {
			headers(c)
			http.ServeFileFS(c.Writer, c.Request, swaggerfiles.FS, name) // streams from the binary, without a copy in memory
		})
	}
	return nil
}

func file(media string, content []byte) gin.HandlerFunc {
	return func(c *gin.Context) {
		headers(c)
		c.Data(http.StatusOK, media, content)
	}
}

func headers(c *gin.Context) {
	c.Header("Content-Security-Policy", policy)
	c.Header("Cache-Control", "public, max-age=300") // a new release is seen within minutes
}
