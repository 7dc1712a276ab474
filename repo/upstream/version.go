package upstream

import (
	"strings"

	"hostler/repo/apt"
	"hostler/repo/yum"
)

// Kinds of upstreams.
const (
	Apt = "apt"
	Yum = "yum"
)

// compare orders versions as the package manager of a kind does.
func compare(kind, a, b string) int {
	if kind == Yum {
		return yum.Compare(a, b)
	}
	return apt.Compare(a, b)
}

// fits says whether a version is what a relation wants. An rpm's relation without a release means any.
func fits(kind, have, operator, want string) bool {
	if operator == "" {
		return true
	}
	if kind == Yum {
		if !strings.Contains(want, "-") {
			have, _, _ = strings.Cut(have, "-")
		} else if !strings.Contains(have, "-") {
			want, _, _ = strings.Cut(want, "-")
		}
	}
	order := compare(kind, have, want)
	switch operator {
	case "=":
		return order == 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return false
}
