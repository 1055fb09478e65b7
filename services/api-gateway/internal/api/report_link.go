package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gin-gonic/gin"
	"gorm.io/gorm"

	"makola/pkg/audit"
	"makola/pkg/problem"
	"makola/pkg/reporting"
	"makola/pkg/tenant"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/edge"
)

// errNoLinks reports a gateway that was given no keys for links.
var errNoLinks = problem.New(problem.Unavailable, "no_download_links", "This server makes no links to files. Sign in to download them.")

// GetReportLink makes a link to a report's file that works for a while, for whoever has it. The audit log says who made it.
func (s *Server) GetReportLink(ctx context.Context, req gen.GetReportLinkRequestObject) (gen.GetReportLinkResponseObject, error) {
	switch {
	case s.Files == nil:
		return nil, errNoFiles
	case s.Links == nil:
		return nil, errNoLinks
	}
	life := reporting.LinkLife
	if req.Params.ExpiresIn != nil {
		life = time.Duration(*req.Params.ExpiresIn) * time.Second
	}
	var r *reporting.Report
	var link reporting.Link
	err := s.atTill(ctx, func(t *till) (err error) {
		if r, err = reporting.Download(t.tx, t.reads(), req.ID, t.now); err != nil {
			return err
		}
		link = reporting.LinkTo(auth.From(ctx).Tenant, r, life, t.now)
		entry := t.who.Entry
		entry.Action, entry.Entity, entry.EntityID = "report.link_made", "report", r.ID.String()
		entry.Changes = map[string]any{"file": r.File.Name, "until": link.Until}
		return audit.Record(t.tx, entry)
	})
	if err != nil {
		return nil, err
	}
	return gen.GetReportLink200JSONResponse{URL: s.PublicURL + reporting.LinkPath + s.Links.Token(link), ExpiresAt: link.Until, FileName: r.File.Name}, nil
}

// follow sends the file that a link leads to. It stands outside the generated handlers as download does, and nobody is signed in: the signature is the proof.
func (s *Server) follow(contract *edge.Contract) gin.HandlerFunc {
	return func(c *gin.Context) {
		op, err := contract.Operation(c)
		if err == nil {
			err = op.Check(c)
		}
		if err == nil {
			err = s.sendLinked(c)
		}
		if err != nil {
			edge.Fail(c, err)
		}
	}
}

func (s *Server) sendLinked(c *gin.Context) error {
	now := time.Now()
	link, err := s.Links.Read(c.Param("token"), now)
	if err != nil {
		return err
	}
	if s.Files == nil {
		return errNoFiles
	}
	var r *reporting.Report
	ctx := tenant.With(c.Request.Context(), link.Business)
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		r, err = reporting.Download(tx, reporting.Reader{All: true}, link.Report, now)
		return err
	})
	if errors.Is(err, reporting.ErrNotFound) { // deleted since
		return reporting.ErrNoLink
	}
	if err != nil {
		return fmt.Errorf("follow link: %w", err)
	}
	return s.sendFile(c, r)
}
