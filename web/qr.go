package web

import (
	"fmt"
	"strings"

	"github.com/skip2/go-qrcode"
)

// qrPath draws a QR code as the path of an SVG image of size × size units: one rectangle per run of dark modules. An image in the
// page itself needs no request, and the secret in it no address.
func qrPath(text string) (path string, size int, err error) {
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return "", 0, fmt.Errorf("cannot draw the QR code: %w", err)
	}
	rows := code.Bitmap() // with the quiet zone
	var b strings.Builder
	for y, row := range rows {
		for x := 0; x < len(row); x++ {
			run := 0
			for x+run < len(row) && row[x+run] {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x, y, run, run)
				x += run
			}
		}
	}
	return b.String(), len(rows), nil
}
