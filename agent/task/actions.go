package task

import (
	"maps"
	"time"

	"hostler/agent/check"
	"hostler/agent/download"
	"hostler/agent/install"
	"hostler/agent/link"
	"hostler/agent/state"
	"hostler/agent/supervise"
	"hostler/agent/wire"
)

// Parts is what the actions work with. All of it must be set.
type Parts struct {
	Store      *state.Store
	Session    *link.Session
	Downloader *download.Downloader
	Upgrade    *Upgrade
	Children   *supervise.Supervisor
	Place      *install.Place
	Manager    *install.Manager
	Tree       string // of control groups, for commands with limits
}

// Actions is the table of what this agent can do. A new action is a file beside this one and a line here.
func Actions(p *Parts) map[string]Action {
	actions := map[string]Action{
		wire.ActionConfig:       {Do: config(p.Store), Lane: laneOfAgent, Timeout: time.Minute},
		wire.ActionExec:         {Do: execute(p.Tree), Lane: noLane, Timeout: time.Hour, Apart: true},
		wire.ActionPush:         {Do: push(p), Lane: laneOfFile, Timeout: transferTimeout},
		wire.ActionFetch:        {Do: fetch(p), Lane: noLane, Timeout: transferTimeout},
		wire.ActionCheck:        {Do: checkHost(p.Session), Lane: noLane, Timeout: check.Most + time.Minute},
		wire.ActionUpgradeAgent: {Do: upgradeAgent(p), Lane: laneOfAgent, Timeout: transferTimeout, Alone: true},
		wire.ActionRemoveAgent:  {Do: removeAgent(p), Lane: laneOfAgent, Timeout: transferTimeout, Alone: true},
	}
	maps.Copy(actions, childActions(p))
	return actions
}

// childActions are those on child agents.
func childActions(p *Parts) map[string]Action {
	return map[string]Action{
		wire.ActionInstall:   {Do: installChild(p), Lane: laneOfChild, Timeout: transferTimeout},
		wire.ActionUpgrade:   {Do: upgradeChild(p), Lane: laneOfChild, Timeout: transferTimeout},
		wire.ActionUninstall: {Do: uninstallChild(p), Lane: laneOfChild, Timeout: transferTimeout},
		wire.ActionStart:     {Do: startChild(p), Lane: laneOfChild, Timeout: childTimeout},
		wire.ActionStop:      {Do: stopChild(p), Lane: laneOfChild, Timeout: childTimeout},
		wire.ActionRestart:   {Do: restartChild(p), Lane: laneOfChild, Timeout: childTimeout},
		wire.ActionConfigure: {Do: configureChild(p), Lane: laneOfChild, Timeout: childTimeout},
		wire.ActionLog:       {Do: logChild(p), Lane: noLane, Timeout: childTimeout},
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
