// Package clip cuts texts of others down to what a column, an event or a message may hold.
package clip

import "strings"

// Text is the beginning of a text, at most so many bytes. No character is cut in two, and what no database takes is left
// out: bytes that are no UTF-8, and NUL.
func Text(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
}
