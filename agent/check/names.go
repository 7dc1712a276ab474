package check

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	// namesAtOnce is how many names are asked for at a time: every host asks, and the name server is often one.
	namesAtOnce = 8
	// namesMost bounds the time for all of them.
	namesMost = 60 * time.Second
	// maxWrong bounds how many names are told.
	maxWrong = 10
)

// names resolves the other hosts' names and tells of those alone that are not as the server sees them.
func (l *look) names(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, namesMost)
	defer cancel()
	var mu sync.Mutex
	r := &l.found.Resolved
	next := 0
	var asking sync.WaitGroup
	for range namesAtOnce {
		asking.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(l.ask.Names) {
					return
				}
				name, want := l.ask.Names[i].Name, l.ask.Names[i].Address
				asked := time.Now()
				got, err := resolve(ctx, name)
				took := time.Since(asked).Milliseconds()
				mu.Lock()
				switch {
				case ctx.Err() != nil:
					r.Untried++
				case err != nil:
					r.Names, r.Failed = r.Names+1, r.Failed+1
					r.Wrong = append(r.Wrong, clip(name))
				case want != "" && !asWanted(got, want):
					r.Names, r.Differ = r.Names+1, r.Differ+1
					r.Wrong = append(r.Wrong, clip(name+"="+got[0]))
				default:
					r.Names++
				}
				r.Slowest = max(r.Slowest, took)
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	r.Wrong = fewest(r.Wrong, maxWrong)
}

// asWanted reports whether a name has an address, or means the host itself here: hosts often know their own name as a
// loopback address, which is told apart.
func asWanted(addresses []string, want string) bool {
	wanted := net.ParseIP(want)
	for _, address := range addresses {
		if one := net.ParseIP(address); one.IsLoopback() || one.Equal(wanted) {
			return true
		}
	}
	return false
}
