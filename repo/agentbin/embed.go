//go:build !noagents

package agentbin

import "embed"

//go:embed all:dist
var dist embed.FS
