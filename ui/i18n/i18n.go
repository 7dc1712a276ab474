// Package i18n finds the words of the screens in the viewer's language. The catalogues are embedded; English is
// complete by definition, and a test holds the others to the same keys and placeholders. It holds no page and
// never fails at run time: a missing text shows its key.
package i18n

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// The languages, as they stand in the lang attribute and in the preference cookie.
const (
	English = "en"
	Chinese = "zh-CN"
)

// Languages lists every language, the default one first.
var Languages = []string{English, Chinese}

//go:embed en.json zh-CN.json
var catalogues embed.FS

var matcher = language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese})

// localizers are loaded when the first text is wanted: most commands of the command line show none, and reading the
// catalogues takes longer than many of them do.
var localizers = sync.OnceValue(func() map[string]*i18n.Localizer {
	b := i18n.NewBundle(language.English)
	b.RegisterUnmarshalFunc("json", json.Unmarshal)
	all := map[string]*i18n.Localizer{}
	for _, lang := range Languages {
		if _, err := b.LoadMessageFileFS(catalogues, lang+".json"); err != nil {
			panic(fmt.Sprintf("cannot load the embedded catalogue %s: %v", lang, err))
		}
		all[lang] = i18n.NewLocalizer(b, lang)
	}
	return all
})

type langKey struct{}

// With returns a context whose texts are in lang; an unknown lang means English.
func With(ctx context.Context, lang string) context.Context {
	if !slices.Contains(Languages, lang) {
		lang = English
	}
	return context.WithValue(ctx, langKey{}, lang)
}

// Lang is the context's language, for the lang attribute.
func Lang(ctx context.Context) string {
	if lang, ok := ctx.Value(langKey{}).(string); ok {
		return lang
	}
	return English
}

// Match picks the language of a request: the preference cookie's value if it names a language, else the best
// of the Accept-Language header.
func Match(acceptLanguage, cookie string) string {
	if slices.Contains(Languages, cookie) {
		return cookie
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return English
	}
	_, index, confidence := matcher.Match(tags...)
	if confidence == language.No {
		return English
	}
	return Languages[index]
}

// T is the text of id; pairs are placeholder names and their values in turn: T(ctx, "k", "Name", v).
func T(ctx context.Context, id string, pairs ...any) string {
	return localize(ctx, &i18n.LocalizeConfig{MessageID: id, TemplateData: data(pairs)})
}

// N is T for a text that depends on a number; {{.Count}} is n unless a pair says what to show for it.
func N(ctx context.Context, id string, n int, pairs ...any) string {
	return localize(ctx, &i18n.LocalizeConfig{MessageID: id, PluralCount: n, TemplateData: data(append([]any{"Count", n}, pairs...))})
}

// Fill is T with the placeholders in a map; it reports false when there is no such text. A placeholder that is
// not in the map is empty.
func Fill(ctx context.Context, id string, args map[string]string) (string, bool) {
	s, err := localizers()[Lang(ctx)].Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: args})
	if err != nil {
		return "", false
	}
	return strings.TrimSpace(s), true
}

func localize(ctx context.Context, c *i18n.LocalizeConfig) string {
	s, err := localizers()[Lang(ctx)].Localize(c)
	if err != nil {
		return "[" + c.MessageID + "]"
	}
	return s
}

func data(pairs []any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}
