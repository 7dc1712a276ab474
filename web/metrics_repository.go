package web

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"hostler/db"
	"hostler/repo"
	"hostler/server/mirror"
	"hostler/server/watched"
)

// packageMetrics tells what the package repository has done.
type packageMetrics struct {
	repo                           *repo.Store
	mirrors                        *mirror.Mirrors
	folder                         *watched.Folder // nil for none
	published, uploaded, requested *prometheus.Desc
	mirrored, failing              *prometheus.Desc
	files, waiting, fetched        *prometheus.Desc
}

func newPackageMetrics(r *repo.Store, m *mirror.Mirrors, f *watched.Folder) *packageMetrics {
	of := []string{"repository", "channel"}
	return &packageMetrics{
		repo: r, mirrors: m, folder: f,
		mirrored:  prometheus.NewDesc("hostler_mirror_last_run_timestamp_seconds", "When a mirror's last run was started.", of, nil),
		failing:   prometheus.NewDesc("hostler_mirror_last_run_failed", "1 when a mirror's last run has failed, 0 when it is done or still going on.", of, nil),
		fetched:   prometheus.NewDesc("hostler_package_fetches_total", "Packages fetched from upstreams because somebody asked for them, since the server started, by whether they came: done, failed.", []string{"result"}, nil),
		files:     prometheus.NewDesc("hostler_watched_folder_files_total", "Files in the watched folder since the server started, by what became of them: added, present, refused.", []string{"result"}, nil),
		waiting:   prometheus.NewDesc("hostler_watched_folder_problems", "Files and folders in the watched folder that wait for somebody.", nil, nil),
		published: prometheus.NewDesc("hostler_repository_publications_total", "Indexes published since the server started.", []string{"repository"}, nil),
		uploaded:  prometheus.NewDesc("hostler_repository_uploaded_bytes_total", "Bytes of packages that were uploaded since the server started.", []string{"repository"}, nil),
		requested: prometheus.NewDesc("hostler_package_requests_total", "Requests for packages since the server started; versions are counted together.", []string{"kind", "package"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *packageMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.published, m.uploaded, m.requested, m.mirrored, m.failing, m.files, m.waiting, m.fetched} {
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
	count(m.fetched, counts.Fetched[true], "done")
	count(m.fetched, counts.Fetched[false], "failed")
	if m.folder != nil {
		s := m.folder.Status()
		count(m.files, s.Added, repo.Added)
		count(m.files, s.Present, repo.Present)
		count(m.files, s.Refused, repo.Refused)
		out <- prometheus.MustNewConstMetric(m.waiting, prometheus.GaugeValue, float64(len(s.Problems)))
	}
	m.collectMirrors(out)
}

func (m *packageMetrics) collectMirrors(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
	defer cancel()
	all, err := m.mirrors.List(ctx, "")
	if err != nil {
		out <- prometheus.NewInvalidMetric(m.failing, err)
		return
	}
	for _, one := range all {
		if one.RanAt == nil {
			continue
		}
		failed := 0.0
		if one.State == db.Failed {
			failed = 1
		}
		out <- prometheus.MustNewConstMetric(m.failing, prometheus.GaugeValue, failed, one.Repository, one.Channel)
		out <- prometheus.MustNewConstMetric(m.mirrored, prometheus.GaugeValue, float64(one.RanAt.Unix()), one.Repository, one.Channel)
	}
}
