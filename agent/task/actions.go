package task

import (
	"time"

	"hostler/agent/download"
	"hostler/agent/link"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// Parts is what the actions work with. All of it must be set.
type Parts struct {
	Store      *state.Store
	Session    *link.Session
	Downloader *download.Downloader
	Upgrade    *Upgrade
}

// Actions is the table of what this agent can do. A new action is a file beside this one and a line here.
func Actions(p *Parts) map[string]Action {
	return map[string]Action{
		wire.ActionConfig:       {Do: config(p.Store), Lane: laneOfAgent, Timeout: time.Minute},
		wire.ActionExec:         {Do: execute, Lane: noLane, Timeout: time.Hour, Apart: true},
		wire.ActionPush:         {Do: push(p), Lane: laneOfFile, Timeout: transferTimeout},
		wire.ActionUpgradeAgent: {Do: upgradeAgent(p), Lane: laneOfAgent, Timeout: transferTimeout, Alone: true},
		wire.ActionFetch:        {Do: fetch(p), Lane: noLane, Timeout: transferTimeout},
	}
}

// transferTimeout bounds what moves a file.
const transferTimeout = 30 * time.Minute

// laneOfFile keeps the pushes of one file in their order.
func laneOfFile(job *wire.Job) string {
	if job.Push == nil {
		return ""
	}
	return "file " + job.Push.Path
}
