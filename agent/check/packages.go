package check

import "context"

// packages asks the package manager whether its database is whole and nothing is half installed.
func (l *look) packages(ctx context.Context) {
	p := &l.found.Packages
	if said, err, ok := l.tool(ctx, "dpkg", "--audit"); ok && l.exists("var/lib/dpkg/status") {
		p.Manager = "dpkg"
		if err != nil || said != "" {
			p.Broken = clip(said + failureOf(err))
		}
		return
	}
	// A query opens the database and reads from it, which a broken one does not bear; --verifydb takes long on old hosts.
	if said, err, ok := l.tool(ctx, "rpm", "-q", "--whatprovides", "/bin/sh"); ok {
		p.Manager = "rpm"
		if err != nil {
			p.Broken = clip(said + failureOf(err))
		}
	}
}

func failureOf(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}
