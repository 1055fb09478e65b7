package notifications

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"makola/pkg/postgres"
)

// toAnybody are the mails that go to whomever a business names, members or not. Their readers can stop them by themselves, and an address that its mail server refuses gets no more.
var toAnybody = []string{ExportReady{}.Template(), ExportFailed{}.Template(), ExportSummary{}.Template()}

// ToAnybody reports whether mails of that template go to whomever a business names.
func ToAnybody(template string) bool { return slices.Contains(toAnybody, template) }

// The reasons why somebody gets no such mails of a business.
const (
	blockBounced = "BOUNCED"
	blockStopped = "STOPPED"
)

// maxDetail bounds what a mail server may say, in bytes.
const maxDetail = 300

// BlockOf says why an address gets no mail of that template from the business any more; empty when it does. tx must be bound to the business.
func BlockOf(tx *gorm.DB, business uuid.UUID, template, address string) (why string, err error) {
	if business == uuid.Nil || !ToAnybody(template) {
		return "", nil
	}
	var reason, detail string
	err = postgres.QueryRow(tx, `select reason, detail from notifications.blocked_recipient where tenant_id = $1 and address = lower($2)`, business, address).Scan(&reason, &detail)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("look whether a recipient is blocked: %w", err)
	case reason == blockStopped:
		return "The recipient wants no more of these mails.", nil
	}
	return "Not sent: the recipient's mail server refused an earlier mail. It said: " + detail, nil
}

// BlockBounced remembers that a mail server refused an address for good, and what it said. That of one who has stopped the mails stays as it is.
func BlockBounced(tx *gorm.DB, business uuid.UUID, address, detail string) error {
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "")
	}
	_, err := postgres.Exec(tx, `insert into notifications.blocked_recipient (tenant_id, address, reason, detail) values ($1, lower($2), $3, $4) on conflict do nothing`, business, address, blockBounced, detail)
	if err != nil {
		return fmt.Errorf("block a recipient: %w", err)
	}
	return nil
}

// Stop remembers that whoever has the address wants no more mails that the business sends to anybody. It reports whether that is news.
func Stop(tx *gorm.DB, business uuid.UUID, address string) (bool, error) {
	n, err := postgres.Exec(tx, `insert into notifications.blocked_recipient as b (tenant_id, address, reason) values ($1, lower($2), $3)
		on conflict (tenant_id, address) do update set reason = excluded.reason, blocked_at = excluded.blocked_at where b.reason <> excluded.reason`, business, address, blockStopped)
	if err != nil {
		return false, fmt.Errorf("stop mails: %w", err)
	}
	return n > 0, nil
}

// Stopped reports whether whoever has the address has stopped the mails.
func Stopped(tx *gorm.DB, business uuid.UUID, address string) (stopped bool, err error) {
	err = postgres.QueryRow(tx, `select exists (select from notifications.blocked_recipient where tenant_id = $1 and address = lower($2) and reason = $3)`, business, address, blockStopped).Scan(&stopped)
	if err != nil {
		return false, fmt.Errorf("look whether mails are stopped: %w", err)
	}
	return stopped, nil
}

// Resume undoes Stop, for whoever has the address. It reports whether that is news.
func Resume(tx *gorm.DB, business uuid.UUID, address string) (bool, error) {
	n, err := postgres.Exec(tx, `delete from notifications.blocked_recipient where tenant_id = $1 and address = lower($2) and reason = $3`, business, address, blockStopped)
	if err != nil {
		return false, fmt.Errorf("resume mails: %w", err)
	}
	return n > 0, nil
}

// TryAgain lets addresses have mails again whose mail servers refused one: the business has named them anew. Whoever has stopped the mails stays without.
func TryAgain(tx *gorm.DB, business uuid.UUID, addresses []string) error {
	if len(addresses) == 0 {
		return nil
	}
	_, err := postgres.Exec(tx, `delete from notifications.blocked_recipient where tenant_id = $1 and address = any ($2) and reason = $3`, business, addresses, blockBounced)
	if err != nil {
		return fmt.Errorf("let recipients have mails again: %w", err)
	}
	return nil
}
