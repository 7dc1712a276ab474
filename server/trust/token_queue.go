package trust

import (
	"context"
	"errors"
	"net/netip"

	"hostler/agent/wire"
	"hostler/db"
)

// waitAllTheSame answers an agent whose token does not admit it: with its certificate when somebody has signed that all the same,
// and otherwise with why the token does not. It waits in the queue, beside the token that it came with, so that somebody may: the
// token has been used up, it came a minute too late, its name is another one than was thought.
func (c *CA) waitAllTheSame(ctx context.Context, r wire.EnrollRequest, by claim, from netip.Addr, t *db.EnrolToken, refused *wire.Error) (wire.EnrollReply, error) {
	open, err := c.QueueOpen(ctx)
	if err != nil {
		return wire.EnrollReply{}, err
	}
	c.admitting.Lock()
	defer c.admitting.Unlock()
	q, err := c.db.EnrolRequestByKey(ctx, by.keyHash)
	switch {
	case errors.Is(err, db.ErrNotFound):
		if !open {
			return wire.EnrollReply{}, refused
		}
		return wire.EnrollReply{}, beside(c.enqueue(ctx, r, by, from, &t.ID, refused.Code), refused)
	case err != nil:
		return wire.EnrollReply{}, err
	case q.State == db.EnrolSigned && q.Serial != "":
		usable, err := c.usable(ctx, q, by.hostname)
		if err != nil {
			return wire.EnrollReply{}, err
		}
		if usable {
			return wire.EnrollReply{AgentSN: q.AgentSN, Certificate: q.Certificate, CA: string(c.Bundle())}, nil
		}
	case q.State == db.EnrolRefused || q.Hostname == by.hostname && c.now().Sub(q.SeenAt) < seenEvery:
		if err := c.seen(ctx, q); err != nil {
			return wire.EnrollReply{}, err
		}
		return wire.EnrollReply{}, refused
	}
	if !open && q.State != db.EnrolWaiting {
		return wire.EnrollReply{}, refused
	}
	q.TokenID, q.Refusal = &t.ID, refused.Code
	return wire.EnrollReply{}, beside(c.requeue(ctx, q, r, by, from), refused)
}

// beside makes the answer to who waits, or to whom the queue has no place for, one about the token.
func beside(err error, refused *wire.Error) error {
	var waiting *Waiting
	var full *wire.Error
	switch {
	case errors.As(err, &waiting):
		waiting.Refused = refused
		return waiting
	case errors.As(err, &full):
		return refused
	}
	return err
}
