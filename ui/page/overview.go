package page

import "hostler/ui/layout"

// OverviewView is GET /.
type OverviewView struct {
	Frame      layout.Frame
	Counts     HostCounts
	Troubled   []Host      // lost and unhealthy hosts, worst first; the first few
	Stuck      []Operation // with failed or waiting tasks; newest first, the first few
	Running    []Operation // newest first
	Events     []Event     // newest first, the first few
	Drafts     []Draft     // open wizard drafts
	Operations bool        // some operation was ever started; with no host and none the page welcomes
}
