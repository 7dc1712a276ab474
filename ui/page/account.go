package page

import (
	"context"
	"strconv"

	"hostler/ui/i18n"
	"hostler/ui/layout"
)

// SetupView is GET /setup: the first administrator. Its form posts token, name, password and confirm.
type SetupView struct {
	Frame  layout.Frame
	Token  string // from the one-time link; "" shows a field for it
	Name   string
	Fields map[string]string // field name -> what is wrong, in the viewer's language
}

// focus is the field to begin with: the first that is wrong, or else the first there is.
func (v SetupView) focus() string {
	for _, name := range []string{"token", "name", "password", "confirm"} {
		if v.Fields[name] != "" {
			return name
		}
	}
	if v.Token == "" {
		return "token"
	}
	return "name"
}

// LoginView is GET /login. Its form posts name, password and next.
type LoginView struct {
	Frame  layout.Frame
	Name   string
	Next   string
	Fields map[string]string // "name" carries a refused login, "" one by the provider
	// Provider names the identity provider by which people may log in; "" for none.
	Provider string
}

// providerPath is the login by the identity provider.
func (v LoginView) providerPath() string { return withQuery("/login/provider", "next", v.Next) }

// ErrorView is the answer to a request that failed, was refused, or found nothing.
type ErrorView struct {
	Frame     layout.Frame
	Status    int    // 403, 404, 409, 422, 429, 500, 503
	RequestID string // finds the log line; may be ""
	Message   string // plain text in the viewer's language; "" shows the status's own
	Hint      string
}

func (v ErrorView) status() string { return strconv.Itoa(v.Status) }

func (v ErrorView) title(ctx context.Context) string { return statusText(ctx, v.Status, ".title") }

func (v ErrorView) message(ctx context.Context) string {
	if v.Message != "" {
		return v.Message
	}
	return statusText(ctx, v.Status, ".text")
}

// statusText is the catalogue's text for a status, or for any failure of the server.
func statusText(ctx context.Context, status int, part string) string {
	if s, ok := i18n.Fill(ctx, "error."+strconv.Itoa(status)+part, nil); ok {
		return s
	}
	return i18n.T(ctx, "error.500"+part)
}
