package upstream

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Relation is a name, maybe with a version that is wanted or, of what is provided, had.
type Relation struct {
	Name     string
	Operator string // = < <= > >=; "" for any version
	Version  string
}

// String is the relation as people write it.
func (r Relation) String() string {
	if r.Operator == "" {
		return r.Name
	}
	return r.Name + " " + r.Operator + " " + r.Version
}

// need is what a package wants of others: one relation, or several of which all, any one, or all in one package.
type need struct {
	mode     byte // one of the modes
	relation Relation
	parts    []need
}

const (
	modeOne  = iota // the relation
	modeAll         // each of the parts, of whichever packages
	modeAny         // the first of the parts that can be had
	modeSame        // one package that is all of the parts
)

// String is the need as people write it.
func (n need) String() string {
	if n.mode == modeOne {
		return n.relation.String()
	}
	words := make([]string, len(n.parts))
	for i, part := range n.parts {
		words[i] = part.String()
	}
	return strings.Join(words, map[byte]string{modeAll: ", ", modeAny: " | ", modeSame: " with "}[n.mode])
}

// debRelation is one of deb(5)'s relations: name[:arch] [(op version)] [[arch…]] [<profile…>].
var debRelation = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9+.-]*)(?::[a-z0-9-]+)?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([A-Za-z0-9][^)\s]*)\s*\))?(?:\s*\[[^\]]*\])?(?:\s*<[^>]*>)*$`)

// debOperators are deb's that others write otherwise. A bare < or > meant "or equal" once.
var debOperators = map[string]string{"<<": "<", ">>": ">", "<": "<=", ">": ">="}

func parseDebRelation(text string) (Relation, error) {
	parts := debRelation.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return Relation{}, fmt.Errorf("cannot understand the relation %.80q", text)
	}
	operator := parts[2]
	if other, found := debOperators[operator]; found {
		operator = other
	}
	return Relation{parts[1], operator, parts[3]}, nil
}

// debNeeds reads a field such as Depends.
func debNeeds(field string) ([]need, error) {
	var needs []need
	for group := range strings.SplitSeq(field, ",") {
		if group = strings.TrimSpace(group); group == "" {
			continue
		}
		any := need{mode: modeAny}
		for text := range strings.SplitSeq(group, "|") {
			relation, err := parseDebRelation(text)
			if err != nil {
				return needs, err
			}
			any.parts = append(any.parts, need{relation: relation})
		}
		if len(any.parts) == 1 {
			any = any.parts[0]
		}
		needs = append(needs, any)
	}
	return needs, nil
}

// richNeed reads an rpm's boolean dependency (rpm.org, "Boolean Dependencies"). What is wanted only under a condition
// is taken for wanted: a package more than needed does no harm where the packages are to be whole.
func richNeed(text string) (need, error) {
	p := &rich{words: richWords(text)}
	n, err := p.group()
	if err == nil && len(p.words) > 0 {
		err = errors.New("something follows its end")
	}
	if err != nil {
		return need{}, fmt.Errorf("cannot understand the dependency %.120q: %w", text, err)
	}
	return n, nil
}

// richWords takes a boolean dependency apart. Brackets are words where they stand at a word's edge, and part of names such
// as libfoo.so.1()(64bit) where they do not.
func richWords(text string) []string {
	var words []string
	for _, field := range strings.Fields(text) {
		for strings.HasPrefix(field, "(") {
			words, field = append(words, "("), field[1:]
		}
		closing := 0
		for strings.HasSuffix(field, ")") && strings.Count(field, ")") > strings.Count(field, "(") {
			closing, field = closing+1, field[:len(field)-1]
		}
		if field != "" {
			words = append(words, field)
		}
		for range closing {
			words = append(words, ")")
		}
	}
	return words
}

type rich struct {
	words []string
	depth int
}

func (p *rich) next() string {
	if len(p.words) == 0 {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// mostRich bounds how deep boolean dependencies go.
const mostRich = 32

// group reads "( operand [op operand]… )".
func (p *rich) group() (need, error) {
	if p.next() != "(" {
		return need{}, errors.New("it does not begin with a bracket")
	}
	if p.depth++; p.depth > mostRich {
		return need{}, errors.New("it goes too deep")
	}
	defer func() { p.depth-- }()
	first, err := p.operand()
	if err != nil {
		return need{}, err
	}
	operands, operator := []need{first}, ""
	for {
		word := p.next()
		if word == ")" {
			return combine(operator, operands)
		}
		switch {
		case operator == "" || word == operator && (word == "and" || word == "or" || word == "with"):
			operator = word
		case word == "else" && (operator == "if" || operator == "unless"):
		default:
			return need{}, fmt.Errorf("%.40q stands where it means nothing", word)
		}
		operand, err := p.operand()
		if err != nil {
			return need{}, err
		}
		operands = append(operands, operand)
	}
}

func (p *rich) operand() (need, error) {
	if len(p.words) > 0 && p.words[0] == "(" {
		return p.group()
	}
	name := p.next()
	if name == "" || name == ")" {
		return need{}, errors.New("a name is missing")
	}
	r := Relation{Name: name}
	if len(p.words) > 1 {
		switch p.words[0] {
		case "=", "<", "<=", ">", ">=":
			r.Operator, r.Version = p.next(), p.next()
		}
	}
	return need{relation: r}, nil
}

func combine(operator string, operands []need) (need, error) {
	switch operator {
	case "":
		return operands[0], nil
	case "and":
		return need{mode: modeAll, parts: operands}, nil
	case "or":
		return need{mode: modeAny, parts: operands}, nil
	case "with":
		return need{mode: modeSame, parts: operands}, nil
	case "without": // what is to be missing is left to the client
		return operands[0], nil
	case "if", "unless": // A if B else C: A and C, B being the condition
		return need{mode: modeAll, parts: append(operands[:1:1], operands[2:]...)}, nil
	}
	return need{}, fmt.Errorf("%.40q is no operator", operator)
}
