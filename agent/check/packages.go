package check

import "context"

// packages asks the package manager whether its database is whole and nothing is half installed.
func (l *look) packages(ctx context.Context) {
	p := &l.found.Packages
	if said := l.tool(ctx, "dpkg", "--audit"); said.there && l.exists("var/lib/dpkg/status") {
		p.Manager = "dpkg"
		if said.err != nil || said.text != "" {
			p.Broken = clip(said.text + failureOf(said.err))
		}
		return
	}
	// A query opens the database and reads from it, which a broken one does not bear; --verifydb takes long on old hosts.
	if said := l.tool(ctx, "rpm", "-q", "--whatprovides", "/bin/sh"); said.there {
		p.Manager = "rpm"
		if said.err != nil {
			p.Broken = clip(said.text + failureOf(said.err))
		}
	}
}

func failureOf(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}
