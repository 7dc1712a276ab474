package trust

import (
	"context"
	"errors"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/audit"
)

const settingQueue = "enrol_queue"

// closedQueue is the setting's value where nobody without a token may wait.
const closedQueue = "closed"

// QueueOpen reports whether hosts without a token may wait for somebody to approve them.
func (c *CA) QueueOpen(ctx context.Context) (bool, error) {
	value, err := c.db.Setting(ctx, settingQueue)
	if errors.Is(err, db.ErrNotFound) {
		return true, nil
	}
	return value != closedQueue, err
}

// SetQueueOpen opens or closes the queue. Those that wait already go on waiting; rules and the program still sign who comes.
func (c *CA) SetQueueOpen(ctx context.Context, open bool) error {
	was, err := c.QueueOpen(ctx)
	if err != nil {
		return err
	}
	audit.About(ctx, "", map[string]bool{"open": was}, map[string]bool{"open": open})
	value := "open"
	if !open {
		value = closedQueue
	}
	return c.db.SetSetting(ctx, settingQueue, value)
}

// orTurnedAway is what a host is told that has just come into the queue and that nothing has signed: where the queue is closed it is
// taken out again, unless somebody has decided on it meanwhile.
func (c *CA) orTurnedAway(ctx context.Context, waiting *Waiting) error {
	open, err := c.QueueOpen(ctx)
	if err != nil {
		return err
	}
	if open {
		return waiting
	}
	gone, err := c.db.DropWaiting(ctx, waiting.Request.ID)
	if err != nil {
		return err
	}
	if !gone {
		return waiting
	}
	return &wire.Error{
		Code: "queue_closed", Message: "this server takes no host without a token",
		Hint: "make a token on the page Trust and give it to \"hostler-agent setup --token\"",
	}
}
