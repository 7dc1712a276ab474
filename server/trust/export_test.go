package trust

import "time"

// SetProgramTime has the program that decides be ended after some time.
func (c *CA) SetProgramTime(d time.Duration) { c.programTime = d }
