package web

import (
	"context"
	"strings"

	"hostler/ui/page"
)

// refuseKeys complains about fields in which a private key was pasted that is for another field, and empties them:
// what they hold is stored and sent back.
func refuseKeys(ctx context.Context, fields map[string]string, typed map[string]*string) {
	for name, text := range typed {
		if text != nil && strings.Contains(*text, "PRIVATE KEY-----") {
			fields[name] = page.FieldText(ctx, "key_misplaced")
			*text = ""
		}
	}
}
