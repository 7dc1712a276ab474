package account

import "time"

// UnknownUser is the hash that stands for users that are not there.
const UnknownUser = unknownUser

// TriesKept bounds the memory of wrong passwords.
const TriesKept = triesKept

// Delays is the memory of wrong passwords.
type Delays struct{ *delays }

// NewDelays returns an empty one.
func NewDelays(now func() time.Time) Delays { return Delays{newDelays(now)} }

// Failed counts a wrong password.
func (d Delays) Failed(name, address string) { d.failed(name, address) }

// Wait is how long a try has to wait.
func (d Delays) Wait(name, address string) time.Duration { return d.wait(name, address) }

// Len is how many counts are kept.
func (d Delays) Len() int { return len(d.tries) }
