package task

import (
	"context"
	"errors"
	"fmt"
	"os"

	"hostler/agent/removal"
	"hostler/agent/upgrade"
	"hostler/agent/wire"
)

// removeAgent takes the agent off the host. Another process does that, and tells the server the end of it, see package
// removal: the job ends here only when the agent has to stay. Begun before, and with no such end, it is begun again, because
// what is removed already is no matter to the script.
func removeAgent(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		var result wire.JobResult
		ask := work.Job.Remove
		if ask == nil || ask.Script == "" {
			return result, badJob("it brings no setup script")
		}
		if err := removal.Failed(work.Dir); err != nil {
			return result, err
		}
		if !ask.KeepChildren {
			for _, child := range parts.Children.Children() {
				if err := parts.Children.Stop(ctx, child.Name); err != nil {
					return result, fmt.Errorf("cannot stop the child agent %s: %w", child.Name, err)
				}
			}
		}
		order, err := removalOrder(parts, work)
		if err != nil {
			return result, err
		}
		ended, err := order.Start()
		if err != nil {
			return result, err
		}
		select {
		case <-work.life.Done(): // to cancel it would be too late
			return result, context.Cause(work.life)
		case err := <-ended:
			if failed := removal.Failed(work.Dir); failed != nil {
				return result, failed
			}
			return result, fmt.Errorf("the removal ended, and the agent is still there: %w", err)
		}
	}
}

func removalOrder(parts *Parts, work *Work) (*removal.Order, error) {
	address, config, _ := parts.Session.Get()
	if address == "" || len(config.Certificates) == 0 {
		return nil, errors.New("there is no server to tell the end of it")
	}
	order := &removal.Order{
		Job: work.Job.ID, Dir: work.Dir, Script: work.Job.Remove.Script, URL: "https://" + address + wire.PathJobResult,
		PID: os.Getpid(), Started: upgrade.StartTime(os.Getpid()),
	}
	if work.Job.Remove.KeepChildren {
		order.Arguments = []string{"--keep-children"}
	}
	return order, order.Keep(config.Certificates[0], parts.Downloader.CAs())
}
