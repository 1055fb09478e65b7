package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// ListMembers pages through the people of a business.
func (s *Server) ListMembers(ctx context.Context, req gen.ListMembersRequestObject) (gen.ListMembersResponseObject, error) {
	before, _, err := decodeCursor(cursorMembers, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Params.Limit)
	var members []accounts.Member
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		members, err = accounts.ListMembers(tx, before, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.MemberPage{Items: []gen.Member{}}
	if len(members) == limit {
		page.NextCursor = encodeCursor(cursorMembers, members[limit-1].ID, 0)
	}
	for _, m := range members {
		page.Items = append(page.Items, memberBody(m))
	}
	return gen.ListMembers200JSONResponse(page), nil
}

// ChangeMember changes what somebody is in a business.
func (s *Server) ChangeMember(ctx context.Context, req gen.ChangeMemberRequestObject) (gen.ChangeMemberResponseObject, error) {
	change := accounts.MemberChange{StorefrontIDs: req.Body.StorefrontIds, Active: req.Body.IsActive}
	if req.Body.Role != nil {
		role := accounts.Role(*req.Body.Role)
		change.Role = &role
	}
	if req.Body.AccessRole != nil {
		role := accounts.AccessRole(*req.Body.AccessRole)
		change.AccessRole = &role
	}
	m, err := s.changeMember(ctx, req.ID, change)
	if err != nil {
		return nil, fmt.Errorf("change member: %w", err)
	}
	return gen.ChangeMember200JSONResponse(memberBody(*m)), nil
}

// RemoveMember sends somebody away.
func (s *Server) RemoveMember(ctx context.Context, req gen.RemoveMemberRequestObject) (gen.RemoveMemberResponseObject, error) {
	away := false
	if _, err := s.changeMember(ctx, req.ID, accounts.MemberChange{Active: &away}); err != nil {
		return nil, fmt.Errorf("remove member: %w", err)
	}
	return gen.RemoveMember204Response{}, nil
}

func (s *Server) changeMember(ctx context.Context, id uuid.UUID, change accounts.MemberChange) (m *accounts.Member, err error) {
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		m, err = accounts.ChangeMember(tx, auth.From(ctx), id, change, s.storefronts(), clientOf(ctx))
		return err
	})
	return m, err
}

func memberBody(m accounts.Member) gen.Member {
	return gen.Member{
		ID: m.ID, Email: m.Email, Name: m.Name, EmailVerified: m.EmailVerified, Role: gen.Role(m.Role), AccessRole: string(m.AccessRole), IsActive: m.Active,
		Storefronts: storefrontsBody(m.Storefronts), LastLoginAt: utc(m.LastLoginAt), JoinedAt: m.JoinedAt.UTC(),
	}
}
