package page

import "slices"

// listed is the host as other lists are narrowed down to it.
func (v HostView) listed() ListHost { return ListHost{ID: v.Host.ID, Name: v.Host.Name} }

// jobsPath is the page with its jobs narrowed down to a state.
func (v HostView) jobsPath(state string) string {
	f := v.Filter
	return filtered(hostPath(v.Host.ID), "job_state", state, "severity", f.Severity, "kind", f.Kind) + "#host-jobs"
}

// eventsPath is the page with its events narrowed down to a severity and a kind.
func (v HostView) eventsPath(severity, kind string) string {
	return filtered(hostPath(v.Host.ID), "job_state", v.Filter.JobState, "severity", severity, "kind", kind) + "#host-events"
}

// choices are those of all that there is something of, and the chosen one.
func choices(all []string, counts map[string]int, chosen string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(c string) bool { return counts[c] == 0 && c != chosen })
}

func total(counts map[string]int) (n int) {
	for _, k := range counts {
		n += k
	}
	return n
}
