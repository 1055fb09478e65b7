package notifications

// ActivitySummary tells an owner what the people of their business did in a week.
type ActivitySummary struct {
	// Name is what the owner is called, Business the business whose people they are.
	Name     string `json:"name"`
	Business string `json:"business"`
	// From and To are the first and the last day of the week, YYYY-MM-DD, of the business's time zone.
	From string `json:"from"`
	To   string `json:"to"`
	// Logins and Logouts are how often somebody signed in and out, People how many different people did something, Actions all that was written down.
	Logins  int64 `json:"logins"`
	Logouts int64 `json:"logouts"`
	People  int64 `json:"people"`
	Actions int64 `json:"actions"`
	// MostActive are the people who did most, who did most first.
	MostActive []ActivePerson `json:"most_active,omitempty"`
	// ByAction are the most frequent kinds of actions, the most frequent first; OtherActions is how many there were of other kinds.
	ByAction     []ActionCount `json:"by_action,omitempty"`
	OtherActions int64         `json:"other_actions,omitempty"`
}

// ActivePerson is what one person did.
type ActivePerson struct {
	Name    string `json:"name"`
	Logins  int64  `json:"logins"`
	Actions int64  `json:"actions"`
}

// ActionCount is how often something was done. Action is as the audit log has it: LOGIN, stock.released.
type ActionCount struct {
	Action string `json:"action"`
	Count  int64  `json:"count"`
}

// Template returns "activity_summary".
func (ActivitySummary) Template() string { return "activity_summary" }
