package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hostler/db"
)

// scrapeWait bounds the queries of one scrape.
const scrapeWait = 5 * time.Second

// metrics counts requests, and reads everything else when it is asked.
type metrics struct {
	web        *Web
	requests   *prometheus.HistogramVec
	enrolments *prometheus.CounterVec
	handler    http.Handler

	hosts, removed, heartbeats, operations, tasks, live, jobs, took, wakes, events, revoked, waiting, behind, lacking, stale, audited, unaudited *prometheus.Desc
}

func newMetrics(w *Web) *metrics {
	m := &metrics{
		web: w,
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hostler_http_request_duration_seconds", Help: "Time to answer a request, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"listener", "method", "route", "code"}),
		enrolments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hostler_enrolments_total", Help: "Hosts that asked for a certificate, by result: admitted, autosigned, waiting (new ones), refused, limited (asked too often).",
		}, []string{"result"}),
		hosts:      prometheus.NewDesc("hostler_hosts", "Hosts by state.", []string{"state"}, nil),
		removed:    prometheus.NewDesc("hostler_hosts_removed_total", "Hosts that were removed since the server started.", nil, nil),
		heartbeats: prometheus.NewDesc("hostler_heartbeats_total", "Heartbeats since the server started.", nil, nil),
		operations: prometheus.NewDesc("hostler_operations", "Operations that have not ended, by state.", []string{"state"}, nil),
		tasks:      prometheus.NewDesc("hostler_tasks", "Tasks of operations that have not ended, by state.", []string{"state"}, nil),
		jobs:       prometheus.NewDesc("hostler_jobs", "Jobs without a result, by action and state.", []string{"action", "state"}, nil),
		took:       prometheus.NewDesc("hostler_job_duration_seconds", "Time that jobs took on their hosts, by action.", []string{"action"}, nil),
		wakes:      prometheus.NewDesc("hostler_wake_channels", "Hosts that can be woken at once.", nil, nil),
		events:     prometheus.NewDesc("hostler_agent_events_total", "Events that agents told since the server started.", nil, nil),
		revoked:    prometheus.NewDesc("hostler_certificates_revoked", "Revoked certificates that have not expired.", nil, nil),
		waiting:    prometheus.NewDesc("hostler_enrolments_waiting", "Hosts that wait for somebody to approve them.", nil, nil),
		audited:    prometheus.NewDesc("hostler_audit_entries_total", "Entries added to the audit log since the server started.", nil, nil),
		unaudited:  prometheus.NewDesc("hostler_audit_entries_lost_total", "Entries that could not be stored, and are in the server's log instead.", nil, nil),
		behind:     prometheus.NewDesc("hostler_authority_hosts_behind", "Hosts that a change of authorities would lose, by what they lack: trust, certificate.", []string{"lacks"}, nil),
		lacking:    prometheus.NewDesc("hostler_repository_key_hosts_behind", "Hosts that do not have the new signing key of the repositories, while it is changed.", nil, nil),
		stale:      prometheus.NewDesc("hostler_repository_channels_stale", "Channels that the key which signs now has not signed yet.", nil, nil),
		live:       prometheus.NewDesc("hostler_live_connections", "Open pages that are kept up to date.", nil, nil),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, m.requests, m.enrolments, newPackageMetrics(w.Repo, w.Mirrors, w.Folder), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return m
}

// observe counts a request. Paths that no route matches share one label, or scanners would fill the memory.
func (m *metrics) observe(on listener, method, route string, status int, took time.Duration) {
	if route == "" {
		route, method = "none", "any"
	}
	m.requests.WithLabelValues(string(on), method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.hosts, m.removed, m.heartbeats, m.operations, m.tasks, m.live, m.jobs, m.took, m.wakes, m.events, m.revoked, m.waiting, m.behind, m.lacking, m.stale, m.audited, m.unaudited} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	lack := m.web.rotationHosts(m.web.CA.Rotation())
	gauge(m.behind, lack.Untrusting, "trust")
	gauge(m.behind, lack.Old, "certificate")
	keys := m.web.Repo.KeyRotation()
	gauge(m.lacking, m.web.keyHosts(keys).Lacking)
	gauge(m.stale, keys.Stale)
	counts := m.web.Fleet.Counts(context.Background())
	for _, s := range db.HostStates {
		gauge(m.hosts, counts[s], string(s))
	}
	out <- prometheus.MustNewConstMetric(m.removed, prometheus.CounterValue, float64(m.web.Fleet.Removed()))
	out <- prometheus.MustNewConstMetric(m.heartbeats, prometheus.CounterValue, float64(m.web.Fleet.Heartbeats()))
	gauge(m.live, m.web.hub.connections())
	gauge(m.wakes, m.web.wakes.connections())
	gauge(m.revoked, m.web.CA.Denied())
	out <- prometheus.MustNewConstMetric(m.events, prometheus.CounterValue, float64(m.web.Intake.Received()))
	out <- prometheus.MustNewConstMetric(m.audited, prometheus.CounterValue, float64(m.web.Audit.Written()))
	out <- prometheus.MustNewConstMetric(m.unaudited, prometheus.CounterValue, float64(m.web.Audit.Lost()))
	for action, d := range m.web.Jobs.Durations() {
		out <- prometheus.MustNewConstSummary(m.took, uint64(d.Count), d.Seconds, nil, action)
	}
	m.collectJobs(out, gauge)
	m.collectWaiting(out, gauge)
	operations, tasks, err := m.unfinished()
	if err != nil {
		out <- prometheus.NewInvalidMetric(m.operations, err)
		return
	}
	for _, s := range []db.State{db.Pending, db.Running, db.Waiting} {
		gauge(m.operations, operations[s], string(s))
	}
	for _, s := range []db.State{db.Pending, db.Running, db.Waiting, db.Done, db.Failed, db.Skipped, db.Canceled} {
		gauge(m.tasks, tasks[s], string(s))
	}
}

// collectJobs counts the jobs that have not ended. Actions are named by this server alone: there are few of them.
func (m *metrics) collectJobs(out chan<- prometheus.Metric, gauge func(*prometheus.Desc, int, ...string)) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
	defer cancel()
	counts, err := m.web.DB.CountOpenJobs(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(m.jobs, err)
		return
	}
	for _, c := range counts {
		gauge(m.jobs, c.N, c.Action, string(c.State))
	}
}

func (m *metrics) collectWaiting(out chan<- prometheus.Metric, gauge func(*prometheus.Desc, int, ...string)) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
	defer cancel()
	n, _, err := m.web.DB.CountEnrolRequests(ctx, db.EnrolWaiting)
	if err != nil {
		out <- prometheus.NewInvalidMetric(m.waiting, err)
		return
	}
	gauge(m.waiting, n)
}

func (m *metrics) unfinished() (operations, tasks map[db.State]int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
	defer cancel()
	ops, err := m.web.DB.UnfinishedOperations(ctx)
	if err != nil {
		return nil, nil, err
	}
	operations, tasks = map[db.State]int{}, map[db.State]int{}
	ids := make([]int64, len(ops))
	for i, o := range ops {
		ids[i] = o.ID
		operations[o.State]++
	}
	counts, err := m.web.DB.CountTasksOf(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, byState := range counts {
		for s, n := range byState {
			tasks[s] += n
		}
	}
	return operations, tasks, nil
}

// exposeMetrics is GET /metrics.
func (w *Web) exposeMetrics(c *gin.Context) error {
	w.metrics.handler.ServeHTTP(c.Writer, c.Request)
	return nil
}
