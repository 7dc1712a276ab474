package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// secret is a text in a JSON body that is overwritten after use.
type secret []byte

// UnmarshalText copies the text, because the decoder goes on using what it gives.
func (s *secret) UnmarshalText(text []byte) error {
	*s = bytes.Clone(text)
	return nil
}

// decode reads the JSON body of an API call. Fields that the call does not know are refused: a misspelt one would
// otherwise be ignored in silence. The body is overwritten afterwards, because it may hold secrets.
func decode(c *gin.Context, v any) error {
	if c.ContentType() != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "not_json", "the request's Content-Type is not application/json", "")
	}
	return decodeWith(c, v, (*json.Decoder).DisallowUnknownFields)
}

// decodeAgent reads the JSON body of an agent. Unknown fields are ignored, because the agent may be newer.
func decodeAgent(c *gin.Context, v any) error { return decodeWith(c, v, func(*json.Decoder) {}) }

func decodeWith(c *gin.Context, v any, set func(*json.Decoder)) error {
	raw, err := io.ReadAll(c.Request.Body)
	defer clear(raw)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	set(d)
	if err := d.Decode(v); err != nil {
		return decodeError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badJSON("there is something after the end of the JSON value", nil)
	}
	return nil
}

// decodeError tells what is wrong without repeating any value.
func decodeError(err error) error {
	var mismatch *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	name, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case unknown:
		name, _ = strconv.Unquote(name)
		return badJSON("there is no field "+strconv.Quote(name), map[string]string{name: "this field is not known"})
	case errors.As(err, &mismatch):
		want := mismatch.Type.Kind().String()
		return badJSON("a value is not of the right type", map[string]string{mismatch.Field: "this must be of type " + want})
	case errors.As(err, &syntax):
		return badJSON("the JSON is malformed at byte "+strconv.FormatInt(syntax.Offset, 10), nil)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badJSON("the JSON ends too early", nil)
	}
	return badJSON("the JSON cannot be read", nil)
}

func badJSON(message string, fields map[string]string) *failure {
	f := refuse(http.StatusBadRequest, "bad_json", message, "")
	f.cause.Fields = fields
	return f
}

// pathID reads a number from the path; anything else is not found.
func pathID(c *gin.Context, name string) (int64, error) {
	id, err := strconv.ParseInt(c.Param(name), 10, 64)
	if err != nil || id < 1 {
		return 0, refuse(http.StatusNotFound, "not_found", "there is no such thing", "")
	}
	return id, nil
}

// queryInt reads a number of the query between least and most; fallback when it is not given.
func queryInt(c *gin.Context, name string, fallback, least, most int64) (int64, error) {
	s := c.Query(name)
	if s == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		f := refuse(http.StatusBadRequest, "bad_query", "a parameter is not valid", "")
		f.cause.Fields = map[string]string{name: "this must be a number from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10)}
		return 0, f
	}
	return n, nil
}
