package fake

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"makola/pkg/money"
)

// paramError is a parameter that Stripe refuses.
type paramError struct{ code, param, message string }

// Error implements error.
func (e *paramError) Error() string { return e.message }

func badParam(param, message string) error {
	return &paramError{code: "parameter_invalid", param: param, message: message}
}

func unknownParam(param string) error {
	return &paramError{code: "parameter_unknown", param: param, message: fmt.Sprintf("Received unknown parameter: %.100s", param)}
}

func missingParam(param string) error {
	return &paramError{code: "parameter_missing", param: param, message: "Missing required param: " + param + "."}
}

// expansion is the list of properties that are to be shown whole.
type expansion []string

// inside returns what is to be expanded in the property of that name.
func (e expansion) inside(name string) (out expansion) {
	for _, path := range e {
		if rest, ok := strings.CutPrefix(path, name+"."); ok {
			out = append(out, rest)
		}
	}
	return out
}

// check refuses properties that cannot be expanded here.
func (e expansion) check(possible ...string) error {
	for _, path := range e {
		if first, _, _ := strings.Cut(path, "."); !slices.Contains(possible, first) {
			return &paramError{param: "expand", message: fmt.Sprintf("This property cannot be expanded (%.100s).", path)}
		}
	}
	return nil
}

// has reports whether the property or something inside it is to be expanded.
func (e expansion) has(name string) bool {
	return slices.ContainsFunc(e, func(path string) bool { first, _, _ := strings.Cut(path, "."); return first == name })
}

// splitKey reads a[b][c] as a, b, c.
func splitKey(key string) ([]string, error) {
	head, rest, nested := strings.Cut(key, "[")
	path := []string{head}
	if !nested {
		return path, nil
	}
	if !strings.HasSuffix(rest, "]") {
		return nil, unknownParam(key)
	}
	return append(path, strings.Split(strings.TrimSuffix(rest, "]"), "][")...), nil
}

// parameter is one name and value of a form or query.
type parameter struct {
	path  []string
	value string
}

// parameters reads a form strictly, sorted by name so that of several faults the same one is reported.
func parameters(form url.Values) (out []parameter, err error) {
	for key, values := range form {
		path, err := splitKey(key)
		if err != nil {
			return nil, err
		}
		if len(values) != 1 && path[len(path)-1] != "" { // expand[]=a&expand[]=b repeats itself.
			return nil, badParam(key, "Parameter was given more than once")
		}
		for _, value := range values {
			out = append(out, parameter{path, value})
		}
	}
	slices.SortFunc(out, func(a, b parameter) int { return slices.Compare(a.path, b.path) })
	return out, nil
}

// form reads the body as Stripe's clients encode it.
func form(r *http.Request) ([]parameter, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errors.New("Content-Type must be application/x-www-form-urlencoded")
	}
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("body cannot be read as a form: %w", err)
	}
	return parameters(r.PostForm)
}

// metadata collects metadata[key]=value.
type metadata map[string]string

func (m metadata) raw() json.RawMessage {
	raw, err := json.Marshal(map[string]string(m))
	if err != nil || m == nil {
		return json.RawMessage("{}") // Cannot fail for text.
	}
	return raw
}

func (m *metadata) put(key, value string) {
	if *m == nil {
		*m = metadata{}
	}
	(*m)[key] = value
}

// sessionRequest is what POST /checkout/sessions asks for.
type sessionRequest struct {
	mode, successURL, cancelURL, reference, email string
	metadata, paymentMetadata                     json.RawMessage
	amount                                        money.Amount
	expiresAt                                     time.Time
	expand                                        expansion
}

// sessionIgnored are parameters of Stripe's that are accepted and have no effect here.
var sessionIgnored = []string{
	"adaptive_pricing", "allow_promotion_codes", "automatic_tax", "billing_address_collection", "branding_settings", "consent_collection", "currency",
	"custom_text", "customer_creation", "integration_identifier", "invoice_creation", "locale", "name_collection", "origin_context",
	"payment_method_configuration", "payment_method_options", "payment_method_types", "phone_number_collection", "submit_type", "ui_mode",
}

func readSession(r *http.Request, now time.Time) (in sessionRequest, err error) {
	params, err := form(r)
	if err != nil {
		return in, err
	}
	var meta, paymentMeta metadata
	lines := map[string]*lineItem{}
	for _, p := range params {
		name := p.path[0]
		switch text := map[string]*string{
			"mode": &in.mode, "success_url": &in.successURL, "cancel_url": &in.cancelURL, "client_reference_id": &in.reference, "customer_email": &in.email,
		}[name]; {
		case text != nil && len(p.path) == 1:
			*text = p.value
		case name == "metadata" && len(p.path) == 2:
			meta.put(p.path[1], p.value)
		case name == "payment_intent_data" && len(p.path) == 3 && p.path[1] == "metadata":
			paymentMeta.put(p.path[2], p.value)
		case name == "payment_intent_data" && len(p.path) == 2 && slices.Contains([]string{"description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix"}, p.path[1]):
		case name == "line_items" && len(p.path) >= 3:
			if lines[p.path[1]] == nil {
				lines[p.path[1]] = &lineItem{}
			}
			err = lines[p.path[1]].set(p)
		case name == "expires_at" && len(p.path) == 1:
			in.expiresAt, err = expiry(p.value, now)
		case name == "expand" && len(p.path) == 2:
			in.expand = append(in.expand, p.value)
		case slices.Contains(sessionIgnored, name):
		default:
			err = unknownParam(p.name())
		}
		if err != nil {
			return in, err
		}
	}
	in.metadata, in.paymentMetadata = meta.raw(), paymentMeta.raw()
	if err := in.check(); err != nil {
		return in, err
	}
	in.amount, err = total(lines)
	return in, err
}

func (p parameter) name() string {
	name := p.path[0]
	for _, part := range p.path[1:] {
		name += "[" + part + "]"
	}
	return name
}

func (in *sessionRequest) check() error {
	switch {
	case in.mode == "":
		return missingParam("mode")
	case in.mode != "payment":
		return badParam("mode", "the simulator takes mode=payment only")
	case in.successURL == "":
		return missingParam("success_url")
	case !webURL(in.successURL):
		return &paramError{code: "url_invalid", param: "success_url", message: "Not a valid URL"}
	case in.cancelURL != "" && !webURL(in.cancelURL):
		return &paramError{code: "url_invalid", param: "cancel_url", message: "Not a valid URL"}
	case in.email != "" && !strings.Contains(in.email, "@"):
		return &paramError{code: "email_invalid", param: "customer_email", message: "Invalid email address"}
	case len(in.reference) > maxReference:
		return badParam("client_reference_id", fmt.Sprintf("At most %d characters", maxReference))
	}
	return in.expand.check("payment_intent")
}

// expiry reads expires_at. Stripe wants it between half an hour and a day from now.
func expiry(text string, now time.Time) (time.Time, error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	at := time.Unix(seconds, 0).UTC()
	if err != nil || at.Before(now.Add(30*time.Minute-time.Second)) || at.After(now.Add(24*time.Hour+time.Second)) {
		return time.Time{}, badParam("expires_at", "The timestamp must be between 30 minutes and 24 hours from now")
	}
	return at, nil
}

// lineItem is one line_items[n].
type lineItem struct{ currency, unitAmount, quantity, product string }

func (l *lineItem) set(p parameter) error {
	switch rest := strings.Join(p.path[2:], "."); {
	case rest == "price_data.currency":
		l.currency = p.value
	case rest == "price_data.unit_amount":
		l.unitAmount = p.value
	case rest == "price_data.product_data.name":
		l.product = p.value
	case rest == "quantity":
		l.quantity = p.value
	case strings.HasPrefix(rest, "price_data.product_data.description"), strings.HasPrefix(rest, "price_data.product_data.metadata."),
		strings.HasPrefix(rest, "price_data.product_data.images."), rest == "price_data.tax_behavior":
	default:
		return unknownParam(p.name())
	}
	return nil
}

// Limits of a line: eight digits is Stripe's own.
const (
	maxUnitAmount = 99_999_999
	maxQuantity   = 999_999
)

// total adds the lines up, exactly.
func total(lines map[string]*lineItem) (sum money.Amount, err error) {
	if len(lines) == 0 {
		return sum, missingParam("line_items")
	}
	for index, l := range lines {
		param := "line_items[" + index + "]"
		currency := money.Currency(strings.ToUpper(l.currency))
		switch {
		case l.currency != strings.ToLower(l.currency) || !currency.Known():
			return sum, badParam(param+"[price_data][currency]", "Invalid currency")
		case l.product == "":
			return sum, missingParam(param + "[price_data][product_data][name]")
		case sum.Currency != "" && sum.Currency != currency:
			return sum, badParam(param+"[price_data][currency]", "All lines must have the same currency")
		}
		unit, err := strconv.ParseInt(l.unitAmount, 10, 64)
		if err != nil || unit < 0 || unit > maxUnitAmount {
			return sum, &paramError{code: "parameter_invalid_integer", param: param + "[price_data][unit_amount]", message: "Invalid non-negative integer"}
		}
		quantity, err := strconv.ParseInt(l.quantity, 10, 64)
		if err != nil || quantity < 1 || quantity > maxQuantity {
			return sum, &paramError{code: "parameter_invalid_integer", param: param + "[quantity]", message: "Invalid positive integer"}
		}
		sum.Currency = currency
		if sum, err = sum.Add(money.FromMinor(unit*quantity, currency)); err != nil { // 10^8 times 10^6 fits.
			return sum, badParam(param, "The total is too large")
		}
	}
	if !sum.Positive() || sum.Minor > maxUnitAmount {
		return sum, &paramError{code: "amount_too_large", param: "line_items", message: "The total must be positive and have at most eight digits"}
	}
	return sum, nil
}

// refundRequest is what POST /refunds asks for.
type refundRequest struct {
	paymentIntent, charge, amount, reason string
	metadata                              json.RawMessage
}

func readRefund(r *http.Request) (in refundRequest, err error) {
	params, err := form(r)
	if err != nil {
		return in, err
	}
	var meta metadata
	for _, p := range params {
		switch text := map[string]*string{
			"payment_intent": &in.paymentIntent, "charge": &in.charge, "amount": &in.amount, "reason": &in.reason,
		}[p.path[0]]; {
		case text != nil && len(p.path) == 1:
			*text = p.value
		case p.path[0] == "metadata" && len(p.path) == 2:
			meta.put(p.path[1], p.value)
		default:
			return in, unknownParam(p.name())
		}
	}
	in.metadata = meta.raw()
	switch {
	case (in.paymentIntent == "") == (in.charge == ""):
		return in, &paramError{code: "parameter_missing", param: "payment_intent", message: "One of payment_intent and charge is required."}
	case !slices.Contains([]string{"", "duplicate", "fraudulent", "requested_by_customer"}, in.reason):
		return in, badParam("reason", "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer")
	}
	return in, nil
}

// query is what a GET asks for.
type query struct {
	expand                      expansion
	limit                       int
	startingAfter, endingBefore string
	filters                     map[string]string
	bounds                      []func(time.Time) bool // Of created.
}

// is reports whether the filter is absent or equals value.
func (q query) is(filter, value string) bool {
	want, filtered := q.filters[filter]
	return !filtered || want == value
}

// created reports whether a time lies in the asked interval.
func (q query) created(at time.Time) bool {
	return !slices.ContainsFunc(q.bounds, func(within func(time.Time) bool) bool { return !within(at) })
}

// readQuery takes the named parameters and no others. "list" stands for limit, starting_after, ending_before and created.
func readQuery(values url.Values, allowed ...string) (query, error) {
	q := query{limit: 10, filters: map[string]string{}}
	params, err := parameters(values)
	if err != nil {
		return q, err
	}
	lists := slices.Contains(allowed, "list")
	for _, p := range params {
		switch name := p.path[0]; {
		case name == "expand" && len(p.path) == 2 && slices.Contains(allowed, "expand"):
			q.expand = append(q.expand, p.value)
		case lists && p.name() == "limit":
			if q.limit, err = strconv.Atoi(p.value); err != nil || q.limit < 1 || q.limit > 100 {
				return q, &paramError{code: "parameter_invalid_integer", param: "limit", message: "limit must be 1 to 100"}
			}
		case lists && p.name() == "starting_after":
			q.startingAfter = p.value
		case lists && p.name() == "ending_before":
			q.endingBefore = p.value
		case lists && name == "created":
			if err := q.bound(p); err != nil {
				return q, err
			}
		case name != "expand" && name != "list" && slices.Contains(allowed, name):
			q.filters[p.name()] = p.value
		default:
			return q, unknownParam(p.name())
		}
	}
	if q.startingAfter != "" && q.endingBefore != "" {
		return q, badParam("ending_before", "You can only use one of starting_after and ending_before")
	}
	return q, nil
}

// bound reads created=… and created[gte]=….
func (q *query) bound(p parameter) error {
	seconds, err := strconv.ParseInt(p.value, 10, 64)
	if err != nil {
		return &paramError{code: "parameter_invalid_integer", param: p.name(), message: "Invalid timestamp"}
	}
	within := map[string]func(time.Time) bool{
		"created":      func(at time.Time) bool { return at.Unix() == seconds },
		"created[gt]":  func(at time.Time) bool { return at.Unix() > seconds },
		"created[gte]": func(at time.Time) bool { return at.Unix() >= seconds },
		"created[lt]":  func(at time.Time) bool { return at.Unix() < seconds },
		"created[lte]": func(at time.Time) bool { return at.Unix() <= seconds },
	}[p.name()]
	if within == nil {
		return unknownParam(p.name())
	}
	q.bounds = append(q.bounds, within)
	return nil
}
