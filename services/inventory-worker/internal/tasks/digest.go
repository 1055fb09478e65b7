package tasks

import (
	"context"
	"errors"
	"log/slog"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/notifications"
	"makola/pkg/task"
	notificationspb "makola/proto/makola/notifications/v1"
)

// mailKey names a digest to one person. A task that runs again has the same id, and so the same mail.
func mailKey(ctx context.Context, kind string, user uuid.UUID) string {
	return kind + ":" + task.RunFrom(ctx).ID.String() + ":" + user.String()
}

// queue stores the mails and returns how many are new. Somebody whose address cannot be written to does not keep the others from being told.
func queue(ctx context.Context, tx *gorm.DB, tasks *notificationspb.Tasks, mails []notifications.Email) (fresh int, err error) {
	if len(mails) == 0 {
		return 0, nil
	}
	queued, err := notifications.QueueAll(ctx, tx, tasks, mails)
	if err != nil {
		return 0, err
	}
	for n, q := range queued {
		switch {
		case errors.Is(q.Err, notifications.ErrAddress):
			slog.WarnContext(ctx, "a member cannot be written to", "mail", mails[n].Key) //nolint:gosec // there is one answer for each mail
		case q.Err != nil:
			return 0, q.Err
		case q.New:
			fresh++
		}
	}
	return fresh, nil
}
