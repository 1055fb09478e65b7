package chat

import (
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	seconds *prometheus.HistogramVec
	tokens  *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, breaker circuitbreaker.CircuitBreaker[*answer]) *metrics {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "makola_ai_call_seconds", Help: "Calls of the language model, by what came of them: answered, malformed, declined, refused or unavailable.",
			Buckets: []float64{.1, .25, .5, 1, 2, 4, 8, 15, 30, 60},
		}, []string{"outcome"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "makola_ai_tokens_total", Help: "Tokens that calls of the language model took: those of prompts, and those of completions.",
		}, []string{"kind"}),
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.seconds, m.tokens, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "makola_ai_breaker", Help: "State of this process's breaker of the language model: 0 closed, 1 half open, 2 open.",
	}, func() float64 {
		switch breaker.State() {
		case circuitbreaker.OpenState:
			return 2
		case circuitbreaker.HalfOpenState:
			return 1
		case circuitbreaker.ClosedState:
		}
		return 0
	}))
	return m
}

func (m *metrics) observe(r Reply, err error, took time.Duration) {
	m.seconds.WithLabelValues(outcome(err)).Observe(took.Seconds())
	m.tokens.WithLabelValues("prompt").Add(float64(r.Usage.Prompt))
	m.tokens.WithLabelValues("completion").Add(float64(r.Usage.Completion))
}

func outcome(err error) string {
	_, refused := errors.AsType[*RefusedError](err)
	switch {
	case err == nil:
		return "answered"
	case errors.Is(err, ErrMalformed):
		return "malformed"
	case errors.Is(err, ErrDeclined):
		return "declined"
	case refused:
		return "refused"
	}
	return "unavailable"
}
