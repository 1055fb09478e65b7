package problem

import "time"

// Error is a failure that knows its answer. Make it with New; treat it as read-only. It is compared by identity, so each New is its own sentinel.
type Error struct {
	// Kind decides the HTTP status.
	Kind Kind
	// Code is what programs branch on: snake_case, stable, never reused for something else.
	Code string
	// Detail is for people: one sentence or two, free of secrets, personal data and SQL. It is shown to the client.
	Detail string
	// Fields names the values at fault; empty when it is not about single values.
	Fields []FieldError
	// RetryAfter is when to try again; zero says nothing.
	RetryAfter time.Duration
}

// FieldError is one value at fault.
type FieldError struct {
	// Pointer is the JSON pointer (RFC 6901) into the body, such as "/items/0/quantity". Empty for a parameter.
	Pointer string `json:"pointer,omitempty"`
	// Field is the parameter's name, such as "limit", or the body field's last name.
	Field string `json:"field,omitempty"`
	// Code is what programs branch on: "required", "too_long", "unknown".
	Code string `json:"code"`
	// Message is for people.
	Message string `json:"message"`
	// Values are the facts behind it that a program may want, such as how many are available. Nil when there are none.
	Values map[string]any `json:"values,omitempty"`
}

// New makes an Error. An empty code or detail is replaced by the kind's general one.
func New(kind Kind, code, detail string, fields ...FieldError) error {
	return &Error{Kind: kind, Code: code, Detail: detail, Fields: fields}
}

// Later makes an Error that names the time after which to try again; for TooMany and Unavailable.
func Later(kind Kind, code, detail string, after time.Duration) error {
	return &Error{Kind: kind, Code: code, Detail: detail, RetryAfter: after}
}

// Error returns the code and the detail.
func (e *Error) Error() string {
	code := e.Code
	if code == "" {
		code = e.Kind.String()
	}
	if e.Detail == "" {
		return code
	}
	return code + ": " + e.Detail
}
