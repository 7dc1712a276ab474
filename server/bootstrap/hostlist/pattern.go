package hostlist

import (
	"strconv"
	"strings"
)

// pattern is a name with brackets: a sequence of literals and choices.
type pattern []part

// part is a literal, or a choice between alternatives.
type part struct {
	literal      string
	alternatives []alternative // nil: a literal
}

// alternative is one item of a bracket: a range of numbers, or a pattern, which may be a word alone.
type alternative struct {
	pattern        pattern // of a word or of what has brackets itself
	from, to, step int64
	width          int // digits to pad to; 0 for a pattern
}

const (
	maxDigits   = 18 // keeps the numbers of ranges inside int64
	maxBrackets = 8  // of one name; racks, rows and the like need three or four
)

// parser reads one pattern.
type parser struct {
	token    string
	rest     string
	brackets int
}

// parsePattern refuses what no name can come of before anything is expanded: the work and the memory that a
// pattern takes grow with its brackets and its fixed text.
func parsePattern(token string) (pattern, *Problem) {
	p := parser{token: token, rest: token}
	all, wrong := p.sequence("[]")
	if wrong != nil {
		return nil, wrong
	}
	if p.rest != "" {
		return nil, problem(CodeBracketClose, token)
	}
	return all, all.checkLength(token)
}

// sequence reads literals and brackets up to one of the stops other than "[", or the end.
func (p *parser) sequence(stops string) (pattern, *Problem) {
	var all pattern
	for {
		i := strings.IndexAny(p.rest, stops)
		if i < 0 {
			i = len(p.rest)
		}
		if i > 0 {
			all = append(all, part{literal: p.rest[:i]})
			p.rest = p.rest[i:]
		}
		if p.rest == "" || p.rest[0] != '[' {
			return all, nil
		}
		alternatives, wrong := p.bracket()
		if wrong != nil {
			return nil, wrong
		}
		all = append(all, part{alternatives: alternatives})
	}
}

// bracket reads "[1-4]", "[a,b,c]", "[1-9/2,db[1-3],web]".
func (p *parser) bracket() ([]alternative, *Problem) {
	if p.brackets++; p.brackets > maxBrackets {
		return nil, problem(CodeBracketMany, p.token, "limit", strconv.Itoa(maxBrackets))
	}
	p.rest = p.rest[1:]
	several := isList(p.rest)
	var alternatives []alternative
	for {
		a, wrong := p.item(several)
		if wrong != nil {
			return nil, wrong
		}
		alternatives = append(alternatives, a)
		if p.rest == "" {
			return nil, problem(CodeBracketOpen, p.token)
		}
		end := p.rest[0] == ']'
		if p.rest = p.rest[1:]; end {
			return alternatives, nil
		}
	}
}

// isList looks for a comma before the bracket's end.
func isList(s string) bool {
	depth := 0
	for _, r := range s {
		switch {
		case r == ',' && depth == 0:
			return true
		case r == '[':
			depth++
		case r == ']':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return false
}

// item reads one alternative, up to the comma or the bracket after it.
func (p *parser) item(several bool) (alternative, *Problem) {
	i := strings.IndexAny(p.rest, "[],")
	if i < 0 {
		return alternative{}, problem(CodeBracketOpen, p.token)
	}
	word := p.rest[:i]
	if p.rest[i] == '[' {
		// "1-[4-9]" looks like a range of numbers that nobody could count.
		if from, ok := strings.CutSuffix(word, "-"); ok && isDigits(from) {
			return alternative{}, problem(CodeBracketNested, p.token)
		}
		nested, wrong := p.sequence("[],")
		return alternative{pattern: nested}, wrong
	}
	p.rest = p.rest[i:]
	if word == "" {
		return alternative{}, problem(CodeBracketEmpty, p.token)
	}
	from, to, ranged := strings.Cut(word, "-")
	if !ranged || isHyphenated(from, to, several) {
		return alternative{pattern: pattern{{literal: word}}}, nil
	}
	return parseRange(p.token, word, from, to)
}

// isHyphenated tells an item of a list that has a hyphen, as in [web-1,db-1], from a range. One such item
// alone, as in [aa-cc], is more likely meant as a range, which is then refused.
func isHyphenated(from, to string, several bool) bool {
	return several && len(from) > 1 && to != "" && from[0] >= 'a' && from[0] <= 'z'
}

// parseRange reads "1-4", "01-10" and, with a step, "1-9/2".
func parseRange(token, item, from, to string) (alternative, *Problem) {
	if isLetters(from) && isLetters(to) {
		return alternative{}, problem(CodeRangeLetters, token, "range", item)
	}
	to, step, stepped := strings.Cut(to, "/")
	if !isDigits(from) || !isDigits(to) || stepped && !isDigits(step) {
		return alternative{}, problem(CodeRangeInvalid, token, "range", item)
	}
	if max(len(from), len(to), len(step)) > maxDigits {
		return alternative{}, problem(CodeRangeDigits, token, "range", item, "limit", strconv.Itoa(maxDigits))
	}
	a := alternative{width: 1, step: 1}
	a.from, _ = strconv.ParseInt(from, 10, 64)
	a.to, _ = strconv.ParseInt(to, 10, 64)
	if stepped {
		a.step, _ = strconv.ParseInt(step, 10, 64)
	}
	switch {
	case a.step == 0:
		return alternative{}, problem(CodeRangeInvalid, token, "range", item)
	case a.from > a.to:
		return alternative{}, problem(CodeRangeReversed, token, "range", item, "mended", strings.Replace(item, from+"-"+to, to+"-"+from, 1))
	case from[0] == '0' && len(from) > 1:
		a.width = len(from)
	case to[0] == '0' && len(to) > 1: // [1-010]: nobody can say how the first number is to be padded
		return alternative{}, problem(CodeRangeInvalid, token, "range", item)
	}
	return a, nil
}

// checkLength refuses a pattern of which even the shortest name is too long.
func (p pattern) checkLength(token string) *Problem {
	shortest := p.shortest()
	if strings.HasSuffix(token, ".") {
		shortest-- // the dot at the end is no part of the name
	}
	if shortest > maxName {
		return problem(CodeNameLength, token, "length", strconv.Itoa(shortest), "limit", strconv.Itoa(maxName))
	}
	return nil
}

func (p pattern) shortest() int {
	n := 0
	for _, part := range p {
		n += len(part.literal)
		least := 0
		for i, a := range part.alternatives {
			length := a.width
			if length == 0 {
				length = a.pattern.shortest()
			}
			if i == 0 || length < least {
				least = length
			}
		}
		n += least
	}
	return n
}

// count says how many names the pattern makes, or limit+1 when it is more than limit.
func (p pattern) count(limit int) int {
	total := int64(1)
	for _, part := range p {
		if part.alternatives == nil {
			continue
		}
		var n int64
		for _, a := range part.alternatives {
			if a.width == 0 {
				n += int64(a.pattern.count(limit))
			} else {
				n += min((a.to-a.from)/a.step, int64(limit)) + 1
			}
		}
		if total *= n; total > int64(limit) {
			return limit + 1
		}
	}
	return int(total)
}

// names yields every name, the leftmost bracket changing slowest.
func (p pattern) names(yield func(string) bool) {
	p.each("", yield)
}

func (p pattern) each(prefix string, yield func(string) bool) bool {
	for i, part := range p {
		if part.alternatives == nil {
			prefix += part.literal
			continue
		}
		after := p[i+1:]
		for _, a := range part.alternatives {
			if !a.each(prefix, func(made string) bool { return after.each(made, yield) }) {
				return false
			}
		}
		return true
	}
	return yield(prefix)
}

func (a alternative) each(prefix string, yield func(string) bool) bool {
	if a.width == 0 {
		return a.pattern.each(prefix, yield)
	}
	for n := a.from; n <= a.to; n += a.step {
		digits := strconv.FormatInt(n, 10)
		if pad := a.width - len(digits); pad > 0 {
			digits = strings.Repeat("0", pad) + digits
		}
		if !yield(prefix + digits) {
			return false
		}
	}
	return true
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isLetters(s string) bool { return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == "" }
