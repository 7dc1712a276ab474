package yum

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // the metadata's templates
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
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

// list is one of the documents that repomd.xml points to.
type list struct {
	Type, SHA256, OpenSHA256, Location string
	Size, OpenSize                     int
	Timestamp                          int64
}

// Write puts the metadata below root/repodata. date becomes the revision; it must never go back.
func Write(root string, date time.Time, packages []Package, key Signer) error {
	dir := filepath.Join(root, "repodata")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("cannot write the metadata: %w", err)
	}
	packages = slices.SortedFunc(slices.Values(packages), func(a, b Package) int {
		return cmp.Or(strings.Compare(path.Base(a.Location), path.Base(b.Location)), strings.Compare(a.Location, b.Location))
	})
	var lists []list
	for _, kind := range []string{"primary", "filelists", "other"} {
		made, err := writeList(root, kind, packages)
		if err != nil {
			return fmt.Errorf("cannot write the %s list: %w", kind, err)
		}
		made.Timestamp = date.Unix()
		lists = append(lists, made)
	}
	var index bytes.Buffer
	err := templates.ExecuteTemplate(&index, "repomd", map[string]any{"Revision": date.Unix(), "Lists": lists})
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

func writeList(root, kind string, packages []Package) (list, error) {
	var plain, zipped bytes.Buffer
	if err := templates.ExecuteTemplate(&plain, kind, packages); err != nil {
		return list{}, err
	}
	w := gzip.NewWriter(&zipped)
	_, err := w.Write(plain.Bytes())
	if err = errors.Join(err, w.Close()); err != nil {
		return list{}, err
	}
	digest, open := sha256.Sum256(zipped.Bytes()), sha256.Sum256(plain.Bytes())
	made := list{
		Type: kind, SHA256: hex.EncodeToString(digest[:]), OpenSHA256: hex.EncodeToString(open[:]),
		Size: zipped.Len(), OpenSize: plain.Len(),
	}
	made.Location = "repodata/" + made.SHA256 + "-" + kind + ".xml.gz"
	return made, os.WriteFile(filepath.Join(root, filepath.FromSlash(made.Location)), zipped.Bytes(), 0o600)
}
