package reporting

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"makola/pkg/document"
	"makola/pkg/money"
	"makola/pkg/postgres"
)

// shop is what a report says of its business.
type shop struct {
	id           uuid.UUID
	name, tin    string
	address      []string
	currency     money.Currency
	zone         *time.Location
	reorderLevel int64
	now          time.Time // Of the snapshot.
}

// source is where a report's rows come from: one snapshot of one business.
type source struct {
	tx    *gorm.DB
	shop  shop
	order Order
	// from and to are the instants of the order's period.
	from, to time.Time

	total, done int64
	progress    func(done, total int64, note string)
}

// progressEvery is after how many rows a task says how far it is; it is written once a second whatever this is.
const progressEvery = 512

func newSource(tx *gorm.DB, o Order, progress func(done, total int64, note string)) (*source, error) {
	id, err := owner(tx)
	if err != nil {
		return nil, fmt.Errorf("read letterhead: %w", err)
	}
	s := &source{tx: tx, order: o, progress: progress, shop: shop{id: id}}
	var address, email, zone string
	var phones []string
	err = query(tx, "read letterhead", `select l.name, l.tin, l.address, l.email, l.phone_numbers, v.currency, v.timezone, v.reorder_level, now()
		from accounts.v_letterhead l join accounts.v_settings v on v.tenant_id = l.tenant_id where l.tenant_id = $1`,
		func(rows pgx.Rows) error {
			return rows.Scan(&s.shop.name, &s.shop.tin, &address, &email, &phones, (*string)(&s.shop.currency), &zone, &s.shop.reorderLevel, &s.shop.now)
		}, id)
	if err != nil {
		return nil, err
	}
	if s.shop.zone, err = loadZone(zone); err != nil {
		return nil, err
	}
	for _, line := range append(append(strings.Split(address, "\n"), strings.Join(phones, ", ")), email) {
		if line = strings.TrimSpace(line); line != "" {
			s.shop.address = append(s.shop.address, line)
		}
	}
	s.from, s.to = o.Period.bounds(s.shop.zone)
	return s, nil
}

// loadZone reads a zone's name. accounts checks it when it is chosen, so one that is unknown now is a fault of this machine.
func loadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, fmt.Errorf("load the business's time zone %q: %w", name, err)
	}
	return zone, nil
}

// report is the head of the document.
func (s *source) report() *document.Report {
	return &document.Report{
		Business: s.shop.name, Address: s.shop.address, TIN: s.shop.tin, Title: s.order.Kind.Title(), Period: s.order.Period.String(), GeneratedAt: s.shop.now, Zone: s.shop.zone,
		Currency: s.shop.currency,
	}
}

func (s *source) money(minor int64) document.Cell {
	return document.Money(money.FromMinor(minor, s.shop.currency))
}

func (s *source) figure(label string, minor int64) document.Figure {
	return document.Figure{Label: label, Kind: document.KindMoney, Value: s.money(minor)}
}

func count(label string, n int64) document.Figure {
	return document.Figure{Label: label, Kind: document.KindInteger, Value: document.Integer(n)}
}

func rate(label string, part, whole int64) document.Figure {
	return document.Figure{Label: label, Kind: document.KindPercent, Value: percentOf(part, whole)}
}

// percentOf is part of whole, to a hundredth of a percent, rounded half away from zero; nothing of nothing is an empty cell.
func percentOf(part, whole int64) document.Cell {
	if whole <= 0 {
		return document.Cell{}
	}
	return document.Percent(rounded(part, whole, 10_000))
}

// rounded is part × scale ÷ whole, rounded half away from zero. whole must be more than nothing.
func rounded(part, whole, scale int64) int64 {
	sign := int64(1)
	if part < 0 {
		sign, part = -1, -part
	}
	q, r := part/whole, part%whole
	return sign * (q*scale + (2*r*scale+whole)/(2*whole))
}

// optionalText is an empty cell for no text.
func optionalText(text *string) document.Cell {
	if text == nil || *text == "" {
		return document.Cell{}
	}
	return document.Text(*text)
}

// errStopped ends a query whose rows nobody wants any more.
var errStopped = errors.New("stopped")

// rows is a query as the rows of a table of that many columns: each is read when it is written, so there is one in memory. fill gets an empty row.
func (s *source) rows(what string, width int, fill func(rows pgx.Rows, row []document.Cell) error, statement string, args ...any) iter.Seq2[[]document.Cell, error] {
	return func(yield func([]document.Cell, error) bool) {
		row := make([]document.Cell, width)
		err := postgres.Query(s.tx, func(rows pgx.Rows) error {
			for rows.Next() {
				clear(row)
				if err := fill(rows, row); err != nil {
					return err
				}
				s.step(what)
				if !yield(row, nil) {
					return errStopped
				}
			}
			return rows.Err()
		}, statement, args...)
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, fmt.Errorf("%s: %w", what, err))
		}
	}
}

// step counts a row, and tells of it now and then.
func (s *source) step(what string) {
	if s.done++; s.done%progressEvery == 0 && s.progress != nil {
		s.progress(s.done, max(s.done, s.total), what)
	}
}

// sold are the arguments of a query on sales: the business, the period, and the storefronts. See soldWhere.
func (s *source) sold() []any { return []any{s.shop.id, s.from, s.to, s.order.Storefronts} }

// soldWhere chooses the sales s of a period.
const soldWhere = ` s.tenant_id = $1 and s.completed_at >= $2 and s.completed_at < $3 and ($4::uuid[] is null or s.storefront_id = any($4)) `
