package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/problem"
	"makola/pkg/task"
	accountspb "makola/proto/makola/accounts/v1"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
)

// errVerified reports a person who asks for the verification mail without need.
var errVerified = problem.New(problem.Conflict, "email_verified", "Your address is confirmed already.")

// sendVerification enqueues the mail that asks a person to confirm their address.
func (s *Server) sendVerification(ctx context.Context, tx *gorm.DB, user uuid.UUID) error {
	token, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make token id: %w", err)
	}
	_, err = s.Accounts.SendVerificationEmail(ctx, tx, &accountspb.SendVerificationEmailArgs{UserId: user.String(), TokenId: token.String()}, task.CreatedBy(user))
	return err
}

// VerifyEmail confirms an address.
func (s *Server) VerifyEmail(ctx context.Context, req gen.VerifyEmailRequestObject) (gen.VerifyEmailResponseObject, error) {
	var u *accounts.User
	err := s.DB.InSystem(ctx, func(tx *gorm.DB) (err error) {
		u, err = accounts.VerifyEmail(tx, req.Body.Token, clientOf(ctx))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify address: %w", err)
	}
	return gen.VerifyEmail200JSONResponse(userBody(*u)), nil
}

// ResendVerification sends the mail that confirms an address again.
func (s *Server) ResendVerification(ctx context.Context, _ gen.ResendVerificationRequestObject) (gen.ResendVerificationResponseObject, error) {
	who := auth.From(ctx)
	if who.EmailVerified {
		return nil, errVerified
	}
	err := s.asPerson(ctx, func(tx *gorm.DB) error {
		if err := accounts.MayResendVerification(tx, who.User); err != nil {
			return err
		}
		return s.sendVerification(ctx, tx, who.User)
	})
	if err != nil {
		return nil, fmt.Errorf("send verification mail again: %w", err)
	}
	return gen.ResendVerification202Response{}, nil
}

// RequestPasswordReset enqueues the mail with which a new password is chosen. Nothing here looks the address up: the answer, and the time it takes, are the same for all.
func (s *Server) RequestPasswordReset(ctx context.Context, req gen.RequestPasswordResetRequestObject) (gen.RequestPasswordResetResponseObject, error) {
	token, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make token id: %w", err)
	}
	err = s.DB.InSystem(ctx, func(tx *gorm.DB) error {
		_, err := s.Accounts.SendPasswordResetEmail(ctx, tx, &accountspb.SendPasswordResetEmailArgs{Email: req.Body.Email, TokenId: token.String()})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask for a new password: %w", err)
	}
	return gen.RequestPasswordReset200JSONResponse{Status: gen.Ok}, nil
}

// ConfirmPasswordReset replaces a password by the token of a mail.
func (s *Server) ConfirmPasswordReset(ctx context.Context, req gen.ConfirmPasswordResetRequestObject) (gen.ConfirmPasswordResetResponseObject, error) {
	if err := s.Sessions.ResetPassword(ctx, req.Body.Token, req.Body.NewPassword, clientOf(ctx), s.passwordChanged); err != nil {
		return nil, fmt.Errorf("reset password: %w", err)
	}
	return gen.ConfirmPasswordReset200JSONResponse{Status: gen.Ok}, nil
}

// ChangePassword replaces a password by the old one.
func (s *Server) ChangePassword(ctx context.Context, req gen.ChangePasswordRequestObject) (gen.ChangePasswordResponseObject, error) {
	if err := s.Sessions.ChangePassword(ctx, auth.From(ctx), req.Body.OldPassword, req.Body.NewPassword, clientOf(ctx), s.passwordChanged); err != nil {
		return nil, fmt.Errorf("change password: %w", err)
	}
	return gen.ChangePassword204Response{}, nil
}

// passwordChanged enqueues the notice to a person whose password was changed.
func (s *Server) passwordChanged(ctx context.Context, tx *gorm.DB, user uuid.UUID) error {
	change, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make change id: %w", err)
	}
	_, err = s.Accounts.SendPasswordChangedEmail(ctx, tx, &accountspb.SendPasswordChangedEmailArgs{UserId: user.String(), ChangeId: change.String(), Ip: clientOf(ctx).IP}, task.CreatedBy(user))
	return err
}
