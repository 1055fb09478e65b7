package assist

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// customers are the ids of the customers in some tables, each once, in the order in which they come.
func customers(tables []Table) (ids []string) {
	for _, t := range tables {
		for _, row := range t.Rows {
			for j, c := range t.Columns {
				if c.Kind == Customer && !slices.Contains(ids, row[j]) {
					ids = append(ids, row[j])
				}
			}
		}
	}
	return ids
}

// Customers are the customers that an answer is about.
func (a *Answer) Customers() (ids []uuid.UUID) {
	for _, text := range customers(a.Tables) {
		if id, err := uuid.Parse(text); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// numbered is a customer in a model's words.
var numbered = regexp.MustCompile(`(?i)\bcustomer ([0-9]{1,3})\b`)

// Named returns the answer with the names of customers in it, in words and tables, for whoever may know them. One without a name stays a number.
func (a *Answer) Named(names map[uuid.UUID]string) *Answer {
	known := customers(a.Tables)
	name := func(text string) string {
		if id, err := uuid.Parse(text); err == nil && names[id] != "" {
			return names[id]
		}
		return "customer " + strconv.Itoa(slices.Index(known, text)+1)
	}
	named := &Answer{Withheld: a.Withheld}
	named.Words = numbered.ReplaceAllStringFunc(a.Words, func(text string) string {
		n, err := strconv.Atoi(numbered.FindStringSubmatch(text)[1])
		if err != nil || n < 1 || n > len(known) {
			return text
		}
		return name(known[n-1])
	})
	for _, t := range a.Tables {
		rows := make([][]string, len(t.Rows))
		for i, row := range t.Rows {
			rows[i] = slices.Clone(row)
			for j, c := range t.Columns {
				if c.Kind == Customer {
					rows[i][j] = name(row[j])
				}
			}
		}
		t.Rows = rows
		named.Tables = append(named.Tables, t)
	}
	return named
}
