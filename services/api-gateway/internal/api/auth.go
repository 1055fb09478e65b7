package api

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/billing"
	"makola/pkg/task"
	"makola/pkg/tenant"
	accountspb "makola/proto/makola/accounts/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// Register creates a person and all that a new business has, with the task that welcomes them, in one transaction.
func (s *Server) Register(ctx context.Context, req gen.RegisterRequestObject) (gen.RegisterResponseObject, error) {
	hash, err := s.Sessions.Hasher.Hash(ctx, req.Body.Password)
	if err != nil {
		return nil, err
	}
	business, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make business id: %w", err)
	}
	client, now := clientOf(ctx), time.Now()
	ctx = tenant.With(ctx, business)
	var session *accounts.Session
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		p, err := accounts.Register(tx, accounts.Registration{Email: req.Body.Email, Name: req.Body.Name, PasswordHash: hash, BusinessName: req.Body.BusinessName, Client: client}, now)
		if err != nil {
			return err
		}
		if err := billing.OpenTenant(tx, business, s.TrialCredits, now); err != nil {
			return fmt.Errorf("open books: %w", err)
		}
		user := p.User.ID.String()
		_, err = s.Accounts.SendWelcomeEmail(ctx, tx, &accountspb.SendWelcomeEmailArgs{UserId: user}, task.Unique("welcome:"+user), task.CreatedBy(p.User.ID))
		if err != nil {
			return err
		}
		if err := s.sendVerification(ctx, tx, p.User.ID); err != nil {
			return err
		}
		session, err = s.Sessions.Open(tx, p, client, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	return gen.Register201JSONResponse(sessionBody(session, now)), nil
}

// Login signs a person in.
func (s *Server) Login(ctx context.Context, req gen.LoginRequestObject) (gen.LoginResponseObject, error) {
	now := time.Now()
	session, err := s.Sessions.SignIn(ctx, req.Body.Email, req.Body.Password, clientOf(ctx), now)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return gen.Login200JSONResponse(sessionBody(session, now)), nil
}

// Refresh exchanges a refresh token for the next pair.
func (s *Server) Refresh(ctx context.Context, req gen.RefreshRequestObject) (gen.RefreshResponseObject, error) {
	now := time.Now()
	session, err := s.Sessions.Refresh(ctx, req.Body.RefreshToken, clientOf(ctx), now)
	if err != nil {
		return nil, fmt.Errorf("refresh session: %w", err)
	}
	return gen.Refresh200JSONResponse(sessionBody(session, now)), nil
}

// Logout ends a session.
func (s *Server) Logout(ctx context.Context, req gen.LogoutRequestObject) (gen.LogoutResponseObject, error) {
	if err := s.Sessions.SignOut(ctx, req.Body.RefreshToken, clientOf(ctx)); err != nil {
		return nil, fmt.Errorf("sign out: %w", err)
	}
	return gen.Logout204Response{}, nil
}

// GetAuthMe tells people who they are.
func (s *Server) GetAuthMe(ctx context.Context, _ gen.GetAuthMeRequestObject) (gen.GetAuthMeResponseObject, error) {
	p, err := s.me(ctx)
	return gen.GetAuthMe200JSONResponse(p), err
}

// GetUsersMe is GetAuthMe at its second address.
func (s *Server) GetUsersMe(ctx context.Context, _ gen.GetUsersMeRequestObject) (gen.GetUsersMeResponseObject, error) {
	p, err := s.me(ctx)
	return gen.GetUsersMe200JSONResponse(p), err
}

func (s *Server) me(ctx context.Context) (gen.Profile, error) {
	who := auth.From(ctx)
	var p *accounts.Profile
	err := s.asPerson(ctx, func(tx *gorm.DB) (err error) {
		if who.Tenant == uuid.Nil {
			p, err = accounts.Person(tx, who.User)
		} else {
			p, err = accounts.Me(tx, who.User)
		}
		return err
	})
	if err != nil {
		return gen.Profile{}, err
	}
	b := gen.Profile{User: userBody(p.User), AccessRole: optional(string(p.AccessRole)), Permissions: permissions(p), Storefronts: storefrontsBody(p.Storefronts)}
	if p.Business.ID != uuid.Nil {
		business, role := businessBody(p.Business), gen.ProfileRole(p.Role)
		b.Business, b.Role = &business, &role
	}
	return b, nil
}

func sessionBody(s *accounts.Session, now time.Time) gen.Session {
	p := s.Profile
	b := gen.Session{
		AccessToken: s.Access, RefreshToken: s.Refresh, TokenType: gen.Bearer, ExpiresIn: int(s.AccessExpiresAt.Sub(now) / time.Second),
		User: userBody(p.User), AccessRole: optional(string(p.AccessRole)), Permissions: permissions(p), Storefronts: storefrontsBody(p.Storefronts),
	}
	if p.Business.ID != uuid.Nil {
		business, role := businessBody(p.Business), gen.SessionRole(p.Role)
		b.Business, b.Role = &business, &role
	}
	return b
}

func userBody(u accounts.User) gen.User {
	return gen.User{ID: u.ID, Email: u.Email, Name: u.Name, Language: u.Language, EmailVerified: u.EmailVerified, CreatedAt: u.CreatedAt}
}

func businessBody(b accounts.Business) gen.Business {
	return gen.Business{
		ID: b.ID, Name: b.Name, Tin: b.TIN, Email: b.Email, Address: b.Address, Website: b.Website, PhoneNumbers: b.PhoneNumbers,
		Currency: b.Currency, Timezone: b.Timezone, SubscriptionStatus: b.SubscriptionStatus, CreatedAt: b.CreatedAt,
	}
}

func storefrontsBody(s accounts.Scope) gen.Storefronts {
	ids := s.IDs
	if ids == nil {
		ids = []uuid.UUID{}
	}
	return gen.Storefronts{All: s.All, Ids: ids}
}

func permissions(p *accounts.Profile) []string {
	all := []string{}
	for _, permission := range p.Permissions {
		all = append(all, string(permission))
	}
	return all
}
