package templates

import (
	"makola/pkg/mail"
	"makola/pkg/notifications"
)

// stop is how somebody whom a business has named takes themselves off its list.
const stop = "Stop these mails to me"

// sender is the name of a business whose mails strangers read, too.
func sender(name string) string { return called(name, maxBusiness, "a business on Makola") }

// maxMessage is how much of a business's own message is printed, in characters; it is one paragraph, whatever lines it had.
const maxMessage = 1000

// exportReady brings what a schedule has made.
func (s *Set) exportReady(c notifications.ExportReady) letter {
	shop, title := sender(c.Business), reportTitle(c.Title)
	l := letter{
		Subject: title + " of " + shop + of(c.Period), Title: title, Greeting: greeting(c.Name), Preview: counted(int(c.Rows), "row", "rows") + ", " + size(c.SizeBytes) + ".",
		Reason: "You get this mail because " + shop + " sends it to you by the schedule " + quoted(c.Schedule) + ". Whoever looks after the reports there can take you off its list.",
		Stop:   stop,
	}
	// Schedules that were made before their words were checked may hold addresses.
	if subject := plain(c.Subject, maxSubject); subject != "" && !mail.HasLink(subject) {
		l.Subject = subject
	}
	if text := plain(c.Message, maxMessage); text != "" && !mail.HasLink(text) {
		l.Paragraphs = append(l.Paragraphs, shop+" writes: "+text)
	}
	if c.Attached {
		l.Paragraphs = append(l.Paragraphs, "The report is attached.")
	} else if c.LinkUntil.IsZero() {
		l.Paragraphs = append(l.Paragraphs, "The report is too large to be attached. Sign in to download it.")
	} else {
		l.Paragraphs = append(l.Paragraphs, "The report is too large to be attached. Whoever has the link below can download it, until "+moment(c.LinkUntil, c.Timezone)+".")
	}
	g := group{Title: "Report", Rows: []row{{Label: "Report", Value: title}}}
	if c.Period != "" {
		g.Rows = append(g.Rows, row{Label: "Period", Value: plain(c.Period, maxWord)})
	}
	g.Rows = append(g.Rows, row{Label: "File", Value: plain(c.FileName, maxSubject)}, row{Label: "Rows", Value: number(c.Rows)}, row{Label: "Size", Value: size(c.SizeBytes)},
		row{Label: "Made in", Value: counted(int(max(c.Seconds, 1)), "second", "seconds")})
	if !c.ExpiresAt.IsZero() {
		g.Rows = append(g.Rows, row{Label: "Kept until", Value: date(c.ExpiresAt, c.Timezone)})
	}
	l.Groups = []group{g}
	switch {
	case !c.Attached && c.Link != "":
		l.Button = &link{"Download the report", c.Link}
	case s.appURL != "":
		l.Button = &link{"Open reports", s.appURL}
	}
	return l
}

// failures is why an export failed and what to do, by the class of its error, which pkg/reporting names.
var failures = map[string]string{
	"INVALID":       "What the schedule asks for cannot be made. Look at its settings.",
	"CREATOR_GONE":  "Whoever made the schedule may not export any more. An owner or admin takes it over by changing it.",
	"SCHEDULE_GONE": "The schedule was deleted before it ran.",
	"STORAGE":       "The report could not be stored. There is nothing for you to do; the next run tries again.",
	"TOO_LARGE":     "The file would be too large. Choose a shorter period.",
	"TIMEOUT":       "Making it took too long. Choose a shorter period or another format.",
	"INTERRUPTED":   "Making it was interrupted several times. The next run tries again.",
	"INTERNAL":      "We tried several times. If the next run fails as well, please write to us.",
}

// exportFailed tells that a run of a schedule has failed.
func (s *Set) exportFailed(c notifications.ExportFailed) letter {
	shop, title := sender(c.Business), reportTitle(c.Title)
	why, known := failures[c.Failure]
	if !known {
		why = failures["INTERNAL"]
	}
	l := letter{
		Subject: title + " of " + shop + " could not be made" + of(c.Period), Title: title + " could not be made", Greeting: greeting(c.Name), Preview: why,
		Paragraphs: []string{"The schedule " + quoted(c.Schedule) + " of " + shop + " ran, and its report could not be made. Nothing of the business's data was changed.", why},
		Reason:     "You get this mail because " + shop + " sends it to you by the schedule " + quoted(c.Schedule) + ".",
		Stop:       stop,
	}
	g := group{Title: "Run", Rows: []row{{Label: "Schedule", Value: called(c.Schedule, maxBusiness, "")}, {Label: "Error code", Value: plain(c.Failure, maxWord)}}}
	if !c.NextRun.IsZero() {
		g.Rows = append(g.Rows, row{Label: "Runs next", Value: moment(c.NextRun, c.Timezone)})
	}
	l.Groups = []group{g}
	if s.appURL != "" {
		l.Button = &link{"Open schedules", s.appURL}
	}
	return l
}

// exportSummary is a week of reports.
func (s *Set) exportSummary(c notifications.ExportSummary) letter {
	shop := sender(c.Business)
	l := letter{
		Subject: "Reports of " + shop + ", " + days(c.From, c.To), Title: "A week of reports", Greeting: greeting(c.Name),
		Preview:    counted(int(c.Successful), "report", "reports") + " made, " + counted(int(c.Failed), "failure", "failures") + ".",
		Paragraphs: []string{"The reports of " + shop + ", " + days(c.From, c.To) + "."},
		Groups: []group{{Title: "In all", Rows: []row{
			{Label: "Asked for", Value: number(c.Total)}, {Label: "Made", Value: number(c.Successful)}, {Label: "Failed", Value: number(c.Failed), Strong: c.Failed > 0},
			{Label: "Rows", Value: number(c.Records)}, {Label: "Size", Value: size(c.SizeBytes)},
		}}},
		Reason: "You get this mail because " + shop + " names you in the settings of its exports.",
		Stop:   stop,
	}
	if len(c.Kinds) > 1 {
		t := table{Title: "By report", Columns: []string{"Made", "Failed", "Rows", "Size"}}
		for _, k := range c.Kinds {
			t.Rows = append(t.Rows, tableRow{What: reportTitle(k.Title), Strong: k.Failed > 0, Cells: []string{number(k.Successful), number(k.Failed), number(k.Records), size(k.SizeBytes)}})
		}
		l.Tables = []table{t}
	}
	if c.Failed > 0 {
		l.Closing = []string{"The list of reports says why a report failed."}
	}
	if s.appURL != "" {
		l.Button = &link{"Open reports", s.appURL}
	}
	return l
}

// quoted is a business's own word in a sentence.
func quoted(text string) string { return "“" + called(text, maxBusiness, "a schedule") + "”" }
