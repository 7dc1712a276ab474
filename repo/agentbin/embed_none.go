//go:build noagents

package agentbin

import "embed"

var dist embed.FS
