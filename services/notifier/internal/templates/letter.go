package templates

import (
	"strings"
	"unicode/utf8"
)

// letter is one mail as the layouts set it, from top to bottom. Empty parts are left out.
type letter struct {
	Subject string
	// Preview is what an inbox shows beside the subject.
	Preview string
	Title   string
	// Greeting is the line above the paragraphs.
	Greeting   string
	Paragraphs []string
	Steps      []step
	Groups     []group
	Tables     []table
	// Closing stands below the groups.
	Closing []string
	Button  *link
	// Reason says why the recipient gets this mail; every mail has one.
	Reason string
	// Unsubscribe is where the reader turns off mails of this kind; empty when they cannot be.
	Unsubscribe string
	// Stop is what the reader does there, in words; empty words are ours.
	Stop string
}

// step is one thing to do next.
type step struct{ What, Why string }

// group is a small table with a heading.
type group struct {
	Title string
	Rows  []row
}

// Width is the width of the first column in the text part: its longest label, within reason, and two spaces.
func (g group) Width() int {
	width := 0
	for _, r := range g.Rows {
		width = max(width, utf8.RuneCountInString(r.Label))
	}
	return min(width, maxLabel) + 2
}

// row is one line of a group. Strong marks a total.
type row struct {
	Label, Value string
	Strong       bool
}

// table has rows of figures, each with its name on a line of its own above them, so that it fits a telephone. The text part prints one paragraph per row,
// because columns do not survive a mail program's narrow window and proportional font.
type table struct {
	Title   string
	Columns []string
	Rows    []tableRow
}

// tableRow is a row of a table: What with Note in small beside it, and a cell for each column. Strong marks what cannot wait.
type tableRow struct {
	What, Note string
	Cells      []string
	Strong     bool
}

// Figures are a row's cells with the names of their columns, for the text part; empty ones are left out.
func (t table) Figures(r tableRow) string {
	var parts []string
	for i, c := range r.Cells {
		if c != "" {
			parts = append(parts, strings.ToLower(t.Columns[i])+": "+c)
		}
	}
	return strings.Join(parts, ", ")
}

type link struct{ Label, URL string }
