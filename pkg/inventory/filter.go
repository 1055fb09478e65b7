package inventory

import (
	"strconv"
	"strings"
)

// filter collects the conditions of a query with their arguments. Only what is asked for is in the query, so that each combination has its own plan.
type filter struct {
	where strings.Builder
	args  []any
}

// arg adds an argument and returns its name in the query.
func (f *filter) arg(v any) string {
	f.args = append(f.args, v)
	return "$" + strconv.Itoa(len(f.args))
}

// and adds a condition; each ? in it is the argument.
func (f *filter) and(condition string, v any) {
	f.where.WriteString(" and " + strings.ReplaceAll(condition, "?", f.arg(v)))
}
