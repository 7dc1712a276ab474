package component

import (
	"maps"
	"slices"

	"github.com/a-h/templ"
)

// attributes are those that inputs and text areas share. A limit of 0 is no limit.
func attributes(f Input) templ.Attributes {
	a := templ.Attributes{
		"id": f.id(), "name": f.Name, "autocomplete": f.autocomplete(), "aria-describedby": f.describedBy(),
		"required": f.Required, "autofocus": f.Focus,
	}
	if f.Error != "" {
		a["aria-invalid"] = "true"
	}
	if f.Placeholder != "" {
		a["placeholder"] = f.Placeholder
	}
	if f.Mono {
		a["class"] = "mono"
		a["spellcheck"] = "false"
		a["autocapitalize"] = "off"
	}
	for name, limit := range map[string]int{"min": f.Min, "max": f.Max, "maxlength": f.Length} {
		if limit > 0 {
			a[name] = number(limit)
		}
	}
	return a
}

// sorted lists the names of fields; what concerns no single field comes first.
func sorted(fields map[string]string) []string { return slices.Sorted(maps.Keys(fields)) }
