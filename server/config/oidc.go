package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"hostler/server/account"
	"hostler/server/openid"
)

// OIDC are the settings of logins by an OpenID Connect provider.
type OIDC struct {
	Issuer     string // "" for none
	ClientID   string
	SecretFile string
	Scopes     string // separated by commas
	NameClaim  string
	RoleClaim  string
	Roles      string // VALUE=ROLE, separated by commas
	Label      string // of the button
	CA         string // file
}

func (o *OIDC) flags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Issuer, "oidc-issuer", "", "`URL` of an OpenID Connect provider by which people may log in")
	fs.StringVar(&o.ClientID, "oidc-client-id", "hostler", "`name` of this server at the provider")
	fs.StringVar(&o.SecretFile, "oidc-client-secret-file", "", "`file` with the secret that the provider has given this server")
	fs.StringVar(&o.Scopes, "oidc-scopes", "profile,email", "`scopes` to ask for, beside openid")
	fs.StringVar(&o.NameClaim, "oidc-name-claim", "preferred_username", "`claim` that becomes the name of a new account")
	fs.StringVar(&o.RoleClaim, "oidc-role-claim", "groups", "`claim` by whose values roles are given")
	fs.StringVar(&o.Roles, "oidc-roles", "", "which value of the claim gives which role, as in `admins=administrator,ops=operator`; the first that fits counts, * fits everybody")
	fs.StringVar(&o.Label, "oidc-label", "", "`name` of the provider on the login page (default its host)")
	fs.StringVar(&o.CA, "oidc-ca", "", "PEM `file` of the authority of the provider's certificate (default those of the system)")
}

// Rules reads Roles.
func (o *OIDC) Rules() ([]openid.Rule, error) {
	var rules []openid.Rule
	for _, rule := range strings.Split(o.Roles, ",") {
		// A value may hold an equals sign, as distinguished names do; a role holds none.
		i := strings.LastIndexByte(rule, '=')
		if i < 1 {
			return nil, fmt.Errorf("cannot use oidc-roles %q: want VALUE=ROLE, separated by commas", o.Roles)
		}
		value, role := strings.TrimSpace(rule[:i]), strings.TrimSpace(rule[i+1:])
		if !slices.Contains(account.Roles, role) {
			return nil, fmt.Errorf("cannot use oidc-roles %q: the roles are %s", o.Roles, strings.Join(account.Roles, ", "))
		}
		rules = append(rules, openid.Rule{Value: value, Role: role})
	}
	return rules, nil
}

// Name is what the provider is called on the login page.
func (o *OIDC) Name() string {
	if u, err := url.Parse(o.Issuer); err == nil && o.Label == "" {
		return u.Hostname()
	}
	return o.Label
}

// ScopeList is Scopes one by one.
func (o *OIDC) ScopeList() []string {
	return strings.FieldsFunc(o.Scopes, func(r rune) bool { return r == ',' || r == ' ' })
}

func (o *OIDC) validate() []error {
	if o.Issuer == "" {
		return nil
	}
	var errs []error
	if u, err := url.Parse(o.Issuer); err != nil || u.Scheme != "https" || u.Host == "" {
		errs = append(errs, fmt.Errorf("cannot use oidc-issuer %q: want https://NAME", o.Issuer))
	}
	if o.ClientID == "" || o.SecretFile == "" {
		errs = append(errs, fmt.Errorf("cannot use oidc-issuer: oidc-client-id and oidc-client-secret-file are needed, too"))
	}
	if _, err := o.Rules(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// isOrigin tells scheme and host from anything else.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Scheme+"://"+u.Host == text
}
