package templates

import "unicode/utf8"

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
	// Closing stands below the groups.
	Closing []string
	Button  *link
	// Reason says why the recipient gets this mail; every mail has one.
	Reason string
	// Unsubscribe is where the reader turns off mails of this kind; empty when they cannot be.
	Unsubscribe string
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

type link struct{ Label, URL string }
