package report

import (
	"strconv"
	"time"

	"hostler/agent/wire"
)

// maxDrift is how far the host's clock may get from the time that has passed, from one heartbeat to the next,
// before that is an event.
const maxDrift = 5 * time.Second

// look looks at what may have changed on the host since the heartbeat before: the room on the disk, and the clock.
func (r *Reporter) look() {
	r.Room.Check()
	before, now := r.moment, r.Moment()
	r.moment = now
	if before.Boot != now.Boot {
		return
	}
	jump := time.Duration(now.Wall-before.Wall)*time.Second - (now.Since - before.Since)
	if jump.Abs() <= maxDrift {
		return
	}
	r.Log.Warn("the host's clock has jumped", "by", jump.Round(time.Second))
	r.Events.Emit(wire.Event{
		Kind: wire.EventClockJumped, Severity: wire.SeverityWarning,
		Params: map[string]string{"seconds": strconv.Itoa(int(jump.Round(time.Second).Seconds()))},
	})
}
