package reporting

import (
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"makola/pkg/document"
)

// span is a part of a period and what was taken in it: sales by when they were made, refunds by when they were given.
type span struct {
	from                     time.Time // Its first day, as PostgreSQL's date carries it.
	sales, charged, refunded int64
}

// grain is how a period is cut so that a page shows it whole.
type grain struct {
	name, column, unit, layout string
}

// The grains: up to so many days of a period each.
const (
	mostDays      = 45
	mostWeeksDays = 26 * 7
)

// grainOf chooses the finest grain that fits.
func (s *source) grainOf() grain {
	switch days := s.order.Period.days(); {
	case days <= mostDays:
		return grain{"By Day", "Day", "day", "2 Jan"}
	case days <= mostWeeksDays:
		return grain{"By Week", "Week from", "week", "2 Jan"}
	}
	return grain{"By Month", "Month from", "month", "Jan 2006"}
}

// spans reads the period by its grain, the parts with nothing in them too. A part that begins before the period counts what lies within.
func (s *source) spans(g grain) (list []span, err error) {
	err = query(s.tx, "sum sales by time", `
		with slot as (select generate_series(date_trunc($6, $7::date::timestamp), $8::date::timestamp, ('1 ' || $6)::interval)::date as day),
		  sold as (
		    select date_trunc($6, s.completed_at at time zone $5)::date as day, count(*) as n, sum(s.total_minor) as minor from sales.sale s where`+soldWhere+statusIs(false)+` group by 1),
		  back as (select date_trunc($6, at at time zone $5)::date as day, sum(amount_minor) as minor from (`+refundLines+`) b group by 1)
		select day, coalesce(sold.n, 0), coalesce(sold.minor, 0)::bigint, coalesce(back.minor, 0)::bigint from slot left join sold using (day) left join back using (day) order by day`,
		func(rows pgx.Rows) error {
			var p span
			err := rows.Scan(&p.from, &p.sales, &p.charged, &p.refunded)
			list = append(list, p)
			return err
		}, append(s.sold(), s.shop.zone.String(), g.unit, s.order.Period.From, s.order.Period.To)...)
	return list, err
}

var trendColumns = []document.Column{
	{Kind: document.KindDate}, {Title: "Sales", Kind: document.KindInteger, Total: true}, {Title: "Charged", Kind: document.KindMoney, Total: true},
	{Title: "Refunded", Kind: document.KindMoney, Total: true}, {Title: "Revenue", Kind: document.KindMoney, Total: true},
}

// trend is the period in time, as a picture and as the table beside it.
func (s *source) trend() (document.Picture, document.Table, error) {
	g := s.grainOf()
	list, err := s.spans(g)
	if err != nil {
		return document.Picture{}, document.Table{}, err
	}
	bars := make([]document.Bar, len(list))
	for i, p := range list {
		bars[i] = document.Bar{Label: p.from.Format(g.layout), Value: p.charged - p.refunded}
	}
	picture, err := document.Chart("Revenue by "+g.unit+", in "+string(s.shop.currency), bars, false, s.shop.currency)
	columns := append([]document.Column{}, trendColumns...)
	columns[0].Title = g.column
	return picture, document.Table{Name: g.name, Columns: columns, Rows: each(list, func(p span, row []document.Cell) {
		row[0], row[1], row[2], row[3], row[4] = document.Date(p.from), document.Integer(p.sales), s.money(p.charged), s.money(p.refunded), s.money(p.charged-p.refunded)
	}, len(columns))}, err
}

// each is rows that are in memory already, because something else is made of them too.
func each[T any](list []T, fill func(one T, row []document.Cell), width int) iter.Seq2[[]document.Cell, error] {
	return func(yield func([]document.Cell, error) bool) {
		row := make([]document.Cell, width)
		for _, one := range list {
			clear(row)
			fill(one, row)
			if !yield(row, nil) {
				return
			}
		}
	}
}
