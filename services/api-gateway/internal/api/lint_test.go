package api

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"makola/pkg/notifications"
	spec "makola/services/api-gateway/api"
)

// notDescribed are the routes that are no operations: pages, and the further addresses of webhooks, which the description names in words.
var notDescribed = map[string]bool{
	"GET /": true, "GET /docs": true, "GET /openapi.yaml": true, "GET /openapi.json": true,
	"POST /api/webhooks/paystack/": true, "POST /api/v1/webhooks/paystack": true, "POST /ai/api/webhooks/paystack/": true,
	"POST /subscriptions/api/webhooks/paystack/": true, "POST /subscriptions/api/webhooks/payment/": true,
	"POST /api/webhooks/flutterwave/": true, "POST /api/v1/webhooks/flutterwave": true, "POST /api/webhooks/stripe/": true, "POST /api/v1/webhooks/stripe": true,
}

// raw are the operations whose bytes a provider signs: they are described for people, and their bodies are checked by nothing but the signature.
var raw = map[string]bool{"PaystackWebhook": true, "FlutterwaveWebhook": true, "StripeWebhook": true}

// files are the operations whose body is a file, which goes to the disk as it comes.
var files = map[string]bool{"CreateImport": true}

// notOnce are the operations by POST that honour no Idempotency-Key, with the reason. A new one is either here or has x-idempotency.
var notOnce = map[string]string{
	"Register":           "nobody is signed in whose key it could be; the e-mail address is unique, so it happens once",
	"Login":              "moves nothing; each session is its own",
	"Refresh":            "each token works once, with ten seconds' grace for a repetition",
	"Logout":             "doing it twice is doing it once",
	"PaystackWebhook":    "the event's own key is unique",
	"FlutterwaveWebhook": "the event's own key is unique",
	"StripeWebhook":      "the event's own key is unique",

	"VerifyEmail":            "each link works once",
	"ResendVerification":     "nothing happens but a mail, and that is limited",
	"RequestPasswordReset":   "nobody is signed in whose key it could be, and it is limited",
	"ConfirmPasswordReset":   "each link works once",
	"ChangePassword":         "the old password is wrong the second time",
	"OpenBusiness":           "a person has one business",
	"CancelSubscription":     "doing it twice is doing it once",
	"OpenSubscription":       "a business has one subscription",
	"SuspendSubscription":    "doing it twice is doing it once",
	"ActivateSubscription":   "doing it twice is doing it once",
	"SetPricingTier":         "whoever decides it has no business whose key it could be; the same tier again is the same list",
	"SetServiceCharge":       "a charge of one code begins on a day once",
	"SetTax":                 "a tax of one code begins on a day once",
	"ReactivateSubscription": "doing it twice is doing it once",
	"RevokeInvitation":       "doing it twice is doing it once",
	"AcceptInvitation":       "each link works once",

	"CreateImport":          "a file is not kept in memory to be compared; the same file for the same purpose while the first is under way is the first",
	"AbandonSale":           "doing it twice is doing it once",
	"ResetSettings":         "doing it twice is doing it once",
	"ReadNotification":      "doing it twice is doing it once",
	"ReadAllNotifications":  "doing it twice is doing it once",
	"DismissNotification":   "doing it twice is doing it once",
	"OpenWarehouse":         "moves nothing, and a name is there once",
	"OpenStorefront":        "moves nothing, and a name is there once",
	"AddCategory":           "moves nothing, and a name is there once",
	"AcknowledgeStockAlert": "doing it twice is doing it once",
	"SnoozeStockAlert":      "the last word counts",
	"AddSupplier":           "moves nothing, and a name is there once",
	"AddProduct":            "moves nothing, and a SKU is there once",

	"AddExportSchedule":        "moves nothing, and a name is there once",
	"PreviewExportSchedule":    "changes nothing",
	"ActivateExportSchedule":   "doing it twice is doing it once",
	"DeactivateExportSchedule": "doing it twice is doing it once",
	"PauseSchedule":            "a paused job is not paused again; and platform staff may have no business that a key could belong to",
	"ResumeSchedule":           "a job that is not paused is not resumed again",
	"RunSchedule":              "has a key of its own in the body, which makes the run happen once",
	"CreateWebhookEndpoint":    "moves nothing; its answer holds a secret, and answers are kept",
	"RotateWebhookSecret":      "its answer holds a secret, and answers are kept; whoever asks twice has the second, and the first beside it",
}

// notPolled are the operations that begin something whose end is not shown at any address, with the reason.
var notPolled = map[string]string{"ResendVerification": "its end is a mail; whoever asks may have no business yet, and so sees no tasks"}

func description(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := spec.Load()
	require.NoError(t, err)
	return doc
}

func operations(t *testing.T, see func(t *testing.T, method, path string, op *openapi3.Operation)) {
	t.Helper()
	for path, item := range description(t).Paths.Map() {
		for method, op := range item.Operations() {
			see(t, method, path, op)
		}
	}
}

func TestEveryRouteIsAnOperationAndEveryOperationARoute(t *testing.T) {
	t.Parallel()
	nothing := func(*gin.Context) {}
	r, err := newEngine(&Server{}, Options{Webhooks: map[string]gin.HandlerFunc{"paystack": nothing, "flutterwave": nothing, "stripe": nothing}, SignInPerMinute: 1, RequestsPerSecond: 1})
	require.NoError(t, err)
	var routes, described []string
	for _, route := range r.Routes() {
		name := route.Method + " " + regexp.MustCompile(`:([a-zA-Z_]+)`).ReplaceAllString(route.Path, "{$1}")
		if !notDescribed[name] && !strings.HasPrefix(name, "GET /docs/") {
			routes = append(routes, name)
		}
	}
	operations(t, func(_ *testing.T, method, path string, _ *openapi3.Operation) {
		described = append(described, method+" "+path)
	})
	require.ElementsMatch(t, described, routes)
}

func TestEveryOperationIsDescribedInFull(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	operations(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		t.Helper()
		at := method + " " + path
		require.Regexp(t, `^[A-Z][A-Za-z]+$`, op.OperationID, at)
		require.False(t, seen[op.OperationID], "%s: operationId %s is used twice", at, op.OperationID)
		seen[op.OperationID] = true
		require.NotEmpty(t, op.Extensions["x-permission"], "%s: who may ask for it?", at)
		require.NotEmpty(t, op.Summary, at)
		require.Len(t, op.Tags, 1, at)
		if accepted := op.Responses.Value("202"); accepted != nil && notPolled[op.OperationID] == "" {
			for _, name := range []string{"Location", "Retry-After"} {
				require.NotNil(t, accepted.Value.Headers[name], "%s 202: where, and from when on, is what becomes of it to be seen? (%s)", at, name)
			}
		}
		good := 0
		for status, ref := range op.Responses.Map() {
			require.NotEmpty(t, *ref.Value.Description, "%s %s", at, status)
			switch {
			case status == "default" || status >= "400":
				require.Equal(t, []string{"application/problem+json"}, slices.Collect(maps.Keys(ref.Value.Content)), "%s %s: errors are problems", at, status)
			case status < "300":
				good++
				require.LessOrEqual(t, len(ref.Value.Content), 1, "%s %s", at, status)
			}
		}
		require.Positive(t, good, "%s: no answer for when it works", at)
		require.NotNil(t, op.Responses.Default(), "%s: no answer for what nobody foresaw", at)
		if body := op.RequestBody; body != nil && !raw[op.OperationID] && !files[op.OperationID] {
			require.True(t, body.Value.Required, at)
			refusesUnknown(t, at, body.Value.Content.Get("application/json").Schema)
		}
		for _, p := range op.Parameters {
			require.NotEmpty(t, p.Value.Description, "%s: parameter %s", at, p.Value.Name)
			if s := p.Value.Schema.Value; s.Type.Is("string") && !raw[op.OperationID] {
				require.True(t, s.MaxLength != nil || s.Format != "" || len(s.Enum) > 0, "%s: parameter %s has no bound", at, p.Value.Name)
			}
		}
	})
}

// free are the objects in requests that are the client's own words, by description: they take any member, on purpose.
var free = []string{"What was asked, for the record. At most 8 KiB."}

// refusesUnknown walks a request's schema: an object that takes any member would swallow a misspelt one.
func refusesUnknown(t *testing.T, at string, ref *openapi3.SchemaRef) {
	t.Helper()
	s := ref.Value
	if s.Type.Is("object") && !slices.Contains(free, s.Description) {
		require.True(t, s.AdditionalProperties.Has != nil && !*s.AdditionalProperties.Has || s.AdditionalProperties.Schema != nil, "%s: %s takes unknown members", at, ref.Ref)
	}
	if s.Type.Is("string") {
		require.True(t, s.MaxLength != nil || len(s.Enum) > 0 || s.Format == "uuid" || s.Format == "date" || s.Format == "date-time", "%s: a text without a bound (%v)", at, s.Description)
	}
	if s.Type.Is("array") {
		require.NotNil(t, s.MaxItems, "%s: a list without a bound", at)
		refusesUnknown(t, at, s.Items)
	}
	for _, p := range s.Properties {
		refusesUnknown(t, at, p)
	}
}

func TestEveryPostIsDoneOnceOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	operations(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		t.Helper()
		at := method + " " + path
		once, _ := op.Extensions["x-idempotency"].(bool)
		header := op.Parameters.GetByInAndName("header", "Idempotency-Key") != nil
		require.Equal(t, once, header, "%s: x-idempotency and the parameter Idempotency-Key go together", at)
		if once {
			require.NotContains(t, []any{"public", "person"}, op.Extensions["x-permission"], "%s: a key belongs to a person in a business", at)
		}
		if method != "POST" || once {
			return
		}
		require.NotEmpty(t, notOnce[op.OperationID], "%s: add x-idempotency, or a reason to notOnce", at)
		used[op.OperationID] = true
	})
	require.Len(t, used, len(notOnce), "notOnce names operations that are gone")
}

// Every address but a provider's is limited, so every operation may answer 429, and with the headers that tell when to come back. That they are sent as described is seen
// wherever a test is refused, for every answer of every test is compared with the description.
func TestEveryOperationSaysThatItIsLimited(t *testing.T) {
	t.Parallel()
	limited := description(t).Components.Responses["TooManyRequests"].Value
	require.ElementsMatch(t, []string{"RateLimit", "RateLimit-Policy", "Retry-After"}, slices.Collect(maps.Keys(limited.Headers)))
	for name, header := range limited.Headers {
		require.True(t, header.Value.Required, name)
	}
	operations(t, func(t *testing.T, method, path string, op *openapi3.Operation) {
		t.Helper()
		at := method + " " + path
		answer := op.Responses.Value("429")
		if raw[op.OperationID] {
			require.Nil(t, answer, "%s: a provider is never limited", at)
			return
		}
		require.NotNil(t, answer, "%s: it is limited", at)
		require.Equal(t, "#/components/responses/TooManyRequests", answer.Ref, at)
	})
	names := regexp.MustCompile(`\(([a-z|-]+)\)`)
	l := newLimits(Options{})
	all := []string{"address", l.signIn.Name, l.person.Name, l.account.Name, l.tenant.Name}
	for _, header := range []string{"RateLimit", "RateLimit-Policy"} {
		require.ElementsMatch(t, all, strings.Split(names.FindStringSubmatch(limited.Headers[header].Value.Schema.Value.Pattern)[1], "|"), header)
	}
}

func TestEveryKindOfNoticeIsDescribed(t *testing.T) {
	t.Parallel()
	var kinds, priorities []any
	for _, k := range notifications.Kinds() {
		kinds = append(kinds, string(k))
	}
	for _, p := range notifications.Priorities() {
		priorities = append(priorities, string(p))
	}
	schemas := description(t).Components.Schemas
	require.ElementsMatch(t, kinds, schemas["NoticeKind"].Value.Enum)
	require.Equal(t, priorities, schemas["NoticePriority"].Value.Enum)
}

func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	doc := description(t)
	require.NoError(t, doc.Validate(t.Context()))
	examples := 0
	var see func(at string, ref *openapi3.SchemaRef)
	see = func(at string, ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil {
			return
		}
		all := ref.Value.Examples
		if ref.Value.Example != nil {
			all = append(all, ref.Value.Example)
		}
		for _, example := range all {
			examples++
			require.NoError(t, ref.Value.VisitJSON(example, openapi3.EnableJSONSchema2020()), at)
		}
		for name, p := range ref.Value.Properties {
			if p.Ref == "" {
				see(at+"/"+name, p)
			}
		}
		if ref.Value.Items != nil && ref.Value.Items.Ref == "" {
			see(at+"/items", ref.Value.Items)
		}
	}
	for name, ref := range doc.Components.Schemas {
		see(name, ref)
	}
	operations(t, func(_ *testing.T, method, path string, op *openapi3.Operation) {
		for _, p := range op.Parameters {
			see(method+" "+path+" "+p.Value.Name, p.Value.Schema)
		}
	})
	require.Positive(t, examples)
}
