package templates

import (
	"strings"

	"makola/pkg/notifications"
)

// reportReady tells whoever asked for a report that its file can be had.
func (s *Set) reportReady(c notifications.ReportReady) letter {
	shop, title := business(c.Business), reportTitle(c.Title)
	l := letter{
		Subject: title + " is ready" + of(c.Period), Title: title + " is ready", Greeting: greeting(c.Name), Preview: counted(int(c.Rows), "row", "rows") + ", " + size(c.SizeBytes) + ".",
		Paragraphs: []string{"The report of " + shop + " that you asked for is ready. Sign in to download it."},
		Reason:     "You get this mail because you asked to be told when the report is ready.",
	}
	g := group{Title: "Report", Rows: []row{{Label: "Report", Value: title}}}
	if c.Period != "" {
		g.Rows = append(g.Rows, row{Label: "Period", Value: plain(c.Period, maxWord)})
	}
	g.Rows = append(g.Rows, row{Label: "File", Value: plain(c.FileName, maxSubject)}, row{Label: "Rows", Value: number(c.Rows)}, row{Label: "Size", Value: size(c.SizeBytes)})
	if !c.ExpiresAt.IsZero() {
		g.Rows = append(g.Rows, row{Label: "Kept until", Value: date(c.ExpiresAt, c.Timezone)})
	}
	l.Groups = []group{g}
	if s.appURL != "" {
		l.Button = &link{"Open reports", s.appURL}
	}
	return l
}

// reportFailed tells whoever asked for a report that there will be none.
func (s *Set) reportFailed(c notifications.ReportFailed) letter {
	shop, title := business(c.Business), reportTitle(c.Title)
	l := letter{
		Subject: title + " could not be made" + of(c.Period), Title: title + " could not be made", Greeting: greeting(c.Name), Preview: "Please ask for it again.",
		Paragraphs: []string{
			"The report of " + shop + " that you asked for could not be made, though it was tried several times. Nothing of your business's data was changed.",
			"Please ask for it again. If it fails once more, ask for a shorter period or another format.",
		},
		Reason: "You get this mail because you asked to be told when the report is ready.",
	}
	if s.appURL != "" {
		l.Button = &link{"Open reports", s.appURL}
	}
	return l
}

func reportTitle(title string) string {
	if title = plain(title, maxWord); title == "" {
		return "Your report"
	}
	return title
}

// of is a period at the end of a line.
func of(period string) string {
	if period = plain(period, maxWord); period == "" {
		return ""
	}
	return ": " + period
}

// size prints bytes as people do: "14 KB", "2.3 MB".
func size(bytes int64) string {
	units := []string{"KB", "MB", "GB"}
	if bytes < 1000 {
		return number(max(bytes, 0)) + " bytes"
	}
	tenths, unit := bytes/100, 0
	for tenths >= 10_000 && unit < len(units)-1 {
		tenths, unit = tenths/1000, unit+1
	}
	text := number(tenths / 10)
	if tenths < 100 && tenths%10 != 0 {
		text += "." + strings.TrimLeft(number(tenths%10), "-")
	}
	return text + " " + units[unit]
}
