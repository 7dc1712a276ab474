package app

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"hostler/db"
	"hostler/server/openid"
	"hostler/web"
)

// openProvider prepares logins by an identity provider, which need not answer yet.
func (a *App) openProvider(context.Context) error {
	o := a.opts.OIDC
	if o.Issuer == "" {
		return nil
	}
	secret, err := os.ReadFile(o.SecretFile)
	if err != nil {
		return fmt.Errorf("cannot read oidc-client-secret-file: %w", err)
	}
	var authority []byte
	if o.CA != "" {
		if authority, err = os.ReadFile(o.CA); err != nil {
			return fmt.Errorf("cannot read oidc-ca: %w", err)
		}
	}
	rules, err := o.Rules()
	if err != nil {
		return err
	}
	a.provider, err = openid.New(openid.Options{
		Issuer: o.Issuer, ClientID: o.ClientID, Secret: string(bytes.TrimSpace(secret)), Redirect: a.publicURL() + web.PathProviderBack, Scopes: o.ScopeList(),
		NameClaim: o.NameClaim, RoleClaim: o.RoleClaim, Roles: rules, CA: authority, Now: db.Now,
	})
	if err == nil {
		a.log.Info("people may log in by an identity provider", "issuer", o.Issuer, "redirect", a.publicURL()+web.PathProviderBack)
	}
	return err
}

// publicURL is where browsers reach pages.
func (a *App) publicURL() string {
	if a.opts.PublicURL != "" {
		return a.opts.PublicURL
	}
	return a.URL()
}
