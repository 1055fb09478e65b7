package api

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// ListSessions lists where a person is signed in.
func (s *Server) ListSessions(ctx context.Context, _ gen.ListSessionsRequestObject) (gen.ListSessionsResponseObject, error) {
	var open []accounts.OpenSession
	err := s.asPerson(ctx, func(tx *gorm.DB) (err error) {
		open, err = accounts.ListSessions(tx, auth.From(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	list := gen.SessionList{Items: []gen.OpenSession{}}
	for _, o := range open {
		list.Items = append(list.Items, gen.OpenSession{
			ID: o.ID, Current: o.Current, IP: o.Client.IP, UserAgent: o.Client.UserAgent,
			SignedInAt: o.SignedInAt.UTC(), SeenAt: o.SeenAt.UTC(), ExpiresAt: o.ExpiresAt.UTC(),
		})
	}
	return gen.ListSessions200JSONResponse(list), nil
}

// EndSession ends one of a person's own sessions.
func (s *Server) EndSession(ctx context.Context, req gen.EndSessionRequestObject) (gen.EndSessionResponseObject, error) {
	err := s.asPerson(ctx, func(tx *gorm.DB) error { return accounts.EndSession(tx, auth.From(ctx), req.ID, clientOf(ctx)) })
	if err != nil {
		return nil, fmt.Errorf("end session: %w", err)
	}
	return gen.EndSession204Response{}, nil
}

// EndOtherSessions ends all of a person's sessions but the one that asks.
func (s *Server) EndOtherSessions(ctx context.Context, _ gen.EndOtherSessionsRequestObject) (gen.EndOtherSessionsResponseObject, error) {
	var ended int
	err := s.asPerson(ctx, func(tx *gorm.DB) (err error) {
		ended, err = accounts.EndOtherSessions(tx, auth.From(ctx), clientOf(ctx))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("end other sessions: %w", err)
	}
	return gen.EndOtherSessions200JSONResponse{Ended: ended}, nil
}
