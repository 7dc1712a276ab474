package sample

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"hostler/ui/layout"
	"hostler/ui/page"
)

func userPages() []Page {
	return []Page{
		{"/users", false, func(f layout.Frame) templ.Component {
			return page.UsersPage(page.UsersView{Frame: f, Users: users(), Tokens: tokens(), Form: page.UserForm{Role: "operator"}, SecondFactorOf: "administrators"})
		}},
		{"/users/2", false, func(f layout.Frame) templ.Component {
			return page.UserPage(page.UserView{Frame: f, User: users()[1], Sessions: sessions()[1:], Tokens: tokens()[:1]})
		}},
		{"/users/1", false, func(f layout.Frame) templ.Component {
			return page.UserPage(page.UserView{Frame: f, User: users()[0], Last: true, Fields: map[string]string{"role": "Somebody must stay administrator."}})
		}},
		{"/account/second-factor", false, func(f layout.Frame) templ.Component {
			return page.SecondFactorPage(page.SecondFactorView{Frame: f, Required: true, Secret: strings.Repeat("GEZDGNBV", 4), QR: qr(), QRSize: 37, Fields: map[string]string{"code": "This code is wrong, or was used already. Take the next one."}})
		}},
		{"/account/second-factor/made", false, func(f layout.Frame) templ.Component {
			return page.SecondFactorPage(page.SecondFactorView{Frame: f, Since: Now, Codes: 10, Made: slices.Repeat([]string{"Q4MV-7TCE-XAWB-2KPL", "ZR3H-M5NU-6DFY-JS2G"}, 5)})
		}},
		{"/account/second-factor/provider", false, func(f layout.Frame) templ.Component {
			return page.SecondFactorPage(page.SecondFactorView{Frame: f, Provider: true})
		}},
		{"/login/provider", true, func(f layout.Frame) templ.Component {
			return page.LoginPage(page.LoginView{Frame: f, Next: "/", Provider: "login.example.com", Fields: map[string]string{"": "The identity provider does not answer. Try again in a little while."}})
		}},
		{"/login/code", true, func(f layout.Frame) templ.Component {
			return page.LoginCodePage(page.LoginCodeView{Frame: f, Next: "/hosts"})
		}},
		{"/account", false, func(f layout.Frame) templ.Component {
			return page.OwnPage(page.OwnView{
				Frame: f, User: users()[0], Sessions: sessions(), Tokens: tokens()[:1], Roles: page.Roles, Made: strings.Repeat("Zm9v_YmF", 5) + "Ygo",
				Form: page.TokenForm{Role: "operator", Expires: "90"}, Password: map[string]string{"old": "This is not your password."},
			})
		}},
	}
}

// qr draws what looks like a QR code.
func qr() string {
	var b strings.Builder
	for i := range 29 * 29 {
		if x, y := i%29, i/29; (x*x+y*y*3+x*y)%5 < 2 {
			fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+4, y+4)
		}
	}
	return b.String()
}

func users() []page.User {
	return []page.User{
		{ID: 1, Name: "admin", Role: "administrator", Created: Now.Add(-90 * 24 * time.Hour), LastLogin: Now.Add(-time.Hour), SecondFactor: Now.Add(-20 * 24 * time.Hour)},
		{ID: 2, Name: "bo.lin", Role: "operator", Created: Now.Add(-40 * 24 * time.Hour), LastLogin: Now.Add(-26 * time.Hour), SecondFactor: Now.Add(-2 * time.Hour)},
		{ID: 3, Name: "inspection@example.com", Role: "auditor", Created: Now.Add(-3 * 24 * time.Hour)},
		{ID: 4, Name: "old.colleague", Role: "operator", Disabled: true, Created: Now.Add(-400 * 24 * time.Hour), LastLogin: Now.Add(-80 * 24 * time.Hour)},
	}
}

func tokens() []page.Token {
	return []page.Token{
		{ID: 1, Name: "inventory", Role: "auditor", Owner: "bo.lin", CreatedBy: "bo.lin", LastUsed: Now.Add(-3 * time.Minute), Expires: Now.Add(60 * 24 * time.Hour)},
		{ID: 2, Name: "ci", Role: "operator", CreatedBy: "cli:root", LastUsed: Now.Add(-20 * 24 * time.Hour)},
		{ID: 3, Name: "migration", Role: "administrator", Owner: "admin", CreatedBy: "admin", Expires: Now.Add(-24 * time.Hour)},
	}
}

func sessions() []page.Session {
	return []page.Session{
		{ID: 3, Address: "192.0.2.17", Browser: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Begun: Now.Add(-time.Hour), LastUsed: Now, This: true},
		{ID: 2, Address: "2001:db8::42", Browser: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", Begun: Now.Add(-9 * time.Hour), LastUsed: Now.Add(-2 * time.Hour)},
		{ID: 1, Address: "198.51.100.7", Browser: "", Begun: Now.Add(-11 * time.Hour), LastUsed: Now.Add(-10 * time.Hour)},
	}
}
