package page

import (
	"context"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/layout"
)

// SecondFactorView is GET /account/second-factor. Its forms post to what is below its path: offer (password), confirm (code), codes and
// remove (password and code).
type SecondFactorView struct {
	Frame    layout.Frame
	Since    time.Time // zero: there is none
	Codes    int       // recovery codes that are left
	Required bool      // nothing else is shown to who has none
	Provider bool      // an identity provider tells who it is, and there is no password
	Secret   string    // of one that is offered; "" when none is
	QR       string    // the path of its QR code, in an image of QRSize × QRSize units
	QRSize   int
	Made     []string // recovery codes that were made now; shown once
	Fields   map[string]string
}

// LoginCodeView is GET /login/code. Its form posts code and next.
type LoginCodeView struct {
	Frame  layout.Frame
	Next   string
	Fields map[string]string
}

// SecondFactorRules say of whom a second factor may be required.
var SecondFactorRules = []string{"nobody", "administrators", "everybody"}

// factorOfferTitle says whether the set-up begins, or begins anew.
func factorOfferTitle(ctx context.Context, v SecondFactorView) string {
	if v.Secret != "" {
		return i18n.T(ctx, "factor.anew")
	}
	return i18n.T(ctx, "factor.set_up")
}

func (v SecondFactorView) viewBox() string {
	return "0 0 " + strconv.Itoa(v.QRSize) + " " + strconv.Itoa(v.QRSize)
}

// grouped sets a secret in groups that are easy to type.
func grouped(secret string) string {
	var b strings.Builder
	for i, r := range secret {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
