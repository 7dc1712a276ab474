package supervise

import (
	"context"
	"strconv"
	"time"

	"hostler/agent/wire"
)

const (
	clockEvery = 10 * time.Second
	// clockJump is a step that no time service makes in small pieces.
	clockJump = 5 * time.Second
)

// watchClock tells when somebody has set the host's clock, until ctx ends. Nothing here goes by that clock; certificates
// and logs do.
func (s *Supervisor) watchClock(ctx context.Context) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	apart := wallApart()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := wallApart()
		s.clockStepped(now - apart)
		apart = now
	}
}

// wallApart is how far the host's clock is from the time since the boot.
func wallApart() time.Duration { return time.Duration(time.Now().UnixNano()) - sinceBoot() }

func (s *Supervisor) clockStepped(by time.Duration) {
	if by.Abs() < clockJump {
		return
	}
	seconds := strconv.FormatInt(int64(by.Seconds()), 10)
	s.Log.Warn("the host's clock was set", "seconds", seconds)
	s.Emit(wire.Event{Kind: wire.EventClockJumped, Severity: wire.SeverityWarning, Params: map[string]string{"seconds": seconds}})
}
