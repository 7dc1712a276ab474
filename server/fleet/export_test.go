package fleet

import (
	"context"
	"math"
)

// Sweep and Flush are one turn each of what Run does from time to time.

func (f *Fleet) Sweep(ctx context.Context) { f.sweep(ctx) }

func (f *Fleet) Flush(ctx context.Context) { f.flush(ctx) }

// StoreLate writes every registration that waits.
func (f *Fleet) StoreLate(ctx context.Context) { f.storeLate(ctx, math.MaxInt64) }
