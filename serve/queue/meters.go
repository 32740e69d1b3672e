package queue

import "github.com/prometheus/client_golang/prometheus"

// Meters are what a queue counts.
type Meters struct {
	There            prometheus.Gauge
	Bytes            prometheus.Gauge
	Device           *prometheus.CounterVec // by model
	Loads, Evictions *prometheus.CounterVec
	Rows             *prometheus.HistogramVec
}

// NewMeters registers the meters of a queue.
func NewMeters(r prometheus.Registerer) *Meters {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "saccade_" + name, Help: help}, []string{"model"})
	}
	m := &Meters{
		There:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "saccade_requests_in_flight", Help: "Requests that are read, wait or are done."}),
		Bytes:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "saccade_device_memory_bytes", Help: "Memory of the device that models take."}),
		Device:    counter("device_seconds_total", "Time that a model had the device."),
		Loads:     counter("model_loads_total", "How often a model came to the device."),
		Evictions: counter("model_evictions_total", "How often a model left the device for others."),
		Rows: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "saccade_batch_rows", Help: "Texts and images of a forward pass.",
			Buckets: []float64{1, 2, 4, 8, 16}}, []string{"model"}),
	}
	r.MustRegister(m.There, m.Bytes, m.Device, m.Loads, m.Evictions, m.Rows)
	return m
}
