package task

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type queueMetrics struct {
	published, publishErrors prometheus.Counter
}

func newQueueMetrics(reg prometheus.Registerer) queueMetrics {
	m := queueMetrics{
		published:     prometheus.NewCounter(prometheus.CounterOpts{Name: "makola_task_published_total", Help: "Tasks published and confirmed by the broker."}),
		publishErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "makola_task_publish_errors_total", Help: "Publishings that were returned, refused or not confirmed; the tasks stay pending."}),
	}
	if reg != nil {
		reg.MustRegister(m.published, m.publishErrors)
	}
	return m
}

type workerMetrics struct {
	runs   *prometheus.HistogramVec
	buried *prometheus.CounterVec
	swept  prometheus.Counter
}

func newWorkerMetrics(reg prometheus.Registerer) workerMetrics {
	m := workerMetrics{
		runs: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "makola_task_run_seconds", Help: "Time from claim to outcome of one attempt; a batch counts for each of its tasks.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 120, 600}}, []string{"task", "outcome"}),
		buried: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "makola_task_dead_letters_total", Help: "Messages that could not become a task."}, []string{"queue"}),
		swept:  prometheus.NewCounter(prometheus.CounterOpts{Name: "makola_task_swept_total", Help: "Tasks published again because their message or their holder was gone."}),
	}
	if reg != nil {
		reg.MustRegister(m.runs, m.buried, m.swept)
	}
	return m
}

// observe counts one attempt. The task label is safe because only registered names reach it.
func (m workerMetrics) observe(task, outcome string, started time.Time) {
	m.runs.WithLabelValues(task, outcome).Observe(time.Since(started).Seconds())
}
