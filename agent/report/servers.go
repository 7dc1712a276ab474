package report

import "slices"

// servers is the list of servers in force: those that a job has set, then agent.ini's. It stays with one that
// works and moves on when it fails.
type servers struct {
	list      []string
	preferred int // how many of the list a job has set
	at        int // index of the one in use
	failed    int // servers that failed in a row
}

// set builds the list anew where it has changed, and begins at its start then.
func (s *servers) set(preferred []string, fallback string) {
	list := slices.Clone(preferred)
	if !slices.Contains(list, fallback) {
		list = append(list, fallback)
	}
	if !slices.Equal(list, s.list) {
		*s = servers{list: list, preferred: len(preferred)}
	}
}

func (s *servers) current() string { return s.list[s.at] }

// source says which list the server in use is from.
func (s *servers) source() string {
	if s.at < s.preferred {
		return "list set by a job"
	}
	return "agent.ini"
}

// next moves on to the next server and says whether that one has not failed in this round.
func (s *servers) next() bool {
	s.at = (s.at + 1) % len(s.list)
	s.failed = (s.failed + 1) % len(s.list)
	return s.failed != 0
}

// works ends the round.
func (s *servers) works() { s.failed = 0 }
