package tasks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/accounts"
	"makola/pkg/notifications"
	"makola/pkg/task"
	"makola/pkg/tenant"
	accountspb "makola/proto/makola/accounts/v1"
)

const (
	// reportHour is the time of day, on a business's Monday, at which its report is made: before the shop opens.
	reportHour = 7 * time.Hour
	// mostPeople and mostKinds bound what the mail lists.
	mostPeople = 10
	mostKinds  = 10
)

// GenerateUserActivityReport counts what people did in the last whole week: everybody's, and it becomes one task per business; or a business's.
// SHORT: some statements, however much was done.
func (a *Accounts) GenerateUserActivityReport(ctx context.Context, tx *gorm.DB, args *accountspb.GenerateUserActivityReportArgs) (*accountspb.GenerateUserActivityReportResult, error) {
	now := time.Now()
	if args.BusinessId == nil {
		if _, ok := tenant.From(ctx); ok {
			return nil, task.Permanent(errors.New("business_id is required in a task of a business"))
		}
		if slot := task.RunFrom(ctx).Slot; !slot.IsZero() {
			now = slot // a run that comes late is still about its week
		}
		return a.platformActivity(ctx, tx, now)
	}
	ctx, tx, business, active, err := task.ForActiveBusiness(ctx, tx, args.GetBusinessId())
	if err != nil || !active {
		return &accountspb.GenerateUserActivityReportResult{Status: "inactive"}, err
	}
	reader, err := accounts.ActivityReaderOf(tx, business)
	if err != nil {
		return nil, fmt.Errorf("generate user activity report: %w", err)
	}
	from, to := accounts.LastWeek(now, reader.Timezone)
	report, _, err := accounts.RecordActivity(tx, business, from, to)
	if err != nil {
		return nil, fmt.Errorf("generate user activity report: %w", err)
	}
	result := activityResult(report)
	switch {
	case report.Actions == 0:
		result.Status = "no_data"
	case !reader.Wanted:
		result.Status = "recorded"
	case reader.Email == "":
		result.Status = "no_recipient"
	default:
		result.Status, err = a.mailActivity(ctx, tx, business, reader, report, from, to)
	}
	return result, err
}

// platformActivity keeps everybody's report and asks for those of the businesses.
func (a *Accounts) platformActivity(ctx context.Context, tx *gorm.DB, now time.Time) (*accountspb.GenerateUserActivityReportResult, error) {
	from, to := accounts.LastWeek(now, "UTC")
	report, _, err := accounts.RecordPlatformActivity(tx, from, to)
	if err != nil {
		return nil, fmt.Errorf("generate user activity report: %w", err)
	}
	n, err := task.Each(ctx, tx, a.Tasks.GenerateUserActivityReport, func(business uuid.UUID) *accountspb.GenerateUserActivityReportArgs {
		id := business.String()
		return &accountspb.GenerateUserActivityReportArgs{BusinessId: &id}
	}, task.EachWeekAt(time.Monday, reportHour))
	result := activityResult(report)
	result.Status, result.Businesses = "fanned_out", int32(n)
	return result, err
}

func activityResult(a accounts.Activity) *accountspb.GenerateUserActivityReportResult {
	return &accountspb.GenerateUserActivityReportResult{WeekStart: a.Week.Format(time.DateOnly), Logins: a.Logins, People: a.People, Actions: a.Actions}
}

// mailActivity stores the mail of a report, once for a week. An owner who cannot be written to costs the business its mail, not its report.
func (a *Accounts) mailActivity(ctx context.Context, tx *gorm.DB, business uuid.UUID, reader accounts.ActivityReader, report accounts.Activity, from, to time.Time) (string, error) {
	people, err := accounts.MostActive(tx, business, from, to, mostPeople)
	if err != nil {
		return "", fmt.Errorf("mail user activity report: %w", err)
	}
	content := notifications.ActivitySummary{
		Name: reader.Name, Business: reader.Business, From: from.Format(time.DateOnly), To: to.AddDate(0, 0, -1).Format(time.DateOnly),
		Logins: report.Logins, Logouts: report.Logouts, People: report.People, Actions: report.Actions, OtherActions: report.Actions,
	}
	for _, p := range people {
		content.MostActive = append(content.MostActive, notifications.ActivePerson{Name: p.Name, Logins: p.Logins, Actions: p.Actions})
	}
	kinds, err := actionCounts(report.ByAction)
	if err != nil {
		return "", err
	}
	content.ByAction = kinds[:min(len(kinds), mostKinds)]
	for _, k := range content.ByAction {
		content.OtherActions -= k.Count
	}
	_, queued, err := notifications.Queue(ctx, tx, a.Notify, notifications.Email{Tenant: business, Key: "activity:" + content.From, To: reader.Email, Content: content})
	switch {
	case errors.Is(err, notifications.ErrAddress):
		slog.WarnContext(ctx, "an owner cannot be written to")
		return "no_recipient", nil
	case err != nil:
		return "", fmt.Errorf("mail user activity report: %w", err)
	case queued:
		return "sent", nil
	}
	return "already_sent", nil
}

// actionCounts reads a report's kinds of actions, the most frequent first.
func actionCounts(raw json.RawMessage) ([]notifications.ActionCount, error) {
	var counts map[string]int64
	if err := json.Unmarshal(raw, &counts); err != nil {
		return nil, fmt.Errorf("read the kinds of actions: %w", err)
	}
	list := make([]notifications.ActionCount, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, notifications.ActionCount{Action: name, Count: counts[name]})
	}
	slices.SortStableFunc(list, func(a, b notifications.ActionCount) int { return cmp.Compare(b.Count, a.Count) })
	return list, nil
}
