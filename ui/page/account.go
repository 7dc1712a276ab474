package page

import "hostler/ui/layout"

// SetupView is GET /setup: the first administrator. Its form posts token, name, password and confirm.
type SetupView struct {
	Frame  layout.Frame
	Token  string // from the one-time link; "" shows a field for it
	Name   string
	Fields map[string]string // field name -> what is wrong, in the viewer's language
}

// LoginView is GET /login. Its form posts name, password and next.
type LoginView struct {
	Frame  layout.Frame
	Name   string
	Next   string
	Fields map[string]string // "name" carries a refused login
}

// ErrorView is the answer to a request that failed, was refused, or found nothing.
type ErrorView struct {
	Frame     layout.Frame
	Status    int    // 403, 404, 409, 422, 429, 500, 503
	RequestID string // finds the log line; may be ""
	Message   string // plain text in the viewer's language; "" shows the status's own
	Hint      string
}
