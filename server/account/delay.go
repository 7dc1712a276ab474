package account

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

// How many wrong passwords are free before tries wait: of one name from one address, from one address with any names,
// and of one name from anywhere. Who guesses somebody's password from elsewhere does not keep that person out soon.
const (
	freeOfPair    = 5
	freeOfAddress = 30
	freeOfName    = 50
)

const (
	longestDelay = 5 * time.Minute
	triesForget  = time.Hour // after the last wrong password
	triesKept    = 30_000
)

// delays counts wrong passwords. They make tries wait, longer each time, and never for good.
type delays struct {
	now func() time.Time

	mu    sync.Mutex
	tries map[string]tries
}

type tries struct {
	wrong int
	last  time.Time
	until time.Time
}

func newDelays(now func() time.Time) *delays { return &delays{now: now, tries: map[string]tries{}} }

// counted is what a try is counted under.
type counted struct {
	key  string
	free int
}

func counts(name, address string) []counted {
	address = network(address)
	return []counted{{"p" + name + "\x00" + address, freeOfPair}, {"a" + address, freeOfAddress}, {"n" + name, freeOfName}}
}

// network is what one guesser is likely to have all addresses of: an IPv4 address, or an IPv6 network of 64 bits.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// wait is how long the next try has to wait.
func (d *delays) wait(name, address string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	var longest time.Duration
	for _, c := range counts(name, address) {
		longest = max(longest, d.tries[c.key].until.Sub(d.now()))
	}
	return longest
}

// failed counts a wrong password: beyond the free ones tries wait 2, 4, 8 … seconds.
func (d *delays) failed(name, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, c := range counts(name, address) {
		t := d.tries[c.key]
		if now.Sub(t.last) > triesForget {
			t = tries{}
		}
		t.wrong++
		t.last = now
		if over := t.wrong - c.free; over > 0 {
			t.until = now.Add(min(longestDelay, time.Second<<min(over, 16)))
		}
		d.makeRoom(now)
		d.tries[c.key] = t
	}
}

// makeRoom forgets what is old, and then those that do not wait: invented names must neither fill the memory nor push
// out who has to wait. d.mu is held.
func (d *delays) makeRoom(now time.Time) {
	if len(d.tries) < triesKept {
		return
	}
	maps.DeleteFunc(d.tries, func(_ string, t tries) bool { return now.Sub(t.last) > triesForget })
	if len(d.tries) >= triesKept/2 {
		maps.DeleteFunc(d.tries, func(_ string, t tries) bool { return !t.until.After(now) })
	}
	if len(d.tries) >= triesKept {
		clear(d.tries)
	}
}

// succeeded forgets the wrong passwords of a name. Those of the address stay: who has an account of his own must not
// get free tries at others by it.
func (d *delays) succeeded(name, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range counts(name, address) {
		if c.free != freeOfAddress {
			delete(d.tries, c.key)
		}
	}
}
