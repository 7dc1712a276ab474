package web

import (
	"context"
	"strconv"

	"hostler/server/bootstrap"
	"hostler/server/bootstrap/hostlist"
)

// codeBusy is a problem of a host list that only the database knows of.
const codeBusy = "busy"

// refuseBusy complains about hosts that an unfinished operation is to set up: two at once would get in each other's
// way, and a person whose browser or server went away at the wrong moment does not know of the first. w.starting is
// held from before this until the new operation is stored.
func (w *Web) refuseBusy(ctx context.Context, fields map[string]string, hosts []string) error {
	if len(hosts) == 0 || len(fields) > 0 {
		return nil
	}
	wanted := make(map[string]bool, len(hosts))
	for _, name := range hosts {
		wanted[name] = true
	}
	targets, err := w.DB.OpenTargets(ctx, bootstrap.KindName)
	if err != nil {
		return err
	}
	var busy []hostlist.Problem
	for _, t := range targets {
		if wanted[t.Name] {
			number := strconv.FormatInt(t.OperationID, 10)
			busy = append(busy, hostlist.Problem{
				Code: codeBusy, Args: map[string]string{"name": t.Name, "operation": number},
				Message: t.Name + " is being set up by operation " + number + "; go on, or cancel it, at /operations/" + number,
			})
		}
	}
	if len(busy) > 0 {
		fields["hosts"] = problemLines(ctx, busy)
	}
	return nil
}
