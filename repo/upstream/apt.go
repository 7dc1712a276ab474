package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is what a Release file tells (wiki.debian.org/DebianRepository/Format).
type release struct {
	fields map[string]string
	sums   map[string]Sum // by paths below the suite's directory
}

// readApt reads a suite: Release with its signature, then the list of each component and architecture.
func (r *Reader) readApt(ctx context.Context) (*Index, error) {
	base := join(r.Source.URL, "dists/"+r.Source.Suite)
	text, err := r.releaseText(ctx, base)
	if err != nil {
		return nil, err
	}
	rel, err := parseRelease(text)
	if err != nil {
		return nil, &Problem{Code: CodeUnreadable, What: base, Cause: "its Release cannot be understood", Err: err}
	}
	ix := &Index{Kind: Apt, Date: releaseTime(rel.fields["Date"])}
	if until := releaseTime(rel.fields["Valid-Until"]); !r.Source.Expired && !until.IsZero() && r.Now().After(until) {
		return nil, problem(CodeExpired, base, "it says that it is valid until %s only", until.UTC().Format(time.DateOnly))
	}
	lists, err := r.aptLists(rel, base)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, l := range lists {
		if err := r.list(ctx, l.path, l.ending, l.sum, func(plain io.Reader) error { return ix.addStanzas(plain, l.component, &r.Source, seen) }); err != nil {
			return nil, err
		}
	}
	return ix, nil
}

// releaseText fetches Release and holds it against its signature.
func (r *Reader) releaseText(ctx context.Context, base string) ([]byte, error) {
	inline, err := r.Client.small(ctx, base+"/InRelease")
	if err == nil {
		if isPage(inline) {
			return nil, problem(CodePage, base+"/InRelease", "a web page came instead of a file")
		}
		return r.Keys.clear(inline, base+"/InRelease")
	}
	if !missing(err) {
		return nil, err
	}
	text, err := r.Client.small(ctx, base+"/Release")
	if err != nil {
		return nil, err
	}
	if isPage(text) {
		return nil, problem(CodePage, base+"/Release", "a web page came instead of a file")
	}
	if r.Keys == nil {
		return text, nil
	}
	signature, err := r.Client.small(ctx, base+"/Release.gpg")
	if missing(err) {
		return nil, problem(CodeUnsigned, base+"/Release", "it has no signature")
	}
	if err != nil {
		return nil, err
	}
	return text, r.Keys.detached(text, signature, base+"/Release")
}

func missing(err error) bool { return hasCode(err, CodeMissing) }

func changed(err error) bool { return hasCode(err, CodeChanged) || missing(err) }

func hasCode(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

func parseRelease(text []byte) (*release, error) {
	rel := &release{fields: map[string]string{}, sums: map[string]Sum{}}
	field := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" {
			continue
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, value, found := strings.Cut(line, ":")
			if !found {
				return nil, fmt.Errorf("%.80q is no field", line)
			}
			field = name
			rel.fields[name] = strings.TrimSpace(value)
			continue
		}
		kind := map[string]string{"SHA256": "sha256", "SHA512": "sha512"}[field]
		parts := strings.Fields(line)
		if kind == "" || len(parts) != 3 {
			continue
		}
		size, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%.80q tells no size", line)
		}
		if _, found := rel.sums[parts[2]]; !found || kind == "sha256" {
			rel.sums[parts[2]] = Sum{kind, strings.ToLower(parts[0]), size}
		}
	}
	if len(rel.sums) == 0 {
		return nil, errors.New("it lists no files by sha256 or sha512")
	}
	return rel, nil
}

// releaseTime reads a time of a Release file; zero when there is none.
func releaseTime(text string) time.Time {
	for _, layout := range []string{time.RFC1123, time.RFC1123Z, "Mon, _2 Jan 2006 15:04:05 MST", "Mon, _2 Jan 2006 15:04:05 -0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

type aptList struct {
	component, path string // below the upstream's address
	ending          string
	sum             Sum
}

// aptLists finds the lists that are wanted.
func (r *Reader) aptLists(rel *release, base string) ([]aptList, error) {
	components, archs := r.Source.Components, r.Source.Architectures
	if len(components) == 0 {
		components = strings.Fields(rel.fields["Components"])
	}
	has := strings.Fields(rel.fields["Architectures"])
	if len(archs) == 0 {
		archs = has
	} else if slices.Contains(has, "all") && !slices.Contains(archs, "all") {
		archs = append(slices.Clone(archs), "all") // some list these apart; what comes twice counts once
	}
	byHash := rel.fields["Acquire-By-Hash"] == "yes"
	var lists []aptList
	for _, component := range components {
		for _, arch := range archs {
			dir := component + "/binary-" + arch
			name, sum := rel.find(dir)
			if name == "" {
				if arch == "all" {
					continue
				}
				return nil, problem(CodeLacking, base, "it has no list of component %s for %s; components are %s, architectures %s",
					component, arch, rel.fields["Components"], rel.fields["Architectures"])
			}
			l := aptList{component, "dists/" + r.Source.Suite + "/" + dir + "/" + name, path.Ext(name), sum}
			if byHash { // stays when the suite changes meanwhile
				l.path = fmt.Sprintf("dists/%s/%s/by-hash/%s/%s", r.Source.Suite, dir, strings.ToUpper(sum.Kind), sum.Hex)
			}
			lists = append(lists, l)
		}
	}
	if len(lists) == 0 {
		return nil, problem(CodeLacking, base, "it has no components or no architectures")
	}
	return lists, nil
}

// find is the best compressed list of packages in a directory.
func (rel *release) find(dir string) (name string, sum Sum) {
	for _, name := range []string{"Packages.xz", "Packages.gz", "Packages"} {
		if sum, found := rel.sums[dir+"/"+name]; found {
			return name, sum
		}
	}
	return "", Sum{}
}

// addStanzas reads a list of packages.
func (ix *Index) addStanzas(list io.Reader, component string, source *Source, seen map[string]bool) error {
	lines := bufio.NewScanner(list)
	lines.Buffer(make([]byte, 64<<10), mostStanza)
	var stanza strings.Builder
	end := func() error {
		text := stanza.String()
		stanza.Reset()
		if strings.TrimSpace(text) == "" {
			return nil
		}
		p, err := parseStanza(text, component)
		if err != nil || !source.wanted(p.Arch) {
			return err
		}
		return ix.add(p, seen)
	}
	for lines.Scan() {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			if err := end(); err != nil {
				return err
			}
			continue
		}
		if stanza.Len()+len(line) > mostStanza {
			return fmt.Errorf("a package's paragraph has more than %d bytes", mostStanza)
		}
		stanza.WriteString(line + "\n")
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return end()
}

func parseStanza(text, component string) (*Package, error) {
	fields, last := map[string]string{}, ""
	for line := range strings.Lines(text) {
		if line[0] == ' ' || line[0] == '\t' {
			if last != "Description" && last != "" {
				fields[last] += " " + strings.TrimSpace(line)
			}
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return nil, fmt.Errorf("%.80q is no field", line)
		}
		last = name
		fields[name] = strings.TrimSpace(value)
	}
	p := &Package{
		Name: fields["Package"], Version: fields["Version"], Arch: fields["Architecture"], Component: component,
		Path: strings.TrimPrefix(fields["Filename"], "./"), Stanza: text, Sum: Sum{Kind: "sha256", Hex: strings.ToLower(fields["SHA256"])},
	}
	if p.Sum.Hex == "" {
		p.Sum = Sum{Kind: "sha512", Hex: strings.ToLower(fields["SHA512"])}
	}
	var err error
	if p.Sum.Size, err = strconv.ParseInt(fields["Size"], 10, 64); err != nil {
		return nil, fmt.Errorf("package %.80q has no size", p.Name)
	}
	for _, name := range []string{"Pre-Depends", "Depends"} {
		needs, err := debNeeds(fields[name])
		if err != nil {
			p.unclear = append(p.unclear, err.Error())
		}
		p.needs = append(p.needs, needs...)
	}
	if p.weak, err = debNeeds(fields["Recommends"]); err != nil {
		p.unclear = append(p.unclear, err.Error())
	}
	for text := range strings.SplitSeq(fields["Provides"], ",") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if relation, err := parseDebRelation(text); err == nil {
			p.provides = append(p.provides, relation)
		}
	}
	return p, nil
}
