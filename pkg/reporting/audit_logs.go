package reporting

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"makola/pkg/document"
	"makola/pkg/postgres"
)

// mostTop is how many of the most frequent events and people the summary names.
const mostTop = 5

// logged are the entries e of the log that belong to a period: the business's own, $1, from $2 to $3. Ids are made in the order of time, within the clocks of a few machines and a
// transaction's length, so $4 and $5 let the index find what at then decides.
const logged = ` audit.v_entry e where e.tenant_id = $1 and e.at >= $2 and e.at < $3 and e.id >= $4 and e.id < $5 `

// idSlack is how far the time in an entry's id may be from the entry's own.
const idSlack = 24 * time.Hour

func (s *source) logged() []any {
	return []any{s.shop.id, s.from, s.to, postgres.FirstID(s.from.Add(-idSlack)), postgres.FirstID(s.to.Add(idSlack))}
}

var auditColumns = []document.Column{
	{Title: "Log ID", Width: 36}, {Title: "Timestamp", Kind: document.KindInstant}, {Title: "Event Type", Width: 24}, {Title: "Event Label", Width: 24}, {Title: "User Email", Width: 28},
	{Title: "User Name", Width: 22}, {Title: "Entity Type", Width: 16}, {Title: "Entity ID", Width: 36}, {Title: "Entity Name", Width: 24}, {Title: "Description", Width: 36}, {Title: "Details", Width: 60},
	{Title: "IP", Width: 16}, {Title: "User Agent", Width: 30},
}

// shortAudit are the columns of auditColumns that fit a page.
var shortAudit = []int{1, 3, 4, 6, 8, 9, 11}

// auditLogs describes the log of what was done.
func (s *source) auditLogs() (*document.Report, Made, error) {
	var n, people, types int64
	var first, last *time.Time
	err := query(s.tx, "sum log", `select count(*), count(distinct coalesce(e.user_id::text, e.actor)), count(distinct e.action), min(e.at), max(e.at) from`+logged,
		func(r pgx.Rows) error { return r.Scan(&n, &people, &types, &first, &last) }, s.logged()...)
	if err != nil {
		return nil, Made{}, err
	}
	s.total = n
	r := s.report()
	r.Summary = []document.Figure{count("Events", n), count("People", people), count("Kinds of events", types)}
	if first != nil && last != nil {
		r.Summary = append(r.Summary, document.Figure{Label: "First", Kind: document.KindInstant, Value: document.Instant(*first)}, document.Figure{Label: "Last", Kind: document.KindInstant, Value: document.Instant(*last)})
	}
	for _, top := range []struct{ label, column string }{{"Events: ", "e.action"}, {"By: ", "e.actor"}} {
		err := query(s.tx, "find the most frequent", `select `+top.column+`, count(*) from`+logged+`group by 1 order by 2 desc, 1 limit $6`, func(rows pgx.Rows) error {
			var what string
			var times int64
			err := rows.Scan(&what, &times)
			if top.column == "e.action" {
				what = eventLabel(what)
			}
			r.Summary = append(r.Summary, count(top.label+what, times))
			return err
		}, append(s.logged(), mostTop)...)
		if err != nil {
			return nil, Made{}, err
		}
	}
	r.Tables = []document.Table{s.entries()}
	return r, Made{Records: n}, nil
}

func (s *source) entries() document.Table {
	columns, full := auditColumns, make([]document.Cell, len(auditColumns))
	if s.order.Format == PDF {
		columns = make([]document.Column, len(shortAudit))
		for i, from := range shortAudit {
			columns[i] = auditColumns[from]
		}
	}
	return document.Table{Name: "Audit Log", Columns: columns, Rows: s.rows("events", len(columns), func(rows pgx.Rows, row []document.Cell) error {
		if err := auditRow(rows, full); err != nil {
			return err
		}
		if len(row) == len(full) {
			copy(row, full)
			return nil
		}
		for i, from := range shortAudit {
			row[i] = full[from]
		}
		return nil
	}, `select e.id::text, e.at, e.action, e.actor, coalesce(u.name, ''), e.entity, e.entity_id, e.changes, e.ip, e.user_agent
		  from (select * from`+logged+`) e left join accounts.v_person u on u.tenant_id = e.tenant_id and u.user_id = e.user_id order by e.at, e.id`, s.logged()...)}
}

func auditRow(rows pgx.Rows, row []document.Cell) error {
	var id, action, actor, name, entity, entityID, ip, agent string
	var at time.Time
	var changes []byte
	if err := rows.Scan(&id, &at, &action, &actor, &name, &entity, &entityID, &changes, &ip, &agent); err != nil {
		return err
	}
	clear(row)
	label, called := eventLabel(action), entityName(changes)
	about := strings.TrimSpace(strings.ReplaceAll(entity, "_", " ") + " " + called)
	if about != "" {
		about = ": " + about
	}
	row[0], row[1], row[2], row[3], row[4] = document.Text(id), document.Instant(at), document.Text(action), document.Text(label), document.Text(actor)
	for i, text := range []string{name, entity, entityID, called, label + about, details(changes), ip, agent} {
		row[5+i] = optionalText(&text)
	}
	return nil
}

// eventLabel is an action as people say it: "report.requested" is "Report requested", "LOGIN" is "Login".
func eventLabel(action string) string {
	words := []rune(strings.ToLower(strings.NewReplacer(".", " ", "_", " ").Replace(action)))
	if len(words) > 0 {
		words[0] = unicode.ToUpper(words[0])
	}
	return string(words)
}

// entityName is what the changed thing is called, where the change says so: its name, or the later of two.
func entityName(changes []byte) string {
	var c struct {
		Name json.RawMessage `json:"name"`
	}
	if json.Unmarshal(changes, &c) != nil || len(c.Name) == 0 {
		return ""
	}
	var one string
	if json.Unmarshal(c.Name, &one) == nil {
		return one
	}
	var both []*string
	if json.Unmarshal(c.Name, &both) == nil && len(both) > 0 && both[len(both)-1] != nil {
		return *both[len(both)-1]
	}
	return ""
}

// details is a change as it was written down; nothing is nothing.
func details(changes []byte) string {
	if text := string(changes); text != "{}" {
		return text
	}
	return ""
}
