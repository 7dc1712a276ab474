package page

import (
	"context"
	"strconv"

	"hostler/ui/i18n"
	"hostler/ui/layout"
)

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

// tileStates are the states that have a tile, in the order of the tiles.
var tileStates = []string{HostHealthy, HostUnhealthy, HostLost, HostWaiting, HostInit}

func welcomeText(ctx context.Context, step int, part string) string {
	return i18n.T(ctx, "welcome."+strconv.Itoa(step)+"."+part)
}
