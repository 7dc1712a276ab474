package task

import (
	"time"

	"hostler/agent/state"
	"hostler/agent/wire"
)

// Parts is what the actions work with. All of it must be set.
type Parts struct {
	Store *state.Store
}

// Actions is the table of what this agent can do. A new action is a file beside this one and a line here.
func Actions(p *Parts) map[string]Action {
	return map[string]Action{
		wire.ActionConfig: {Do: config(p.Store), Lane: laneOfAgent, Timeout: time.Minute},
		wire.ActionExec:   {Do: execute, Lane: noLane, Timeout: time.Hour, Apart: true},
	}
}
