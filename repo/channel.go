package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hostler/repo/sign"
)

const (
	publicationsDir = "publications"
	currentLink     = "current"
	manifestFile    = "manifest.json"
)

// How long a publication that was superseded stays on the disk, for clients in mid-update: the one before the
// current always, others for a while.
const (
	supersededKeep = time.Hour
	supersededMost = 8
)

// historyMost is how many snapshots back a channel can be rolled.
const historyMost = 20

var publicationName = regexp.MustCompile(`^[0-9]{8}$`)

// manifest says what a publication is. It is not served.
type manifest struct {
	Snapshot  int       `json:"snapshot"`
	Published time.Time `json:"published"` // strictly later than that of the publication before, in whole seconds
	By        string    `json:"by"`
	History   []int     `json:"history,omitempty"` // snapshots that the channel pointed at before, oldest first
	Inputs    string    `json:"inputs"`            // digest of what is not in the snapshot: layout, key, architectures
}

// publication is the index of one snapshot in one channel.
type publication struct {
	name string
	dir  string
	manifest
	files map[string]string // of an archive repository: digests by names
}

// made is when it took the place of the one before; what it says of itself lies back.
func (p *publication) made() time.Time { return p.Published.Add(sign.Backdate) }

// channel is one that is there. shelf is replaced as a whole, under Store.mu.
type channel struct {
	name  string
	dir   string
	shelf []*publication // the current one, then those that it superseded, newest first
}

func (c *channel) current() *publication { return c.shelf[0] }

// Channel describes a channel.
type Channel struct {
	Name      string    `json:"name"`
	Snapshot  int       `json:"snapshot"`
	Packages  int       `json:"packages"`
	Published time.Time `json:"published"`
	By        string    `json:"by"`
	Back      int       `json:"back"` // the snapshot that rolling back leads to; 0: none
}

func (c *channel) describe(r *repository) Channel {
	p := c.current()
	d := Channel{Name: c.name, Snapshot: p.Snapshot, Packages: len(r.snapshots[p.Snapshot].Packages), Published: p.made(), By: p.By}
	for _, number := range slices.Backward(p.History) {
		if r.snapshots[number] != nil {
			d.Back = number
			break
		}
	}
	return d
}

// readChannel reads what a channel serves; nil when it was never published.
func (s *Store) readChannel(r *repository, name string) (*channel, error) {
	c := &channel{name: name, dir: filepath.Join(r.dir, channelsDir, name)}
	// A server that died just before a publication became the current one leaves the link that was to be.
	if err := os.Remove(filepath.Join(c.dir, unfinished+currentLink)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	target, err := os.Readlink(filepath.Join(c.dir, currentLink))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, os.RemoveAll(c.dir) // its first publication was interrupted
	}
	if err != nil {
		return nil, err
	}
	current := filepath.Base(target)
	names, err := c.publications()
	if err != nil {
		return nil, err
	}
	at := slices.Index(names, current)
	if at < 0 {
		return nil, fmt.Errorf("%s points to %q, which is no publication", currentLink, target)
	}
	for _, name := range slices.Backward(names[:at+1]) {
		p, err := s.readPublication(r, filepath.Join(c.dir, publicationsDir, name))
		if err != nil && name == current {
			return nil, err
		}
		if err != nil {
			break // a courtesy: without those before, clients in mid-update start again
		}
		c.shelf = append(c.shelf, p)
	}
	s.tidy(r, c)
	return c, nil
}

func (s *Store) readPublication(r *repository, dir string) (*publication, error) {
	var m manifest
	if err := readJSON(filepath.Join(dir, manifestFile), &m); err != nil {
		return nil, err
	}
	snapshot := r.snapshots[m.Snapshot]
	if snapshot == nil {
		return nil, fmt.Errorf("snapshot %d is missing", m.Snapshot)
	}
	return s.publication(r, dir, m, snapshot), nil
}

// publication is the one in dir, of a snapshot.
func (s *Store) publication(r *repository, dir string, m manifest, snapshot *Snapshot) *publication {
	p := &publication{name: filepath.Base(dir), dir: dir, manifest: m}
	if r.Kind == Archive {
		p.files = map[string]string{}
		for _, digest := range snapshot.Packages {
			p.files[s.packages[digest].File] = digest
		}
	}
	return p
}

// publications lists the finished ones, oldest first.
func (c *channel) publications() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(c.dir, publicationsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if publicationName.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// commit gives the finished publication in stage its name, makes it the current one and returns its directory. After
// an error the former one is current.
func (c *channel) commit(stage string) (string, error) {
	if err := syncTree(stage); err != nil {
		return "", err
	}
	names, err := c.publications()
	if err != nil {
		return "", err
	}
	last := 0
	if len(names) > 0 {
		if last, err = strconv.Atoi(names[len(names)-1]); err != nil {
			return "", err
		}
	}
	name := fmt.Sprintf("%08d", last+1)
	dir := filepath.Join(c.dir, publicationsDir, name)
	if err := os.Rename(stage, dir); err != nil {
		return "", err
	}
	if err := syncFile(filepath.Dir(dir)); err != nil {
		return "", err
	}
	link := filepath.Join(c.dir, unfinished+currentLink)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.Symlink(filepath.Join(publicationsDir, name), link); err != nil {
		return "", err
	}
	return dir, os.Rename(link, filepath.Join(c.dir, currentLink))
}

// tidy is prune where its failure must stop nothing: what is left over only takes room.
func (s *Store) tidy(r *repository, c *channel) {
	if err := s.prune(c); err != nil {
		s.log.Warn("cannot remove superseded indexes; the next publication tries again", "repository", r.Name, "channel", c.name, "err", err)
	}
}

// prune takes superseded publications off the shelf and removes everything that is not on it.
func (s *Store) prune(c *channel) error {
	kept := min(len(c.shelf), 2)
	for kept < min(len(c.shelf), supersededMost) && s.now().Sub(c.shelf[kept-1].made()) < supersededKeep {
		kept++
	}
	var shelf []*publication
	onShelf := map[string]bool{}
	for _, p := range c.shelf[:kept] {
		shelf = append(shelf, p)
		onShelf[p.name] = true
	}
	s.mu.Lock()
	c.shelf = shelf
	s.mu.Unlock()
	entries, err := os.ReadDir(filepath.Join(c.dir, publicationsDir))
	if err != nil {
		return err
	}
	var failed error
	for _, entry := range entries {
		if !onShelf[entry.Name()] || strings.HasPrefix(entry.Name(), unfinished) {
			failed = errors.Join(failed, os.RemoveAll(filepath.Join(c.dir, publicationsDir, entry.Name())))
		}
	}
	return failed
}
