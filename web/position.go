package web

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// position is where a page of a list that is ordered by names ends: its last row's name and, as names may be shared, its
// number. The next page begins behind it, whether that row is still there or not. The zero position is the list's beginning.
type position struct {
	name string
	id   int64
}

// String is the position as ?after= takes it, "NUMBER.NAME"; "" for the beginning.
func (p position) String() string {
	if p == (position{}) {
		return ""
	}
	return strconv.FormatInt(p.id, 10) + "." + p.name
}

func (p position) compare(with position) int {
	return cmp.Or(cmp.Compare(p.name, with.name), cmp.Compare(p.id, with.id))
}

// afterOf reads ?after=.
func afterOf(c *gin.Context) (position, error) { return positionOf(c.Query("after")) }

func positionOf(text string) (p position, err error) {
	if text == "" {
		return p, nil
	}
	number, name, ok := strings.Cut(text, ".")
	p.name = name
	if p.id, err = strconv.ParseInt(number, 10, 64); err != nil || !ok {
		return position{}, badQuery("after", "this is not a place in the list")
	}
	return p, nil
}
