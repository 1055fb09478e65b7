package assist

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"makola/pkg/chat"
)

// Figure is one thing that a question may be answered from.
type Figure struct {
	Name string
	// About says what it is, to the model and to people.
	About string
	// Permissions are what somebody must have, all of them, to see it.
	Permissions []string
	// parameters are what the model chooses.
	parameters func(s *Shop) object
	read       func(tx *gorm.DB, s *Shop, a choice) (Table, error)
}

// The permissions that figures ask for, by the names that accounts gives them.
const (
	viewFinancialData = "can_view_financial_data"
	viewInventory     = "can_view_inventory"
	viewCustomers     = "can_view_customers"
)

// Figures are all there are. The caller owns the slice.
func Figures() []Figure {
	return []Figure{salesTotals, topProducts, stockValue, lowStock, receivables, customersOwing}
}

// FiguresFor are the names of those that somebody with these permissions may see.
func FiguresFor(may func(permission string) bool) (names []string) {
	for _, f := range Figures() {
		if f.visible(may) {
			names = append(names, f.Name)
		}
	}
	return names
}

func (f Figure) visible(may func(permission string) bool) bool {
	return !slices.ContainsFunc(f.Permissions, func(p string) bool { return !may(p) })
}

// Visible reports whether somebody with these permissions may see every figure of an answer.
func (a *Answer) Visible(may func(permission string) bool) bool {
	seen := FiguresFor(may)
	return !slices.ContainsFunc(a.Tables, func(t Table) bool { return !slices.Contains(seen, t.Figure) })
}

// Covers reports whether somebody who sees s may see what is of other.
func (s Scope) Covers(other Scope) bool {
	if s.All {
		return true
	}
	if other.All {
		return false
	}
	for _, id := range other.IDs {
		if !slices.Contains(s.IDs, id) {
			return false
		}
	}
	return true
}

// object is the schema of a function's arguments, in the form that strict endpoints ask for: every member is required, and no other is taken.
type object map[string]any

func (o object) schema() json.RawMessage {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	raw, _ := json.Marshal(map[string]any{"type": "object", "properties": map[string]any(o), "required": names, "additionalProperties": false}) //nolint:errchkjson // texts and numbers
	return raw
}

func oneOf(about string, values ...string) map[string]any {
	return map[string]any{"type": "string", "enum": values, "description": about}
}

// inPeriod are the arguments that choose days, and where the shop has several storefronts one of them.
func (s *Shop) inPeriod() object {
	date := map[string]any{"type": []string{"string", "null"}, "description": "YYYY-MM-DD, for the period custom alone."}
	return object{"period": oneOf("Which days. They end today at the latest.", periods...), "from": date, "to": date, "storefront": s.storefront()}
}

func (s *Shop) storefront() map[string]any {
	keys := []string{everywhere}
	for _, p := range s.places {
		keys = append(keys, p.key)
	}
	return oneOf("Key of one storefront, or all.", keys...)
}

func limit() map[string]any {
	return map[string]any{"type": "integer", "minimum": 1, "maximum": maxRows, "description": fmt.Sprintf("How many rows, 1 to %d.", maxRows)}
}

// maxRows is the most rows of a table. It fits a screen, and a model copies that many without losing the thread.
const maxRows = 20

// choice is a model's arguments after they were checked. Members that a figure does not have are zero.
type choice struct {
	days       span
	storefront string
	group, by  string
	limit      int
	overdue    bool
}

// tool offers the figure.
func (f Figure) tool(s *Shop) chat.Tool {
	return chat.Tool{Name: f.Name, Description: f.About, Parameters: f.parameters(s).schema()}
}

// check reads a model's arguments: JSON that has exactly the members of the schema, each once, with values that the schema allows.
func (f Figure) check(s *Shop, arguments string) (c choice, err error) {
	want := f.parameters(s)
	got, err := members(arguments)
	if err != nil {
		return c, err
	}
	for name := range got {
		if want[name] == nil {
			return c, fmt.Errorf("%s has no such argument", f.Name)
		}
	}
	texts := map[string]*string{}
	for name, schema := range want {
		raw, ok := got[name]
		if !ok {
			return c, fmt.Errorf("%s lacks %s", f.Name, name)
		}
		spec, _ := schema.(map[string]any)
		if err := c.take(name, spec, raw, texts); err != nil {
			return c, fmt.Errorf("%s of %s: %w", name, f.Name, err)
		}
	}
	if text := texts["period"]; text != nil {
		c.days, err = readPeriod(*text, texts["from"], texts["to"], s.today)
	}
	return c, err
}

// take reads one argument.
func (c *choice) take(name string, spec map[string]any, raw json.RawMessage, texts map[string]*string) error {
	switch spec["type"] {
	case "integer":
		n, err := smallNumber(raw)
		if err != nil {
			return err
		}
		if n < 1 || n > maxRows {
			return fmt.Errorf("is %d", n)
		}
		c.limit = n
		return nil
	case "boolean":
		if text := string(raw); text != "true" && text != "false" {
			return fmt.Errorf("is neither true nor false")
		}
		c.overdue = string(raw) == "true"
		return nil
	}
	var text *string
	if len(raw) == 0 || raw[0] != '"' && string(raw) != "null" || json.Unmarshal(raw, &text) != nil {
		return fmt.Errorf("is no text")
	}
	allowed, closed := spec["enum"].([]string)
	if closed && (text == nil || !slices.Contains(allowed, *text)) {
		return fmt.Errorf("is not one of %s", strings.Join(allowed, ", "))
	}
	if texts[name] = text; text == nil {
		return nil
	}
	switch name {
	case "storefront":
		c.storefront = *text
	case "group_by":
		c.group = *text
	case "order_by":
		c.by = *text
	}
	return nil
}

// members splits a JSON object. Unlike encoding/json it refuses a member that is there twice.
func members(text string) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("arguments are no object")
	}
	all := map[string]json.RawMessage{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("arguments are no JSON")
		}
		key, _ := name.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("arguments are no JSON")
		}
		if _, twice := all[key]; twice {
			return nil, fmt.Errorf("an argument is there twice")
		}
		all[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("arguments are no JSON")
	}
	if dec.More() {
		return nil, fmt.Errorf("arguments are more than one object")
	}
	return all, nil
}

// smallNumber reads a whole number of at most three digits, written plainly: no text, no fraction, no exponent.
func smallNumber(raw json.RawMessage) (n int, err error) {
	if len(raw) == 0 || len(raw) > 3 || strings.Trim(string(raw), "0123456789") != "" {
		return 0, fmt.Errorf("is no small whole number")
	}
	for _, digit := range raw {
		n = n*10 + int(digit-'0')
	}
	return n, nil
}

// date writes a day of the business.
func date(t time.Time) string { return t.Format(time.DateOnly) }
