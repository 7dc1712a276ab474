package fleet

import "context"

// Sweep and Flush are one turn each of what Run does from time to time.

func (f *Fleet) Sweep(ctx context.Context) { f.sweep(ctx) }

func (f *Fleet) Flush(ctx context.Context) { f.flush(ctx) }
