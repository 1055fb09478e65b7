package api

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/postgres"
	"makola/services/api-gateway/internal/api/gen"
	"makola/services/api-gateway/internal/auth"
	"makola/services/api-gateway/internal/live"
)

// readerOf is whoever asks, as a reader of notices.
func readerOf(ctx context.Context) notifications.Reader {
	who := auth.From(ctx)
	r := notifications.Reader{Tenant: who.Tenant, User: who.User, Permissions: make([]string, len(who.Permissions))}
	for i, p := range who.Permissions {
		r.Permissions[i] = string(p)
	}
	return r
}

// ListNotifications pages through what a person is told.
func (s *Server) ListNotifications(ctx context.Context, req gen.ListNotificationsRequestObject) (gen.ListNotificationsResponseObject, error) {
	before, _, err := decodeCursor(cursorNotices, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	f := notifications.InboxFilter{Before: before, Limit: pageSize(req.Params.Limit)}
	if req.Params.Unread != nil {
		f.Unread = *req.Params.Unread
	}
	if req.Params.Kind != nil {
		f.Kind = notifications.Kind(*req.Params.Kind)
	}
	if req.Params.Priority != nil {
		f.Priority = notifications.Priority(*req.Params.Priority)
	}
	var list []notifications.Received
	page := gen.NotificationPage{Items: []gen.Notification{}}
	err = s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		list, page.Unread, err = notifications.Inbox(tx, readerOf(ctx), f)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(list) == f.Limit {
		page.NextCursor = encodeCursor(cursorNotices, list[f.Limit-1].ID, 0)
	}
	for _, n := range list {
		page.Items = append(page.Items, noticeBody(n))
	}
	return gen.ListNotifications200JSONResponse(page), nil
}

// ReadNotification notes that a person has read a notice.
func (s *Server) ReadNotification(ctx context.Context, req gen.ReadNotificationRequestObject) (gen.ReadNotificationResponseObject, error) {
	err := s.markNotices(ctx, func(tx *gorm.DB) (bool, error) { return notifications.MarkRead(tx, readerOf(ctx), req.ID) })
	if err != nil {
		return nil, err
	}
	return gen.ReadNotification204Response{}, nil
}

// DismissNotification takes a notice out of a person's list.
func (s *Server) DismissNotification(ctx context.Context, req gen.DismissNotificationRequestObject) (gen.DismissNotificationResponseObject, error) {
	err := s.markNotices(ctx, func(tx *gorm.DB) (bool, error) { return notifications.Dismiss(tx, readerOf(ctx), req.ID) })
	if err != nil {
		return nil, err
	}
	return gen.DismissNotification204Response{}, nil
}

// ReadAllNotifications notes that a person has read everything.
func (s *Server) ReadAllNotifications(ctx context.Context, _ gen.ReadAllNotificationsRequestObject) (gen.ReadAllNotificationsResponseObject, error) {
	var marked int64
	err := s.markNotices(ctx, func(tx *gorm.DB) (_ bool, err error) {
		marked, err = notifications.MarkAllRead(tx, readerOf(ctx))
		return marked > 0, err
	})
	if err != nil {
		return nil, err
	}
	return gen.ReadAllNotifications200JSONResponse{Marked: marked}, nil
}

// markNotices runs mark, and once a change has committed rings for the person's other streams.
func (s *Server) markNotices(ctx context.Context, mark func(tx *gorm.DB) (changed bool, err error)) error {
	return s.DB.InTenant(ctx, func(tx *gorm.DB) error {
		changed, err := mark(tx)
		if err == nil && changed {
			postgres.AfterCommit(tx, func() { s.Queue.AnnounceNews(auth.From(ctx).Tenant) })
		}
		return err
	})
}

// latestNews is what a stream sends a person.
func (s *Server) latestNews(ctx context.Context, mark string) (live.News, error) {
	var news notifications.News
	err := s.DB.InTenant(ctx, func(tx *gorm.DB) (err error) {
		news, err = notifications.LatestNews(tx, readerOf(ctx), mark)
		return err
	})
	if err != nil {
		return live.News{}, err
	}
	out := live.News{Unread: news.Unread, Mark: news.Mark}
	for _, n := range news.Notices {
		raw, err := json.Marshal(noticeBody(n))
		if err != nil {
			return live.News{}, fmt.Errorf("encode notice %s: %w", n.ID, err)
		}
		out.Notices = append(out.Notices, raw)
	}
	return out, nil
}

func noticeBody(n notifications.Received) gen.Notification {
	return gen.Notification{
		ID: n.ID, Kind: gen.NoticeKind(n.Kind), Priority: gen.NoticePriority(n.Priority), Title: n.Title, Body: n.Body, Link: optional(n.Link), Data: n.Data,
		CreatedAt: n.CreatedAt.UTC(), ReadAt: utc(n.ReadAt),
	}
}
