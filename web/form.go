package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/server/bootstrap/answer"
)

// form holds the fields of a form. Secrets stay in byte slices that their taker overwrites; nothing is ever put
// into a file, as the standard library's own reader does with what is large.
type form struct {
	fields   map[string][][]byte
	tooLarge map[string]bool // fields that had more than they may have and are empty now
}

// text is a field's first value; "" when it was not sent.
func (f *form) text(name string) string {
	if vs := f.fields[name]; len(vs) > 0 {
		return string(vs[0])
	}
	return ""
}

// texts are all values of a field.
func (f *form) texts(name string) []string {
	var out []string
	for _, v := range f.fields[name] {
		out = append(out, string(v))
	}
	return out
}

// take hands over a field's first value that is not empty; the form forgets the field.
func (f *form) take(name string) []byte {
	vs := f.fields[name]
	delete(f.fields, name)
	for i, v := range vs {
		if len(v) > 0 {
			for _, other := range vs[i+1:] {
				clear(other)
			}
			return v
		}
	}
	return nil
}

// wipe overwrites all fields that nobody took.
func (f *form) wipe() {
	for _, vs := range f.fields {
		for _, v := range vs {
			clear(v)
		}
	}
}

// fieldLimit is how many bytes a field may have.
func fieldLimit(name string) int64 {
	switch name {
	case "hosts", "hosts_file", "known_hosts", "known_hosts_file":
		return maxHosts
	case "key", "key_file", "jump_key", "jump_key_file", "key_debian", "key_rhel", "key_suse":
		return maxKey
	case "script", "definition", "shown", "envs":
		return maxScript
	case "answers":
		return answer.MaxBytes
	case "file":
		return maxUpload
	}
	return maxField
}

// maxFields bounds how many values a form may have: an operation's page sends one per chosen host.
const maxFields = 20_000

func isForm(c *gin.Context) bool {
	return isMultipart(c) || c.ContentType() == "application/x-www-form-urlencoded"
}

func isMultipart(c *gin.Context) bool { return c.ContentType() == "multipart/form-data" }

// readForm reads the request's form, once.
func readForm(c *gin.Context) (*form, error) {
	if v, ok := c.Get(formKey); ok {
		return v.(*form), nil
	}
	f := &form{fields: map[string][][]byte{}, tooLarge: map[string]bool{}}
	var err error
	switch {
	case isMultipart(c):
		err = f.readParts(c.Request)
	case c.Request.ContentLength == 0:
	case isForm(c):
		err = f.readQuery(c.Request.Body)
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "not_a_form", "the request is no form", "")
	}
	if err != nil {
		f.wipe()
		return nil, err
	}
	c.Set(formKey, f)
	return f, nil
}

// readParts reads multipart/form-data part by part (RFC 7578), each up to its own limit.
func (f *form) readParts(r *http.Request) error {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return malformed("the form has no boundary")
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && n >= maxFields {
			err = errors.New("it has too many fields")
		}
		if err == nil {
			err = f.readPart(part)
		}
		if err != nil {
			return formError(err)
		}
	}
}

func (f *form) readPart(part *multipart.Part) error {
	name := part.FormName()
	if file := part.FileName(); file != "" && len(file) <= maxField {
		f.fields[name+"_name"] = append(f.fields[name+"_name"], []byte(file))
	}
	limit := fieldLimit(name)
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(part, limit+1))
	if err != nil {
		clear(b.Bytes())
		return err
	}
	if n <= limit {
		f.fields[name] = append(f.fields[name], b.Bytes())
		return nil
	}
	clear(b.Bytes())
	f.tooLarge[name] = true
	_, err = io.Copy(io.Discard, part)
	return err
}

// readQuery reads application/x-www-form-urlencoded.
func (f *form) readQuery(body io.Reader) error {
	raw, err := io.ReadAll(body)
	if err != nil {
		return formError(err)
	}
	defer clear(raw)
	if bytes.Count(raw, []byte("&")) >= maxFields {
		return malformed("it has too many fields")
	}
	values, err := url.ParseQuery(string(raw))
	if err != nil {
		return malformed("it is not encoded as forms are")
	}
	for name, vs := range values {
		for _, v := range vs {
			if int64(len(v)) > fieldLimit(name) {
				f.tooLarge[name] = true
				continue
			}
			f.fields[name] = append(f.fields[name], []byte(v))
		}
	}
	return nil
}

func formError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return malformed(strings.TrimPrefix(err.Error(), "multipart: "))
}

func malformed(why string) *failure {
	return refuse(http.StatusBadRequest, "form_malformed", "the form cannot be read: "+why, "")
}
