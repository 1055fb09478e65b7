package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"makola/pkg/problem"
	"makola/pkg/reporting"
	"makola/pkg/storage"
	"makola/services/api-gateway/internal/edge"
)

// downloadPatience is how long a client may take to accept a piece of a file. The server's own deadline is for answers that are short.
const downloadPatience = time.Minute

// download sends the file of a report. It stands outside the generated handlers, because ranges need the request.
func (s *Server) download(c *gin.Context) {
	if err := s.sendReport(c); err != nil {
		edge.Fail(c, err)
	}
}

func (s *Server) sendReport(c *gin.Context) error {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return problem.New(problem.NotFound, "", "")
	}
	if s.Files == nil {
		return errNoFiles
	}
	r, err := s.downloadable(c.Request.Context(), id)
	if err != nil {
		return err
	}
	return s.sendFile(c, r)
}

// sendFile sends the file of a report, or the one range of it that is asked for.
func (s *Server) sendFile(c *gin.Context, r *reporting.Report) error {
	ctx := c.Request.Context()
	file, err := s.Files.Open(ctx, r.File.Key)
	if errors.Is(err, storage.ErrNotFound) { // it has been swept, and the row is about to say so
		return reporting.ErrExpired
	}
	if err != nil {
		return fmt.Errorf("open file of report %s: %w", r.ID, err)
	}
	defer file.Close()
	h := c.Writer.Header()
	h.Set("Content-Type", r.Format.ContentType())
	h.Set("Content-Disposition", disposition(r.File.Name))
	h.Set("ETag", `"`+r.File.SHA256+`"`)
	h.Set("Cache-Control", "private, no-cache")
	req := c.Request
	if !oneRange(req.Header.Get("Range"), file.Size) { // the whole file then, which is what RFC 9110 lets a server answer
		req = req.Clone(ctx)
		req.Header.Del("Range")
	}
	w := &patient{ResponseWriter: c.Writer, control: http.NewResponseController(c.Writer)}
	http.ServeContent(w, req, "", value(r.FinishedAt), io.NewSectionReader(file, 0, file.Size))
	return nil
}

// disposition names a file for the client's disk (RFC 6266). What old clients cannot read of the name they get as _.
func disposition(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '_'
		}
		return r
	}, name)
	text := `attachment; filename="` + plain + `"`
	if plain != name {
		text += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return text
}

// rangePattern is one range of bytes: from a place on, up to a place, or the last ones.
var rangePattern = regexp.MustCompile(`^bytes=([0-9]{0,18})-([0-9]{0,18})$`)

// oneRange reports whether the header asks for one range that a file of that size has.
func oneRange(header string, size int64) bool {
	m := rangePattern.FindStringSubmatch(header)
	if m == nil {
		return false
	}
	from, noFrom := strconv.ParseInt(m[1], 10, 64)
	to, noTo := strconv.ParseInt(m[2], 10, 64)
	switch {
	case noFrom != nil:
		return noTo == nil && to > 0 && size > 0
	case noTo != nil:
		return from < size
	}
	return from <= to && from < size
}

// patient gives each write a deadline of its own in place of the server's.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements http.ResponseWriter.
func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(downloadPatience)); err != nil {
		return 0, fmt.Errorf("set write deadline: %w", err)
	}
	return p.ResponseWriter.Write(b)
}
