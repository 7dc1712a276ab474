package account

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

const (
	minPassword = 10
	maxPassword = 256 // hashing more would be a way to keep the server busy
	minVariety  = 5   // different characters
	minSurprise = 9   // characters that do not follow from those before them
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// hashing follows OWASP's Password Storage Cheat Sheet for argon2id: 19 MiB, two passes.
var hashing = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// CheckUser checks a name and a password that are to be set; the error is a *FieldError.
func CheckUser(name, password string) error {
	if !namePattern.MatchString(name) {
		return &FieldError{"name", "name_invalid", "a name has 1 to 64 letters, digits and . _ @ -, and begins with a letter or digit"}
	}
	return CheckPassword(name, password)
}

// CheckPassword checks a password that is to be set for a name; the error is a *FieldError.
func CheckPassword(name, password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return &FieldError{"password", "password_short", fmt.Sprintf("a password has at least %d characters", minPassword)}
	case len(password) > maxPassword:
		return &FieldError{"password", "password_long", fmt.Sprintf("a password has at most %d bytes", maxPassword)}
	case password == name:
		return &FieldError{"password", "password_name", "the password must not be the name"}
	case !surprising(name, password):
		return &FieldError{"password", "password_weak", "the password is too easy to guess: several words that do not belong together are hard to guess and easy to remember"}
	}
	return nil
}

// common are words with which passwords are guessed first. Each counts as one character.
var common = []string{
	"password", "passwort", "passw0rd", "p@ssw0rd", "p@ssword", "administrator", "admin", "root", "welcome", "letmein", "changeme",
	"secret", "default", "hostler", "server", "login", "iloveyou", "monkey", "dragon", "football", "test", "user", "guest",
	"spring", "summer", "autumn", "winter", "january", "monday",
}

// rows are neighbours on a keyboard.
var rows = []string{"qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm"}

// surprising reports whether a password is more than its own name, common words, repetitions and sequences.
func surprising(name, password string) bool {
	text := strings.ToLower(password)
	for _, word := range append([]string{strings.ToLower(name)}, common...) {
		if len(word) > 2 {
			text = strings.ReplaceAll(text, word, "\x00")
		}
	}
	seen := map[rune]bool{}
	surprises := 0
	var last rune
	for i, r := range text {
		if i == 0 || !follows(last, r) {
			surprises++
		}
		seen[r], last = true, r
	}
	return surprises >= minSurprise && len(seen) >= minVariety
}

// follows reports whether a character is to be expected after another: the same, the next, the one before, a neighbour.
func follows(a, b rune) bool {
	if d := a - b; d >= -1 && d <= 1 && (unicode.IsDigit(a) || unicode.IsLetter(a) || d == 0) {
		return true
	}
	for _, row := range rows {
		if strings.Contains(row, string([]rune{a, b})) || strings.Contains(row, string([]rune{b, a})) {
			return true
		}
	}
	return false
}

// hash makes the hash under which a password is kept.
func (a *Accounts) hash(password string) (string, error) {
	a.slots <- struct{}{}
	hash, err := argon2id.CreateHash(password, hashing)
	<-a.slots
	if err != nil {
		return "", fmt.Errorf("cannot hash the password: %w", err)
	}
	return hash, nil
}
