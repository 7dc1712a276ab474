package hostlist

import (
	"iter"
	"strconv"
	"strings"
)

// pattern is a name with brackets: literals and alternatives take turns, beginning and ending with a literal.
type pattern struct {
	literals     []string        // one more than alternatives
	alternatives [][]alternative // per bracket
}

// alternative is one item of a bracket: a literal word or a range of numbers.
type alternative struct {
	word     string // of a literal
	from, to int64
	width    int // digits to pad to; 0 for a literal word
}

const (
	maxDigits   = 18 // keeps the numbers of ranges inside int64
	maxBrackets = 8  // of one name; racks, rows and the like need three or four
)

// parsePattern refuses what no name can come of before anything is expanded: the work and the memory that a
// pattern takes grow with its brackets and its fixed text.
func parsePattern(token string) (pattern, *Problem) {
	var p pattern
	rest := token
	for {
		i := strings.IndexAny(rest, "[]")
		if i < 0 {
			p.literals = append(p.literals, rest)
			return p, p.checkLength(token)
		}
		if rest[i] == ']' {
			return p, problem(CodeBracketClose, token)
		}
		if len(p.alternatives) == maxBrackets {
			return p, problem(CodeBracketMany, token, "limit", strconv.Itoa(maxBrackets))
		}
		p.literals = append(p.literals, rest[:i])
		rest = rest[i+1:]
		end := strings.IndexAny(rest, "[]")
		if end < 0 {
			return p, problem(CodeBracketOpen, token)
		}
		if rest[end] == '[' {
			return p, problem(CodeBracketNested, token)
		}
		alternatives, problem := parseBracket(token, rest[:end])
		if problem != nil {
			return p, problem
		}
		p.alternatives = append(p.alternatives, alternatives)
		rest = rest[end+1:]
	}
}

// checkLength refuses a pattern of which even a name with one character per bracket is too long.
func (p pattern) checkLength(token string) *Problem {
	shortest := len(p.alternatives)
	for _, literal := range p.literals {
		shortest += len(literal)
	}
	if strings.HasSuffix(token, ".") {
		shortest-- // the dot at the end is no part of the name
	}
	if shortest > maxName {
		return problem(CodeNameLength, token, "length", strconv.Itoa(shortest), "limit", strconv.Itoa(maxName))
	}
	return nil
}

// parseBracket reads what is between brackets: "1-4", "a,b,c", "1-3,7,web".
func parseBracket(token, inside string) ([]alternative, *Problem) {
	items := strings.Split(inside, ",")
	alternatives := make([]alternative, 0, len(items))
	for _, item := range items {
		if item == "" {
			return nil, problem(CodeBracketEmpty, token)
		}
		from, to, ranged := strings.Cut(item, "-")
		if !ranged || isHyphenated(from, to, len(items)) {
			alternatives = append(alternatives, alternative{word: item})
			continue
		}
		a, p := parseRange(token, from, to)
		if p != nil {
			return nil, p
		}
		alternatives = append(alternatives, a)
	}
	return alternatives, nil
}

// isHyphenated tells an item of a list that has a hyphen, as in [web-1,db-1], from a range. One such item
// alone, as in [aa-cc], is more likely meant as a range, which is then refused.
func isHyphenated(from, to string, items int) bool {
	return items > 1 && len(from) > 1 && to != "" && from[0] >= 'a' && from[0] <= 'z'
}

func parseRange(token, from, to string) (alternative, *Problem) {
	item := from + "-" + to
	if isLetters(from) && isLetters(to) {
		return alternative{}, problem(CodeRangeLetters, token, "range", item)
	}
	if !isDigits(from) || !isDigits(to) {
		return alternative{}, problem(CodeRangeInvalid, token, "range", item)
	}
	if len(from) > maxDigits || len(to) > maxDigits {
		return alternative{}, problem(CodeRangeDigits, token, "range", item, "limit", strconv.Itoa(maxDigits))
	}
	a := alternative{width: 1}
	a.from, _ = strconv.ParseInt(from, 10, 64)
	a.to, _ = strconv.ParseInt(to, 10, 64)
	if a.from > a.to {
		return alternative{}, problem(CodeRangeReversed, token, "range", item, "mended", to+"-"+from)
	}
	switch {
	case from[0] == '0' && len(from) > 1:
		a.width = len(from)
	case to[0] == '0' && len(to) > 1: // [1-010]: nobody can say how the first number is to be padded
		return alternative{}, problem(CodeRangeInvalid, token, "range", item)
	}
	return a, nil
}

// count says how many names the pattern makes, or limit+1 when it is more than limit.
func (p pattern) count(limit int) int {
	total := int64(1)
	for _, alternatives := range p.alternatives {
		var n int64
		for _, a := range alternatives {
			n += min(a.to-a.from, int64(limit)) + 1
		}
		if total *= n; total > int64(limit) {
			return limit + 1
		}
	}
	return int(total)
}

// names yields every name, the leftmost bracket changing slowest.
func (p pattern) names(yield func(string) bool) {
	p.each(0, "", yield)
}

func (p pattern) each(i int, prefix string, yield func(string) bool) bool {
	prefix += p.literals[i]
	if i == len(p.alternatives) {
		return yield(prefix)
	}
	for _, a := range p.alternatives[i] {
		for word := range a.words() {
			if !p.each(i+1, prefix+word, yield) {
				return false
			}
		}
	}
	return true
}

func (a alternative) words() iter.Seq[string] {
	return func(yield func(string) bool) {
		if a.width == 0 {
			yield(a.word)
			return
		}
		for n := a.from; n <= a.to; n++ {
			digits := strconv.FormatInt(n, 10)
			if pad := a.width - len(digits); pad > 0 {
				digits = strings.Repeat("0", pad) + digits
			}
			if !yield(digits) {
				return
			}
		}
	}
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isLetters(s string) bool { return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == "" }
