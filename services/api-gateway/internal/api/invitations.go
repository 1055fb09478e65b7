package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/once"
)

// CreateInvitation invites somebody into a business, and enqueues the mail in the same transaction.
func (s *Server) CreateInvitation(ctx context.Context, req gen.CreateInvitationRequestObject) (gen.CreateInvitationResponseObject, error) {
	place := accounts.Place{Role: accounts.Role(req.Body.Role)}
	if req.Body.AccessRole != nil {
		place.AccessRole = accounts.AccessRole(*req.Body.AccessRole)
	}
	if req.Body.StorefrontIds != nil {
		place.StorefrontIDs = *req.Body.StorefrontIds
	}
	i, err := s.invitation(ctx, true, func(tx *gorm.DB) (*accounts.Invitation, error) {
		return accounts.Invite(tx, auth.From(ctx), req.Body.Email, place, s.storefronts(), clientOf(ctx))
	})
	if err != nil {
		return nil, fmt.Errorf("invite: %w", err)
	}
	return gen.CreateInvitation201JSONResponse(i), nil
}

// ResendInvitation mails an invitation once more.
func (s *Server) ResendInvitation(ctx context.Context, req gen.ResendInvitationRequestObject) (gen.ResendInvitationResponseObject, error) {
	i, err := s.invitation(ctx, true, func(tx *gorm.DB) (*accounts.Invitation, error) {
		return accounts.Resend(tx, auth.From(ctx), req.ID, clientOf(ctx))
	})
	if err != nil {
		return nil, fmt.Errorf("send invitation again: %w", err)
	}
	return gen.ResendInvitation200JSONResponse(i), nil
}

// RevokeInvitation takes an invitation back.
func (s *Server) RevokeInvitation(ctx context.Context, req gen.RevokeInvitationRequestObject) (gen.RevokeInvitationResponseObject, error) {
	i, err := s.invitation(ctx, false, func(tx *gorm.DB) (*accounts.Invitation, error) {
		return accounts.Revoke(tx, auth.From(ctx), req.ID, clientOf(ctx))
	})
	if err != nil {
		return nil, fmt.Errorf("revoke invitation: %w", err)
	}
	return gen.RevokeInvitation200JSONResponse(i), nil
}

// invitation runs one change of an invitation, and enqueues its mail when asked to.
func (s *Server) invitation(ctx context.Context, mail bool, change func(tx *gorm.DB) (*accounts.Invitation, error)) (gen.Invitation, error) {
	var i *accounts.Invitation
	claim := once.From(ctx)
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		if id := claim.Made(); id != uuid.Nil { // an earlier request with this key has done it, and died before it could answer
			i, err = accounts.InvitationByID(tx, id)
			return err
		}
		if i, err = change(tx); err != nil || !mail {
			return err
		}
		if err := claim.Keep(tx, i.ID); err != nil {
			return err
		}
		_, err = s.Accounts.SendInvitationEmail(ctx, tx, &accountspb.SendInvitationEmailArgs{InvitationId: i.ID.String(), Number: int32(i.Sends)}, task.CreatedBy(auth.From(ctx).User))
		return err
	})
	if err != nil {
		return gen.Invitation{}, err
	}
	return invitationBody(*i), nil
}

// ListInvitations pages through the invitations of a business.
func (s *Server) ListInvitations(ctx context.Context, req gen.ListInvitationsRequestObject) (gen.ListInvitationsResponseObject, error) {
	before, _, err := decodeCursor(cursorInvitations, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := pageSize(req.Params.Limit)
	var status accounts.InvitationStatus
	if req.Params.Status != nil {
		status = accounts.InvitationStatus(*req.Params.Status)
	}
	var list []accounts.Invitation
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, err = accounts.ListInvitations(tx, status, before, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	page := gen.InvitationPage{Items: []gen.Invitation{}}
	if len(list) == limit {
		page.NextCursor = encodeCursor(cursorInvitations, list[limit-1].ID, 0)
	}
	for _, i := range list {
		page.Items = append(page.Items, invitationBody(i))
	}
	return gen.ListInvitations200JSONResponse(page), nil
}

// LookAtInvitation shows the holder of a token what they are invited to.
func (s *Server) LookAtInvitation(ctx context.Context, req gen.LookAtInvitationRequestObject) (gen.LookAtInvitationResponseObject, error) {
	var i *accounts.Invited
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
		i, err = accounts.LookAtInvitation(tx, req.Token)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gen.LookAtInvitation200JSONResponse{
		Email: i.Email, BusinessName: i.Business, Inviter: i.Inviter, Role: gen.Role(i.Role), ExpiresAt: i.ExpiresAt, HasAccount: i.HasAccount,
	}, nil
}

// AcceptInvitation makes the holder of a token a member.
func (s *Server) AcceptInvitation(ctx context.Context, req gen.AcceptInvitationRequestObject) (gen.AcceptInvitationResponseObject, error) {
	name := ""
	if req.Body.Name != nil {
		name = *req.Body.Name
	}
	now := time.Now()
	session, err := s.Sessions.Accept(ctx, req.Token, name, req.Body.Password, clientOf(ctx), now)
	if err != nil {
		return nil, fmt.Errorf("accept invitation: %w", err)
	}
	return gen.AcceptInvitation201JSONResponse(sessionBody(session, now)), nil
}

func invitationBody(i accounts.Invitation) gen.Invitation {
	ids := i.Place.StorefrontIDs
	if ids == nil {
		ids = []uuid.UUID{}
	}
	return gen.Invitation{
		ID: i.ID, Email: i.Email, Role: gen.Role(i.Place.Role), AccessRole: optional(string(i.Place.AccessRole)), StorefrontIds: ids, Status: gen.InvitationStatus(i.Status),
		Sends: i.Sends, InvitedBy: i.InvitedBy, SentAt: i.SentAt.UTC(), ExpiresAt: i.ExpiresAt.UTC(), CreatedAt: i.CreatedAt.UTC(),
	}
}
