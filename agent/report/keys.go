package report

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"hostler/agent/wire"
)

// keyTaker takes over the keys of the server's repository beside the heartbeats: rpm may be kept waiting by another package manager.
type keyTaker struct {
	running sync.WaitGroup
	busy    atomic.Bool
	told    time.Time // when it was logged last that they cannot be taken; who is busy owns it
}

// take lets package managers trust other keys. What fails is tried again: the server tells of them until it has worked.
func (k *keyTaker) take(ctx context.Context, o *Options, keys *wire.RepositoryKeys) {
	if !k.busy.CompareAndSwap(false, true) {
		return
	}
	k.running.Go(func() {
		defer k.busy.Store(false)
		err := o.Keys.Take(ctx, keys)
		if err == nil {
			o.Log.Info("package managers trust other keys of the server's repository", "keys", keys.Fingerprints)
			return
		}
		if now := o.Clock.Now(); ctx.Err() == nil && now.Sub(k.told) >= repeatAfter {
			k.told = now
			o.Log.Error("package managers go on with the keys that they trust; the server will tell of the others again", "error", err)
		}
	})
}
