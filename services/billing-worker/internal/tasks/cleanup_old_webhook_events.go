package tasks

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/billing"
	"makola/pkg/task"
	subscriptionspb "makola/proto/makola/subscriptions/v1"
)

// oldEventLimit is how many events one run empties, and how many it deletes.
const oldEventLimit = 1000

// CleanupOldWebhookEvents forgets what providers sent long ago.
// SHORT: two statements in batches.
func (s *Subscriptions) CleanupOldWebhookEvents(ctx context.Context, tx *gorm.DB, args *subscriptionspb.CleanupOldWebhookEventsArgs) (*subscriptionspb.CleanupOldWebhookEventsResult, error) {
	after := uuid.Nil
	if args.AfterEventId != nil {
		var err error
		if after, err = uuid.Parse(args.GetAfterEventId()); err != nil {
			return nil, task.Permanent(errors.New("after_event_id is not a UUID"))
		}
	}
	emptied, next, err := billing.EmptyEvents(tx, s.now(), after, oldEventLimit)
	if err != nil {
		return nil, err
	}
	deleted, err := billing.DeleteEvents(tx, s.now(), oldEventLimit)
	if err != nil {
		return nil, err
	}
	result := &subscriptionspb.CleanupOldWebhookEventsResult{Status: "done", Emptied: int32(emptied), Deleted: int32(deleted)}
	if next == uuid.Nil && deleted < oldEventLimit {
		return result, nil
	}
	result.Status = "continued"
	follow := &subscriptionspb.CleanupOldWebhookEventsArgs{AfterEventId: args.AfterEventId}
	if next != uuid.Nil {
		id := next.String()
		follow.AfterEventId = &id
	}
	_, err = s.Tasks.CleanupOldWebhookEvents(ctx, tx, follow)
	return result, err
}
