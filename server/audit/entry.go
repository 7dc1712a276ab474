package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"hostler/db"
)

// maxState bounds what is told of a thing before or after, in bytes of JSON.
const maxState = 64 << 10

type contextKey struct{}

// With returns a context whose entry is e: what is done with that context can tell the entry more. It is for the one
// goroutine that does it.
func With(ctx context.Context, e *db.AuditEntry) context.Context {
	return context.WithValue(ctx, contextKey{}, e)
}

// of is the entry of a context, or one that nobody writes.
func of(ctx context.Context) *db.AuditEntry {
	if e, ok := ctx.Value(contextKey{}).(*db.AuditEntry); ok {
		return e
	}
	return &db.AuditEntry{}
}

// About tells the context's entry what is done to what: its name, and what it was and has become. They become JSON: pass
// what others may see, never what was sent. nil leaves what was told before.
func About(ctx context.Context, target string, was, became any) {
	e := of(ctx)
	e.Target = target
	if was != nil {
		e.Was = state(was)
	}
	if became != nil {
		e.Became = state(became)
	}
}

// Told reports whether the context's entry knows what it is about.
func Told(ctx context.Context) bool { return of(ctx).Target != "" }

// By tells the context's entry who acts, once that is known.
func By(ctx context.Context, actor string) { of(ctx).Actor = actor }

// Refuse tells the context's entry that it was refused, and why, where nothing else shows it.
func Refuse(ctx context.Context, code string) {
	e := of(ctx)
	e.Result, e.Code = db.AuditRefused, code
}

// Omit leaves the context's act out of the log: it was no news.
func Omit(ctx context.Context) { of(ctx).Action = "" }

func state(v any) db.AuditState {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		text, _ = json.Marshal(map[string]string{"untold": err.Error()}) // texts can be encoded
	}
	if len(text) > maxState {
		text = fmt.Appendf(nil, `{"untold":"%d bytes"}`, len(text))
	}
	return db.AuditState(text)
}
