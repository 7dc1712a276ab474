package check

import "strconv"

const (
	fewFiles     = 65536
	tooFewFiles  = 4096
	fewProcesses = 4096
	// unreadable are the rights that a umask must leave to the group for services to share what they install.
	unreadable = 0o050
)

func openFiles(s *subject) Verdict {
	args := []string{"Limit", number(s.OpenFiles)}
	switch {
	case s.OpenFiles == 0:
		return untold
	case s.OpenFiles > 0 && s.OpenFiles < tooFewFiles:
		return fail("few", args...)
	case s.OpenFiles > 0 && s.OpenFiles < fewFiles:
		return warn("few", args...)
	}
	return pass(args...)
}

func processes(s *subject) Verdict {
	args := []string{"Limit", number(s.Processes)}
	switch {
	case s.Processes == 0:
		return untold
	case s.Processes > 0 && s.Processes < fewProcesses:
		return warn("few", args...)
	}
	return pass(args...)
}

// number writes a limit; none is written as the mathematicians do, which needs no translation.
func number(limit int64) string {
	if limit < 0 {
		return "∞"
	}
	return strconv.FormatInt(limit, 10)
}

func umask(s *subject) Verdict {
	mask, err := strconv.ParseUint(s.Umask, 8, 16)
	if err != nil {
		return untold
	}
	if mask&unreadable != 0 && mask&unreadable == unreadable {
		return warn("strict", "Umask", s.Umask)
	}
	return pass("Umask", s.Umask)
}
