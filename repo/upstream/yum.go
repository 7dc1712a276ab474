package upstream

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// repomd is repomd.xml.
type repomd struct {
	Revision string `xml:"revision"`
	Data     []struct {
		Type     string `xml:"type,attr"`
		Location struct {
			Href string `xml:"href,attr"`
		} `xml:"location"`
		Checksum  xmlSum  `xml:"checksum"`
		Size      int64   `xml:"size"`
		Timestamp float64 `xml:"timestamp"`
	} `xml:"data"`
}

type xmlSum struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// xmlPackage is a package in primary.xml.
type xmlPackage struct {
	Name     string     `xml:"name"`
	Arch     string     `xml:"arch"`
	Version  xmlVersion `xml:"version"`
	Checksum xmlSum     `xml:"checksum"`
	Size     struct {
		Package int64 `xml:"package,attr"`
	} `xml:"size"`
	Location struct {
		Href string `xml:"href,attr"`
		Base string `xml:"http://www.w3.org/XML/1998/namespace base,attr"`
	} `xml:"location"`
	Format struct {
		Provides   []xmlEntry `xml:"provides>entry"`
		Requires   []xmlEntry `xml:"requires>entry"`
		Recommends []xmlEntry `xml:"recommends>entry"`
		Files      []string   `xml:"file"`
	} `xml:"format"`
}

type xmlVersion struct {
	Epoch   string `xml:"epoch,attr"`
	Version string `xml:"ver,attr"`
	Release string `xml:"rel,attr"`
}

func (v xmlVersion) String() string {
	text := v.Version
	if v.Release != "" {
		text += "-" + v.Release
	}
	if v.Epoch != "" && v.Epoch != "0" {
		text = v.Epoch + ":" + text
	}
	return text
}

type xmlEntry struct {
	Name  string `xml:"name,attr"`
	Flags string `xml:"flags,attr"`
	xmlVersion
}

var xmlOperators = map[string]string{"EQ": "=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}

func (e xmlEntry) relation() Relation {
	r := Relation{Name: e.Name, Operator: xmlOperators[e.Flags]}
	if r.Operator != "" {
		r.Version = e.String()
	}
	return r
}

// readYum reads repomd.xml with its signature, then the primary list.
func (r *Reader) readYum(ctx context.Context) (*Index, error) {
	address := join(r.Source.URL, "repodata/repomd.xml")
	text, err := r.Client.small(ctx, address)
	if err != nil {
		return nil, err
	}
	if isPage(text) {
		return nil, problem(CodePage, address, "a web page came instead of a file")
	}
	if r.Source.Trust == TrustIndex {
		signature, err := r.Client.small(ctx, address+".asc")
		if missing(err) {
			return nil, problem(CodeUnsigned, address, "it has no signature beside it")
		}
		if err == nil {
			err = r.Keys.detached(text, signature, address)
		}
		if err != nil {
			return nil, err
		}
	}
	var md repomd
	if err := xml.Unmarshal(text, &md); err != nil {
		return nil, &Problem{Code: CodeUnreadable, What: address, Cause: "it cannot be understood", Err: err}
	}
	ix := &Index{Kind: Yum}
	seen := map[string]bool{}
	found := false
	for _, data := range md.Data {
		ix.Date = later(ix.Date, time.Unix(int64(data.Timestamp), 0).UTC())
		if data.Type != "primary" {
			continue
		}
		found = true
		sum := Sum{strings.ToLower(data.Checksum.Type), strings.ToLower(strings.TrimSpace(data.Checksum.Text)), data.Size}
		if err := r.list(ctx, data.Location.Href, path.Ext(data.Location.Href), sum, func(plain io.Reader) error { return ix.addXML(plain, &r.Source, seen) }); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, problem(CodeUnreadable, address, "it names no primary list")
	}
	return ix, r.addFiles(ctx, ix, &md)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// eachXML calls do with each element of a name.
func eachXML(plain io.Reader, name string, do func(d *xml.Decoder, start *xml.StartElement) error) error {
	d := xml.NewDecoder(plain)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			if err := do(d, &start); err != nil {
				return err
			}
		}
	}
}

func (ix *Index) addXML(plain io.Reader, source *Source, seen map[string]bool) error {
	return eachXML(plain, "package", func(d *xml.Decoder, start *xml.StartElement) error {
		var x xmlPackage
		if err := d.DecodeElement(&x, start); err != nil {
			return err
		}
		if x.Arch == "src" || x.Arch == "nosrc" || !source.wanted(x.Arch) {
			return nil
		}
		if x.Location.Base != "" {
			return fmt.Errorf("package %.80q is at another address, %.80q", x.Name, x.Location.Base)
		}
		return ix.add(x.taken(), seen)
	})
}

func (x *xmlPackage) taken() *Package {
	p := &Package{
		Name: x.Name, Version: x.Version.String(), Arch: x.Arch, Path: strings.TrimPrefix(x.Location.Href, "./"), files: x.Format.Files,
		Sum: Sum{strings.ToLower(x.Checksum.Type), strings.ToLower(strings.TrimSpace(x.Checksum.Text)), x.Size.Package},
	}
	for _, e := range x.Format.Provides {
		p.provides = append(p.provides, e.relation())
	}
	p.needs, p.weak = p.needsOf(x.Format.Requires), p.needsOf(x.Format.Recommends)
	return p
}

func (p *Package) needsOf(entries []xmlEntry) []need {
	var needs []need
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name, "rpmlib("): // what rpm itself can do
		case strings.HasPrefix(e.Name, "("):
			n, err := richNeed(e.Name)
			if err != nil {
				p.unclear = append(p.unclear, err.Error())
				continue
			}
			needs = append(needs, n)
		default:
			needs = append(needs, need{relation: e.relation()})
		}
	}
	return needs
}

// addFiles finds who owns the files that packages need and the primary list does not tell.
func (r *Reader) addFiles(ctx context.Context, ix *Index, md *repomd) error {
	wanted := ix.unownedFiles()
	if len(wanted) == 0 {
		return nil
	}
	byName := map[string][]*Package{}
	for _, p := range ix.Packages {
		key := p.Sum.Hex
		byName[key] = append(byName[key], p)
	}
	for _, data := range md.Data {
		if data.Type != "filelists" {
			continue
		}
		sum := Sum{strings.ToLower(data.Checksum.Type), strings.ToLower(strings.TrimSpace(data.Checksum.Text)), data.Size}
		return r.list(ctx, data.Location.Href, path.Ext(data.Location.Href), sum, func(plain io.Reader) error {
			return eachXML(plain, "package", func(d *xml.Decoder, start *xml.StartElement) error {
				var x struct {
					ID    string   `xml:"pkgid,attr"`
					Files []string `xml:"file"`
				}
				if err := d.DecodeElement(&x, start); err != nil {
					return err
				}
				for _, file := range x.Files {
					if !wanted[file] {
						continue
					}
					for _, p := range byName[strings.ToLower(x.ID)] {
						p.files = append(p.files, file)
					}
				}
				return nil
			})
		})
	}
	return nil
}

// unownedFiles are the paths that packages need and no package is known to own.
func (ix *Index) unownedFiles() map[string]bool {
	wanted := map[string]bool{}
	var look func(n need)
	look = func(n need) {
		if strings.HasPrefix(n.relation.Name, "/") {
			wanted[n.relation.Name] = true
		}
		for _, part := range n.parts {
			look(part)
		}
	}
	for _, p := range ix.Packages {
		for _, n := range p.needs {
			look(n)
		}
		for _, n := range p.weak {
			look(n)
		}
	}
	for _, p := range ix.Packages {
		for _, file := range p.files {
			delete(wanted, file)
		}
		for _, provided := range p.provides {
			delete(wanted, provided.Name)
		}
	}
	return wanted
}
