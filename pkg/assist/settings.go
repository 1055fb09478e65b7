package assist

import (
	"fmt"

	"makola/pkg/chat"
	"makola/pkg/money"
	"makola/pkg/service"
)

// Limits are what one business, and all of them, may ask of the model. Its zero value allows nothing.
type Limits struct {
	PerMinute     int64 `env:"AI_REQUESTS_PER_MINUTE" envDefault:"10" doc:"Questions and descriptions that one business may ask for within a minute."`
	PerHour       int64 `env:"AI_REQUESTS_PER_HOUR" envDefault:"100" doc:"The same within an hour."`
	PerDay        int64 `env:"AI_REQUESTS_PER_DAY" envDefault:"500" doc:"The same within 24 hours."`
	BusinessDay   int64 `env:"AI_GHS_PER_DAY" envDefault:"10" doc:"Most that the model may cost us for one business in a day (UTC), in GHS."`
	BusinessMonth int64 `env:"AI_GHS_PER_MONTH" envDefault:"200" doc:"The same in a month (UTC)."`
	PlatformMonth int64 `env:"AI_GHS_PER_MONTH_PLATFORM" envDefault:"10000" doc:"Most that the model may cost us for all businesses together in a month (UTC), in GHS."`
}

// Prices are what the model costs us: the gateway sets budgets aside by them, and billing-worker counts what was spent, so both must have the same. What customers pay is in
// billing.feature_price.
type Prices struct {
	Input  Price `env:"AI_PRICE_INPUT" envDefault:"5.00" doc:"What a million tokens of prompts cost us, in GHS with two decimals. The default is a guess and nobody's price: write what your contract and the rate of the day say. The limits in GHS are counted by it; 0.00 for a model that costs nothing by the call."`
	Output Price `env:"AI_PRICE_OUTPUT" envDefault:"20.00" doc:"What a million tokens of answers cost us, in GHS with two decimals. The default is a guess, as AI_PRICE_INPUT's is."`
}

// Price is GHS for a million tokens, in pesewas.
type Price int64

// UnmarshalText reads GHS with at most two decimals.
func (p *Price) UnmarshalText(text []byte) error {
	a, err := money.Parse(string(text), money.GHS)
	if err != nil || a.Minor < 0 || a.Minor > 100_000_00 {
		return fmt.Errorf("%.20q is no price in GHS", string(text))
	}
	*p = Price(a.Minor)
	return nil
}

// Validate checks the values that the types cannot.
func (l Limits) Validate() (faults []error) {
	for _, v := range []struct {
		variable string
		value    int64
	}{
		{"AI_REQUESTS_PER_MINUTE", l.PerMinute}, {"AI_REQUESTS_PER_HOUR", l.PerHour}, {"AI_REQUESTS_PER_DAY", l.PerDay},
		{"AI_GHS_PER_DAY", l.BusinessDay}, {"AI_GHS_PER_MONTH", l.BusinessMonth}, {"AI_GHS_PER_MONTH_PLATFORM", l.PlatformMonth},
	} {
		if v.value < 1 || v.value > 1_000_000_000 {
			faults = append(faults, service.Invalid(v.variable, fmt.Sprintf("is %d", v.value), "choose at least 1"))
		}
	}
	return faults
}

const (
	// costUnit is 1 GHS in the unit of our costs, 1/10000 GHS.
	costUnit = 10_000
	// perToken turns pesewas for a million tokens into our unit: 100 of it are a pesewa.
	perToken = 1_000_000 / (costUnit / 100)
)

// Cost is what calls cost us, in 1/10000 GHS, rounded up.
func (p Prices) Cost(u chat.Usage) int64 {
	return (u.Prompt*int64(p.Input) + u.Completion*int64(p.Output) + perToken - 1) / perToken
}

const (
	// choicePrompt and wordsPrompt are more tokens than our prompts have: the first a catalogue of 6 functions (1,200), 50 storefronts and a question, the second three tables.
	choicePrompt, wordsPrompt = 3000, 6000
	// maxChoice and maxWords bound the model's answers, in tokens. Three calls of functions take 200, and three sentences 150; models that think first need room for it.
	maxChoice, maxWords = 1500, 1500
)

// Budget is what is set aside for one request of the feature, in 1/10000 GHS: what all its attempts would cost if every prompt and every answer were as long as they get.
func (p Prices) Budget(f Feature) int64 {
	calls := chat.Usage{Prompt: wordsPrompt, Completion: maxWords}
	if f == Question {
		calls = calls.Add(chat.Usage{Prompt: choicePrompt, Completion: maxChoice})
	}
	return p.Cost(calls) * Attempts
}
