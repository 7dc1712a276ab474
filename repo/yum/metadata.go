package yum

import (
	"bytes"
	_ "embed" // the metadata's templates
	"encoding/xml"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"hostler/repo/piece"
)

// Signer makes the signature of repomd.xml.
type Signer interface {
	DetachedArmored(message []byte) ([]byte, error)
}

//go:embed metadata.tmpl
var source string

// text/template with explicit escaping: html/template would treat the documents as pages.
var templates = template.Must(template.New("metadata").Funcs(template.FuncMap{
	"xml": escape, "attr": escapeAttribute,
}).Parse(source))

func escapeAttribute(text string) (string, error) {
	var out bytes.Buffer
	err := xml.EscapeText(&out, []byte(text))
	return out.String(), err
}

// escape is for text within elements, where createrepo_c leaves quotes and white space as they are.
func escape(text string) (string, error) {
	out, err := escapeAttribute(text)
	return strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&#xA;", "\n", "&#x9;", "\t").Replace(out), err
}

// Kinds are the documents that repomd.xml points to.
var Kinds = []string{"primary", "filelists", "other"}

// document is how a kind's file begins and ends.
var documents = map[string]struct {
	Element, Space string
	RPM            bool
}{
	"primary":   {Element: "metadata", Space: "common", RPM: true},
	"filelists": {Element: "filelists", Space: "filelists"},
	"other":     {Element: "otherdata", Space: "other"},
}

// Text is the package's part of the document of a kind.
func (p Package) Text(kind string) ([]byte, error) {
	var out bytes.Buffer
	err := templates.ExecuteTemplate(&out, kind, p)
	return out.Bytes(), err
}

// RelationList is one of a package's lists of relations, by the name of its element.
type RelationList struct {
	Name      string
	Relations []Relation
}

// RelationLists are all of them, in the order of createrepo_c.
func (p Package) RelationLists() []RelationList {
	return []RelationList{
		{"provides", p.Provides},
		{"requires", p.Requires},
		{"conflicts", p.Conflicts},
		{"obsoletes", p.Obsoletes},
		{"suggests", p.Suggested},
		{"enhances", p.Enhances},
		{"recommends", p.Recommended},
		{"supplements", p.Supplements},
	}
}

// Repository is what metadata is written for.
type Repository struct {
	Date     time.Time // becomes the revision; it must never go back
	Packages []string  // digests
	// Text reads what Package.Text made of the package with a digest.
	Text func(digest, kind string) ([]byte, error)
}

// layout is that of the kept pieces.
const layout = "yum 1 "

// list is one of the documents that repomd.xml points to.
type list struct {
	Type, SHA256, OpenSHA256, Location string
	Size, OpenSize                     int64
	Timestamp                          int64
}

// Write puts the metadata below root/repodata. cache keeps pieces of lists from one time to the next.
func Write(root string, r Repository, cache *piece.Cache, key Signer) error {
	dir := filepath.Join(root, "repodata")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("cannot write the metadata: %w", err)
	}
	var lists []list
	for _, kind := range Kinds {
		made, err := r.writeList(root, kind, cache)
		if err != nil {
			return fmt.Errorf("cannot write the %s list: %w", kind, err)
		}
		lists = append(lists, made)
	}
	var index bytes.Buffer
	err := templates.ExecuteTemplate(&index, "repomd", map[string]any{"Revision": r.Date.Unix(), "Lists": lists})
	if err != nil {
		return fmt.Errorf("cannot write repomd.xml: %w", err)
	}
	signature, err := key.DetachedArmored(index.Bytes())
	if err != nil {
		return fmt.Errorf("cannot sign repomd.xml: %w", err)
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "repomd.xml"), index.Bytes(), 0o600),
		os.WriteFile(filepath.Join(dir, "repomd.xml.asc"), signature, 0o600))
	if err != nil {
		return fmt.Errorf("cannot write repomd.xml: %w", err)
	}
	return nil
}

func (r Repository) writeList(root, kind string, cache *piece.Cache) (list, error) {
	temp := filepath.Join(root, "repodata", kind+".xml.gz")
	zipped, err := piece.Create(temp)
	if err != nil {
		return list{}, err
	}
	plain, err := piece.Create("")
	if err != nil {
		return list{}, err
	}
	err = piece.Join(r.pieces(kind, cache), plain, zipped, nil)
	if err := errors.Join(err, zipped.Close()); err != nil {
		return list{}, err
	}
	made := list{
		Type: kind, SHA256: zipped.SHA256(), OpenSHA256: plain.SHA256(), Size: zipped.Size(), OpenSize: plain.Size(), Timestamp: r.Date.Unix(),
	}
	made.Location = "repodata/" + made.SHA256 + "-" + kind + ".xml.gz"
	return made, os.Rename(temp, filepath.Join(root, filepath.FromSlash(made.Location)))
}

// pieces are the document's beginning, its packages and its end.
func (r Repository) pieces(kind string, cache *piece.Cache) iter.Seq2[piece.Piece, error] {
	return func(yield func(piece.Piece, error) bool) {
		d := documents[kind]
		var begin bytes.Buffer
		err := templates.ExecuteTemplate(&begin, "begin", map[string]any{
			"Element": d.Element, "Space": d.Space, "RPM": d.RPM, "Count": len(r.Packages),
		})
		if err != nil {
			yield(piece.Piece{}, err)
			return
		}
		if !yield(piece.Make(begin.Bytes(), false)) {
			return
		}
		for _, run := range piece.Cut(r.Packages) {
			p, err := cache.Get(piece.Key(layout+kind, run), false, func() ([]byte, error) { return r.text(run, kind) })
			if !yield(p, err) || err != nil {
				return
			}
		}
		yield(piece.Make([]byte("</"+d.Element+">"), false))
	}
}

func (r Repository) text(run []string, kind string) ([]byte, error) {
	var text []byte
	for _, digest := range run {
		part, err := r.Text(digest, kind)
		if err != nil {
			return nil, err
		}
		text = append(text, part...)
	}
	return text, nil
}
