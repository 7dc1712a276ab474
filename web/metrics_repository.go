package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"hostler/repo"
)

// packageMetrics tells what the package repository has done.
type packageMetrics struct {
	repo                           *repo.Store
	published, uploaded, requested *prometheus.Desc
}

func newPackageMetrics(r *repo.Store) *packageMetrics {
	return &packageMetrics{
		repo:      r,
		published: prometheus.NewDesc("hostler_repository_publications_total", "Indexes published since the server started.", []string{"repository"}, nil),
		uploaded:  prometheus.NewDesc("hostler_repository_uploaded_bytes_total", "Bytes of packages that were uploaded since the server started.", []string{"repository"}, nil),
		requested: prometheus.NewDesc("hostler_package_requests_total", "Requests for packages since the server started; versions are counted together.", []string{"kind", "package"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *packageMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.published, m.uploaded, m.requested} {
		out <- d
	}
}

// Collect implements prometheus.Collector. Only what is stored is named, so requests for anything else add no labels.
func (m *packageMetrics) Collect(out chan<- prometheus.Metric) {
	if m.repo == nil {
		return
	}
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	counts := m.repo.Counts()
	for repository, n := range counts.Published {
		count(m.published, n, repository)
	}
	for repository, n := range counts.Uploaded {
		count(m.uploaded, n, repository)
	}
	for what, n := range counts.Asked {
		count(m.requested, n, string(what.Kind), what.Name)
	}
}
