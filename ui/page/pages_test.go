package page_test

import (
	"bytes"
	"regexp"
	"testing"

	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/page"
	"hostler/ui/preview/sample"
)

// What the content security policy forbids, or what a missing text leaves behind.
var forbidden = map[string]*regexp.Regexp{
	"a missing text":       regexp.MustCompile(`\[[a-z_]+(\.[a-z0-9_]+)+\]`),
	"a missing value":      regexp.MustCompile(`<no value>|%!`),
	"an inline style":      regexp.MustCompile(`(?i)<[^>]+\sstyle=|<style`),
	"an inline handler":    regexp.MustCompile(`(?i)<[^>]+\son[a-z]+=`),
	"an inline script":     regexp.MustCompile(`(?i)<script>|<script[^>]*>[^<]|javascript:`),
	"a script from abroad": regexp.MustCompile(`(?i)(src|href)="(https?:)?//`),
}

func TestPagesRender(t *testing.T) {
	for _, p := range sample.Pages() {
		for _, lang := range i18n.Languages {
			t.Run(p.Path+" "+lang, func(t *testing.T) {
				f := layout.Frame{User: "admin", CSRF: "the-token", Theme: layout.ThemeDark, Path: p.Path, Now: sample.Now}
				if p.Anonymous {
					f.User = ""
				}
				var b bytes.Buffer
				if err := p.Show(f).Render(i18n.With(t.Context(), lang), &b); err != nil {
					t.Fatal(err)
				}
				for what, pattern := range forbidden {
					if found := pattern.Find(b.Bytes()); found != nil {
						t.Errorf("%s: %s", what, found)
					}
				}
				if !bytes.Contains(b.Bytes(), []byte(`<html lang="`+lang+`" class="pf-v6-theme-dark">`)) {
					t.Error("the page does not say its language and theme")
				}
				checkForms(t, b.Bytes())
				checkIDs(t, b.Bytes())
			})
		}
	}
}

func TestSetupBeginsAtTheFirstBadField(t *testing.T) {
	for _, c := range []struct {
		view page.SetupView
		want string
	}{
		{page.SetupView{Token: "x"}, "name"},
		{page.SetupView{}, "token"},
		{page.SetupView{Token: "x", Fields: map[string]string{"token": "wrong", "password": "short"}}, "token"},
		{page.SetupView{Token: "x", Name: "admin", Fields: map[string]string{"confirm": "differs"}}, "confirm"},
	} {
		var b bytes.Buffer
		if err := page.SetupPage(c.view).Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		focused := regexp.MustCompile(`<input[^>]*\sautofocus[^>]*>`).FindAllString(b.String(), -1)
		if len(focused) != 1 || !regexp.MustCompile(`\sname="`+c.want+`"`).MatchString(focused[0]) {
			t.Errorf("%+v: the focus is in %v, want %s", c.view.Fields, focused, c.want)
		}
	}
}

// checkForms holds that every form that changes something carries the token.
func checkForms(t *testing.T, page []byte) {
	t.Helper()
	for _, form := range regexp.MustCompile(`(?s)<form [^>]*method="post".*?</form>`).FindAll(page, -1) {
		if !bytes.Contains(form, []byte(`name="csrf" value="the-token"`)) {
			t.Errorf("a form without token: %.120s", form)
		}
	}
}

func checkIDs(t *testing.T, page []byte) {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllSubmatch(page, -1) {
		if id := string(m[1]); seen[id] {
			t.Errorf("the id %s is there twice", id)
		} else {
			seen[id] = true
		}
	}
}
