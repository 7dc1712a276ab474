package supervise

import (
	"strconv"
	"time"

	"hostler/agent/wire"
)

// clockJump is a step that no time service makes between two looks.
const clockJump = 5 * time.Second

// wallApart is how far the host's clock is from the time since the boot.
func wallApart() time.Duration { return time.Duration(time.Now().UnixNano()) - sinceBoot() }

// clockStepped tells when somebody has set the host's clock. Nothing here goes by that clock; certificates and logs do.
func (s *Supervisor) clockStepped(by time.Duration) {
	if by.Abs() < clockJump {
		return
	}
	seconds := strconv.FormatInt(int64(by.Seconds()), 10)
	s.Log.Warn("the host's clock was set", "seconds", seconds)
	s.Emit(wire.Event{Kind: wire.EventClockJumped, Severity: wire.SeverityWarning, Params: map[string]string{"seconds": seconds}})
}
