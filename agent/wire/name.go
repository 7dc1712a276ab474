package wire

import "strings"

// MaxChildName bounds a child agent's name, in bytes.
const MaxChildName = 64

const alphanumerics = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// IsChildName says whether a child agent may have that name: it is part of paths on the host.
func IsChildName(text string) bool { return isPathPart(text, "._-", MaxChildName) }

// IsJobID says whether a job may have that id: it names a directory on the host.
func IsJobID(text string) bool { return isPathPart(text, "._-", 128) }

// IsVersion says whether what a job's URL brings may have that version: it names a directory on the host.
func IsVersion(text string) bool { return isPathPart(text, ".+~:_-", 64) }

// isPathPart says whether a text is made of ASCII letters, digits and some marks, which it must not begin with, and has
// at least one byte and at most so many.
func isPathPart(text, marks string, most int) bool {
	return text != "" && len(text) <= most && strings.IndexByte(marks, text[0]) < 0 && strings.Trim(text, alphanumerics+marks) == ""
}
