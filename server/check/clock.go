package check

import (
	"fmt"
	"time"
)

const (
	// Differences of clocks. Whole seconds are compared, and the way takes time, too.
	clockWarn = 3 * time.Second
	clockFail = 30 * time.Second
)

func clock(s *subject) Verdict {
	if s.Offset == nil {
		return untold
	}
	offset := time.Duration(*s.Offset) * time.Millisecond
	args := []string{"Offset", fmt.Sprintf("%+.0f", offset.Seconds())}
	switch {
	case offset.Abs() > clockFail:
		return fail("off", args...)
	case offset.Abs() > clockWarn:
		return warn("off", args...)
	}
	return pass(args...)
}

func timeService(s *subject) Verdict {
	switch {
	case s.Clock.Synchronised && s.Clock.Service != "":
		return pass("Service", s.Clock.Service)
	case s.Clock.Synchronised:
		return is("outside")
	case s.Clock.Service != "":
		return warn("unsynchronised", "Service", s.Clock.Service)
	}
	return warn("none")
}
