package reporting

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/mail"
	"makola/pkg/postgres"
)

// ExportSettings is who is told of a business's exports, and as whom.
type ExportSettings struct {
	// OnSuccess mails what a schedule has made, OnFailure that it could not.
	OnSuccess, OnFailure bool
	// Defaults are whom exports go to whose schedules name nobody, and whom the weekly summary goes to.
	Defaults []string
	// FromName is put before Makola's own in the sender of these mails, the business's name when it is empty. ReplyTo is where answers go, and may be empty.
	FromName, ReplyTo string
}

// ExportSettingsOf returns the settings of the transaction's business; the defaults if it has chosen none.
func ExportSettingsOf(tx *gorm.DB) (s ExportSettings, err error) {
	id, err := owner(tx)
	if err != nil {
		return s, fmt.Errorf("read export settings: %w", err)
	}
	s = ExportSettings{OnSuccess: true, OnFailure: true, Defaults: []string{}}
	err = query(tx, "read export settings", `select notify_on_success, notify_on_failure, default_recipients, from_name, reply_to from reporting.export_settings where tenant_id = $1`,
		func(rows pgx.Rows) error {
			return rows.Scan(&s.OnSuccess, &s.OnFailure, &s.Defaults, &s.FromName, &s.ReplyTo)
		}, id)
	return s, err
}

// PutExportSettings replaces the settings, and returns them as they are kept. Errors: faults of members, as problem.Error.
func PutExportSettings(tx *gorm.DB, s ExportSettings) (ExportSettings, error) {
	id, err := owner(tx)
	if err != nil {
		return s, fmt.Errorf("write export settings: %w", err)
	}
	if s.Defaults, err = Recipients("default_recipients", s.Defaults); err != nil {
		return s, err
	}
	s.FromName = strings.TrimSpace(s.FromName)
	if strings.ContainsFunc(s.FromName, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`<>@"\`, r)
	}) {
		return s, fault("from_name", "invalid", "must be a name, without < > @ and quotes")
	}
	if mail.HasLink(s.FromName) {
		return s, fault("from_name", "link", "must be a name, without web addresses")
	}
	if s.ReplyTo != "" {
		one, err := Recipients("reply_to", []string{s.ReplyTo})
		if err != nil {
			return s, fault("reply_to", "invalid", "must be a mail address such as ama@example.com")
		}
		s.ReplyTo = one[0]
	}
	_, err = exec(tx, "write export settings", `
		insert into reporting.export_settings (tenant_id, notify_on_success, notify_on_failure, default_recipients, from_name, reply_to) values ($1, $2, $3, $4, $5, $6)
		on conflict (tenant_id) do update set notify_on_success = excluded.notify_on_success, notify_on_failure = excluded.notify_on_failure, default_recipients = excluded.default_recipients,
		       from_name = excluded.from_name, reply_to = excluded.reply_to, updated_at = clock_timestamp()`, id, s.OnSuccess, s.OnFailure, s.Defaults, s.FromName, s.ReplyTo)
	return s, err
}

// Addressees are whom the mails of a schedule go to: those whom it names, its maker if it says so, and the business's default recipients if that is nobody. Names are those of members.
func Addressees(tx *gorm.DB, s *Schedule, settings ExportSettings) ([]Recipient, error) {
	emails := slices.Clone(s.Recipients)
	if s.IncludeCreator {
		maker, err := RecipientOf(tx, s.User)
		if err != nil {
			return nil, err
		}
		if maker != nil && !slices.Contains(emails, strings.ToLower(maker.Email)) {
			emails = append(emails, strings.ToLower(maker.Email))
		}
	}
	if len(emails) == 0 {
		emails = settings.Defaults
	}
	return Named(tx, emails)
}

// Named says of addresses what those are called who have them: the members' names, and none for strangers. Each knows the business and its time zone.
func Named(tx *gorm.DB, emails []string) (list []Recipient, err error) {
	id, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("look for the readers: %w", err)
	}
	err = query(tx, "look for the readers", `
		select coalesce(p.name, ''), v.email, l.name, b.timezone
		  from unnest($2::text[]) with ordinality v (email, n) join accounts.v_letterhead l on l.tenant_id = $1 join accounts.v_business b on b.id = $1
		  left join accounts.v_recipient p on p.tenant_id = $1 and lower(p.email) = v.email order by v.n`, func(rows pgx.Rows) error {
		var r Recipient
		err := rows.Scan(&r.Name, &r.Email, &r.Business, &r.Timezone)
		list = append(list, r)
		return err
	}, id, emails)
	return list, err
}

// Statistics is what became of the reports of a time.
type Statistics struct {
	From, To time.Time
	// Total is all of them; the others are where they stand now.
	Total, Running, Completed, Failed, Cancelled int64
	// Records, Bytes and TookMS are sums over those that were completed, also when their files are gone.
	Records, Bytes, TookMS int64
	ByKind                 []KindStatistics
}

// KindStatistics is Statistics of one kind of report.
type KindStatistics struct {
	Kind                                     Kind
	Total, Completed, Failed, Records, Bytes int64
}

// StatisticsOf counts the reports that the reader may see and that were asked for between two instants, the second excluded.
func StatisticsOf(tx *gorm.DB, who Reader, from, to time.Time) (s Statistics, err error) {
	id, err := owner(tx)
	if err != nil {
		return s, fmt.Errorf("count reports: %w", err)
	}
	s = Statistics{From: from, To: to}
	err = query(tx, "count reports", `
		select r.kind, count(*), count(*) filter (where r.status in ('PENDING', 'PROCESSING')), count(*) filter (where r.status in ('COMPLETED', 'EMAILED', 'EXPIRED')),
		       count(*) filter (where r.status = 'FAILED'), count(*) filter (where r.status = 'CANCELLED'),
		       coalesce(sum(r.record_count), 0)::bigint, coalesce(sum(r.file_size), 0)::bigint, coalesce(sum(r.took_ms), 0)::bigint
		  from reporting.v_report r where r.tenant_id = $1 and ($2::uuid is null or r.created_by = $2) and r.created_at >= $3 and r.created_at < $4 and r.id >= $5 group by r.kind order by r.kind`,
		func(rows pgx.Rows) error {
			var k KindStatistics
			var running, cancelled, took int64
			if err := rows.Scan(&k.Kind, &k.Total, &running, &k.Completed, &k.Failed, &cancelled, &k.Records, &k.Bytes, &took); err != nil {
				return err
			}
			s.Total, s.Running, s.Completed, s.Failed, s.Cancelled = s.Total+k.Total, s.Running+running, s.Completed+k.Completed, s.Failed+k.Failed, s.Cancelled+cancelled
			s.Records, s.Bytes, s.TookMS = s.Records+k.Records, s.Bytes+k.Bytes, s.TookMS+took
			s.ByKind = append(s.ByKind, k)
			return nil
		}, id, who.only(), from, to, postgres.FirstID(from.Add(-idSlack)))
	return s, err
}

// Week is the seven days that ended last, by the clock of the business.
func (c Clock) Week() (from, to time.Time, days Period) {
	days, _ = LastSevenDays.Before(dayOf(c.Now, c.Zone))
	from, to = days.bounds(c.Zone)
	return from, to, days
}
