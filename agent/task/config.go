package task

import (
	"context"
	"fmt"
	"strings"

	"hostler/agent/settings"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// maxServers bounds a server list.
const maxServers = 32

// config changes the step, the server list or both. The list comes before the default one of agent.ini,
// which stays as it is; a list without a server (",") takes the former one away.
func config(store *state.Store) func(context.Context, *Work) (wire.JobResult, error) {
	return func(_ context.Context, work *Work) (wire.JobResult, error) {
		job := work.Job
		if job.SvrList == "" && job.Step == 0 {
			return wire.JobResult{}, badJob("it sets neither svrlist nor step")
		}
		if job.Step != 0 && (job.Step < settings.MinStep || job.Step > settings.MaxStep) {
			return wire.JobResult{}, badJob("step must be from %d to %d, not %d", settings.MinStep, settings.MaxStep, job.Step)
		}
		servers, err := parseServers(job.SvrList)
		if err != nil {
			return wire.JobResult{}, err
		}
		err = store.Update(func(v *state.Values) {
			if job.Step != 0 {
				v.Step = job.Step
			}
			if job.SvrList != "" {
				v.Servers = servers
			}
		})
		if err != nil {
			return wire.JobResult{}, fmt.Errorf("in force, but lost when the agent restarts: %w", err)
		}
		return wire.JobResult{Message: inForce(store.Values().Servers)}, nil
	}
}

// inForce says which server list counts now.
func inForce(servers []string) string {
	if len(servers) == 0 {
		return "success; in force: the default server of agent.ini"
	}
	return "success; in force: " + strings.Join(servers, ",") + ", then the default server of agent.ini"
}

func parseServers(list string) ([]string, error) {
	var servers []string
	for _, text := range strings.Split(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		address, err := settings.Address(text)
		if err != nil {
			return nil, badJob("svrlist: %v", err)
		}
		servers = append(servers, address)
	}
	if len(servers) > maxServers {
		return nil, badJob("svrlist has %d servers, more than %d", len(servers), maxServers)
	}
	return servers, nil
}
