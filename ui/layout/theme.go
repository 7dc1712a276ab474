package layout

import (
	"context"
	"strings"

	"hostler/ui/i18n"
)

// languageNames are in their own language, whatever the page's is.
var languageNames = map[string]string{i18n.English: "English", i18n.Chinese: "中文"}

func (f Frame) themeClass() string {
	switch f.Theme {
	case ThemeDark:
		return "pf-v6-theme-dark"
	case ThemeLight:
		return "theme-light"
	}
	return "theme-auto"
}

func (f Frame) colorScheme() string {
	switch f.Theme {
	case ThemeDark, ThemeLight:
		return f.Theme
	}
	return "light dark"
}

// nextTheme is what the theme button changes to: auto, light, dark, and round again.
func (f Frame) nextTheme() string {
	switch f.Theme {
	case ThemeLight:
		return ThemeDark
	case ThemeDark:
		return ThemeAuto
	}
	return ThemeLight
}

// at reports whether this page is below the navigation's entry.
func (f Frame) at(path string) bool {
	here, _, _ := strings.Cut(f.Path, "?")
	if path == "/" {
		return here == "/"
	}
	return here == path || strings.HasPrefix(here, path+"/")
}

func navText(ctx context.Context, name string) string { return i18n.T(ctx, "nav."+name) }
