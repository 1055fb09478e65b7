package notifications

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"gorm.io/gorm"

	"makola/pkg/postgres"
	"makola/pkg/task"
)

// Kind is what a notice is about. A new one is added here and to openapi.yaml.
type Kind string

// The kinds of notices.
const (
	KindCreditsPurchased      Kind = "CREDITS_PURCHASED"
	KindCreditsLow            Kind = "CREDITS_LOW"
	KindCreditsDepleted       Kind = "CREDITS_DEPLETED"
	KindCreditsExpiring       Kind = "CREDITS_EXPIRING" //nolint:gosec // AI credits, no credential
	KindPaymentDue            Kind = "PAYMENT_DUE"
	KindPaymentFailed         Kind = "PAYMENT_FAILED"
	KindPaymentOverdue        Kind = "PAYMENT_OVERDUE"
	KindPaymentSuccess        Kind = "PAYMENT_SUCCESS"
	KindPaymentUnderReview    Kind = "PAYMENT_UNDER_REVIEW"
	KindTrialEnding           Kind = "TRIAL_ENDING"
	KindTrialExpired          Kind = "TRIAL_EXPIRED"
	KindSubscriptionExpiring  Kind = "SUBSCRIPTION_EXPIRING"
	KindSubscriptionExpired   Kind = "SUBSCRIPTION_EXPIRED"
	KindSubscriptionCancelled Kind = "SUBSCRIPTION_CANCELLED"
	KindSubscriptionSuspended Kind = "SUBSCRIPTION_SUSPENDED"
	KindSubscriptionActivated Kind = "SUBSCRIPTION_ACTIVATED"
	KindUsageLimitWarning     Kind = "USAGE_LIMIT_WARNING"
	KindUsageLimitReached     Kind = "USAGE_LIMIT_REACHED"
	KindStockLow              Kind = "STOCK_LOW"
	KindStockOut              Kind = "STOCK_OUT"
	KindStockExpiring         Kind = "STOCK_EXPIRING"
	KindReportReady           Kind = "REPORT_READY"
	KindReportFailed          Kind = "REPORT_FAILED"
	KindImportDone            Kind = "IMPORT_DONE"
	KindImportFailed          Kind = "IMPORT_FAILED"
	KindWebhookDisabled       Kind = "WEBHOOK_DISABLED"
)

// Kinds returns all kinds, in no order that means anything.
func Kinds() []Kind {
	return []Kind{
		KindCreditsPurchased, KindCreditsLow, KindCreditsDepleted, KindCreditsExpiring, KindPaymentDue,
		KindPaymentFailed, KindPaymentOverdue, KindPaymentSuccess, KindPaymentUnderReview, KindTrialEnding,
		KindTrialExpired, KindSubscriptionExpiring, KindSubscriptionExpired, KindSubscriptionCancelled, KindSubscriptionSuspended,
		KindSubscriptionActivated, KindUsageLimitWarning, KindUsageLimitReached, KindStockLow, KindStockOut,
		KindStockExpiring, KindReportReady, KindReportFailed, KindImportDone, KindImportFailed,
		KindWebhookDisabled,
	}
}

// Priority is how much a notice matters.
type Priority string

// The priorities, the least first.
const (
	Low      Priority = "LOW"
	Medium   Priority = "MEDIUM"
	High     Priority = "HIGH"
	Critical Priority = "CRITICAL"
)

// Priorities returns all priorities, the least first.
func Priorities() []Priority { return []Priority{Low, Medium, High, Critical} }

// Longest parts of a notice, in characters, and most bytes of its data; as the table has them.
const (
	maxTitle = 200
	maxBody  = 2000
	maxLink  = 500
	maxKey   = 200
	maxData  = 4096
)

// Notice is something that people of a business are told in the application.
type Notice struct {
	// Tenant is the business. Required.
	Tenant uuid.UUID
	// User is the one person whom it is for; uuid.Nil is every member with the Permission.
	User uuid.UUID
	// Permission is what a reader must be allowed, such as can_view_financial_data; empty asks for nothing.
	Permission string
	Kind       Kind
	Priority   Priority
	// Title is one line; Body, which may be empty, says more. Both are plain text.
	Title, Body string
	// Link is a path of the application, such as /settings/credits; empty leads nowhere.
	Link string
	// Data is for programs, as a JSON object of 4 KiB at most; nil is empty.
	Data map[string]any
	// Key names the event, for example credit-alert:<id>. Within a tenant, one key is one notice.
	Key string
}

// ErrNotice is returned for a notice that cannot be: a programmer's mistake, or somebody's words at the wrong place.
var ErrNotice = errors.New("not a notice")

// Post stores the notices whose keys are new, in one statement however many tenants they are of, and rings for whoever watches once tx has committed. posted says of
// each whether it was stored just now; of two with one tenant and key the first is. tx must be bound to all their tenants. A nil bell rings for nobody: streams look for
// themselves within seconds. Two transactions that post the same keys at once wait for each other.
//
// Errors: ErrNotice, and nothing is stored; postgres.ErrNoTransaction; whatever the database says.
func Post(tx *gorm.DB, bell *task.Queue, notices []Notice) (posted []bool, err error) {
	if err := postgres.RequireTx(tx); err != nil {
		return nil, fmt.Errorf("post notices: %w", err)
	}
	posted = make([]bool, len(notices))
	if len(notices) == 0 {
		return posted, nil
	}
	type draft struct {
		Notice
		id   uuid.UUID
		data string
		at   int
	}
	drafts := make([]draft, len(notices))
	for i, n := range notices {
		data, err := n.encode()
		if err != nil {
			return nil, fmt.Errorf("post notice %.100q: %w", n.Key, err)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("post notice %.100q: make id: %w", n.Key, err)
		}
		drafts[i] = draft{Notice: n, id: id, data: data, at: i}
	}
	// In the order of their keys, so that two transactions that post the same notices wait for each other instead of deadlocking.
	slices.SortStableFunc(drafts, func(a, b draft) int {
		if c := bytes.Compare(a.Tenant[:], b.Tenant[:]); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	n := len(drafts)
	ids, tenants, users, text := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]pgtype.UUID, n), make([][]string, 8)
	place := make(map[uuid.UUID]int, n)
	for i, d := range drafts {
		ids[i], tenants[i], users[i] = d.id, d.Tenant, pgtype.UUID{Bytes: d.User, Valid: d.User != uuid.Nil}
		for k, v := range []string{d.Permission, string(d.Kind), string(d.Priority), d.Title, d.Body, d.Link, d.data, d.Key} {
			text[k] = append(text[k], v)
		}
		place[d.id] = d.at
	}
	told := map[uuid.UUID]bool{}
	err = postgres.Query(tx, func(rows pgx.Rows) error {
		for rows.Next() {
			var tenant, id uuid.UUID
			if err := rows.Scan(&tenant, &id); err != nil {
				return err
			}
			posted[place[id]], told[tenant] = true, true
		}
		return rows.Err()
	}, `insert into notifications.notice (id, tenant_id, user_id, permission, kind, priority, title, body, link, data, dedupe_key)
		select v.id, v.tenant, v.usr, v.permission, v.kind, v.priority, v.title, v.body, v.link, v.data::jsonb, v.key
		  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
		       as v (id, tenant, usr, permission, kind, priority, title, body, link, data, key)
		    on conflict (tenant_id, dedupe_key) do nothing returning tenant_id, id`,
		ids, tenants, users, text[0], text[1], text[2], text[3], text[4], text[5], text[6], text[7])
	if err != nil {
		return nil, fmt.Errorf("post %d notices: %w", n, err)
	}
	if bell != nil && len(told) > 0 {
		postgres.AfterCommit(tx, func() {
			for tenant := range told {
				bell.AnnounceNews(tenant)
			}
		})
	}
	return posted, nil
}

// encode checks n and returns its data as JSON.
func (n Notice) encode() (string, error) {
	long := func(text string, most int) bool { return utf8.RuneCountInString(text) > most }
	switch {
	case n.Tenant == uuid.Nil:
		return "", fmt.Errorf("%w: it has no tenant", ErrNotice)
	case n.Key == "" || long(n.Key, maxKey):
		return "", fmt.Errorf("%w: its key is empty or longer than %d characters", ErrNotice, maxKey)
	case !slices.Contains(Kinds(), n.Kind):
		return "", fmt.Errorf("%w: kind %.40q does not exist", ErrNotice, n.Kind)
	case !slices.Contains(Priorities(), n.Priority):
		return "", fmt.Errorf("%w: priority %.40q does not exist", ErrNotice, n.Priority)
	case n.Title == "" || long(n.Title, maxTitle) || strings.ContainsAny(n.Title, "\r\n"):
		return "", fmt.Errorf("%w: its title is not one line of 1 to %d characters", ErrNotice, maxTitle)
	case long(n.Body, maxBody):
		return "", fmt.Errorf("%w: its body is longer than %d characters", ErrNotice, maxBody)
	case n.Link != "" && (n.Link[0] != '/' || strings.HasPrefix(n.Link, "//") || strings.ContainsAny(n.Link, "\\\r\n\t") || long(n.Link, maxLink)):
		return "", fmt.Errorf("%w: its link is not a path of the application", ErrNotice)
	case n.Data == nil:
		return "{}", nil
	}
	data, err := json.Marshal(n.Data)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: encode data: %w", ErrNotice, err)
	case len(data) > maxData:
		return "", fmt.Errorf("%w: its data has more than %d bytes", ErrNotice, maxData)
	}
	return string(data), nil
}
