package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/repo"
	"hostler/server/audit"
	"hostler/server/event"
)

const packagesPerPage = 100

type repositoriesReply struct {
	Items []repo.Repository `json:"items"`
}

// repositoryRequest is POST repositories.
type repositoryRequest struct {
	Name          string    `json:"name"`
	Kind          repo.Kind `json:"kind"`
	Architectures []string  `json:"architectures,omitempty"`
	Channels      []string  `json:"channels,omitempty"` // uploads go to the first
	Description   string    `json:"description,omitempty"`
}

type packagesReply struct {
	Snapshot int            `json:"snapshot"`
	Items    []packageReply `json:"items"`
	Next     string         `json:"next"` // for ?after=; "" on the last page
}

// packageReply is a package in the API.
type packageReply struct {
	repo.Package
	Path     string `json:"path"`     // below the repository's address on the enrolment port
	Absent   bool   `json:"absent"`   // it is fetched when somebody asks for it
	Requests int64  `json:"requests"` // since the server started
}

// packageDetailReply is what GET repositories/{repository}/packages/{digest} adds.
type packageDetailReply struct {
	packageReply
	Detail *repo.Detail `json:"detail"`
}

type snapshotsReply struct {
	Items []repo.Listed `json:"items"`
}

// promoteRequest is POST repositories/{repository}/promote: to a snapshot, or to that of another channel.
type promoteRequest struct {
	Channel  string `json:"channel"`
	Snapshot int    `json:"snapshot,omitempty"`
	From     string `json:"from,omitempty"`
	Create   bool   `json:"create,omitempty"` // the channel may be a new one
}

// rollbackRequest is POST repositories/{repository}/rollback. Snapshot is the one that the channel is seen to point at;
// 0 does not ask.
type rollbackRequest struct {
	Channel  string `json:"channel"`
	Snapshot int    `json:"snapshot,omitempty"`
}

// dropRequest is POST repositories/{repository}/drop.
type dropRequest struct {
	Channel  string   `json:"channel,omitempty"`
	Packages []string `json:"packages"` // digests
}

// channelReply is where a channel points at now.
type channelReply struct {
	Channel  string `json:"channel"`
	Snapshot int    `json:"snapshot"`
}

// repoFailure is the answer to what package repo refuses; nil when it is another error.
func repoFailure(err error) *failure {
	var (
		wrong  *repo.FieldError
		bundle *repo.BundleError
		absent *repo.AbsentError
	)
	switch {
	case errors.As(err, &absent):
		return refuse(http.StatusBadGateway, "package_absent", absent.Error(), "check that the upstream answers, then repeat it: what has come is kept")
	case errors.As(err, &bundle):
		return refuse(http.StatusUnprocessableEntity, bundle.Code, bundle.Message, "nothing was changed")
	case errors.As(err, &wrong):
		return invalid(map[string]string{wrong.Field: wrong.Message})
	case errors.Is(err, repo.ErrNotFound):
		return refuse(http.StatusNotFound, "not_found", "there is no such thing", "")
	case errors.Is(err, repo.ErrChanged):
		return refuse(http.StatusConflict, "stale", "somebody else changed this meanwhile", "read it again, then repeat the change")
	case errors.Is(err, repo.ErrFull):
		return fullDisk
	}
	return nil
}

// listRepositories is GET repositories.
func (w *Web) listRepositories(c *gin.Context) error {
	c.JSON(http.StatusOK, repositoriesReply{w.Repo.Repositories()})
	return nil
}

// getRepository is GET repositories/{repository}.
func (w *Web) getRepository(c *gin.Context) error {
	r, err := w.Repo.Repository(c.Param("repository"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, r)
	return nil
}

// getWatchedFolder is GET watched-folder.
func (w *Web) getWatchedFolder(c *gin.Context) error {
	c.JSON(http.StatusOK, w.Folder.Status())
	return nil
}

// createRepository is POST repositories.
func (w *Web) createRepository(c *gin.Context) error {
	var in repositoryRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	if err := w.makeRepository(c, in); err != nil {
		return err
	}
	r, err := w.Repo.Repository(in.Name)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, r)
	return nil
}

func (w *Web) makeRepository(c *gin.Context, in repositoryRequest) error {
	err := w.Repo.Create(repo.Definition{
		Name: in.Name, Kind: in.Kind, Architectures: in.Architectures, Description: in.Description, By: identity(c).Name,
	}, in.Channels)
	if err == nil {
		audit.About(c.Request.Context(), in.Name, nil, in)
		w.recordRepository(c, event.RepositoryCreated, in.Name, nil)
	}
	return err
}

// removeRepository is POST repositories/{repository}/remove.
func (w *Web) removeRepository(c *gin.Context) error {
	if err := w.takeRepository(c); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (w *Web) takeRepository(c *gin.Context) error {
	name := c.Param("repository")
	if r, err := w.Repo.Repository(name); err == nil {
		audit.About(c.Request.Context(), name, r, nil)
	}
	err := w.Repo.Remove(name)
	if err == nil {
		err = w.Mirrors.Forget(c.Request.Context(), name)
		w.recordRepository(c, event.RepositoryRemoved, name, nil)
	}
	return err
}

// aboutChannel tells the audit log where a channel points before it is changed.
func (w *Web) aboutChannel(c *gin.Context, channel string) {
	name := c.Param("repository")
	if there, err := w.Repo.Channel(name, channel); err == nil {
		audit.About(c.Request.Context(), name, channelReply{there.Name, there.Snapshot}, nil)
	}
}

// recordRepository records who changed a repository.
func (w *Web) recordRepository(c *gin.Context, kind, name string, params map[string]string) {
	if params != nil {
		audit.About(c.Request.Context(), name, nil, params)
	}
	e := db.Event{Kind: kind, Actor: identity(c).Name, Params: map[string]string{"repository": name}}
	for key, value := range params {
		e.Params[key] = value
	}
	w.Events.Record(context.WithoutCancel(c.Request.Context()), e)
}

// listPackages is GET repositories/{repository}/packages: those of a channel, or of a snapshot.
func (w *Web) listPackages(c *gin.Context) error {
	limit, err := queryInt(c, "limit", packagesPerPage, 1, 1000)
	if err != nil {
		return err
	}
	found, err := w.findPackages(c, c.Query("channel"), int(limit))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, found)
	return nil
}

// findPackages reads the page of packages that the query asks for: snapshot, search, after.
func (w *Web) findPackages(c *gin.Context, channel string, limit int) (*packagesReply, error) {
	name := c.Param("repository")
	snapshot, err := queryInt(c, "snapshot", 0, 1, 1<<31)
	if err != nil {
		return nil, err
	}
	if snapshot == 0 {
		there, err := w.Repo.Channel(name, channel)
		if err != nil {
			return nil, err
		}
		snapshot = int64(there.Snapshot)
	}
	all, err := w.Repo.Contents(name, int(snapshot))
	if err != nil {
		return nil, err
	}
	if after := c.Query("after"); after != "" {
		at := slices.IndexFunc(all, func(p *repo.Package) bool { return p.Digest == after })
		if at < 0 {
			return nil, badQuery("after", "this is not a place in the list")
		}
		all = all[at+1:]
	}
	reply := &packagesReply{Snapshot: int(snapshot), Items: []packageReply{}}
	search := strings.ToLower(c.Query("search"))
	for _, p := range all {
		if search != "" && !strings.Contains(strings.ToLower(p.Name), search) && !strings.Contains(strings.ToLower(p.Summary), search) {
			continue
		}
		if len(reply.Items) == limit {
			reply.Next = reply.Items[limit-1].Digest
			break
		}
		reply.Items = append(reply.Items, w.packageReply(p))
	}
	return reply, nil
}

func (w *Web) packageReply(p *repo.Package) packageReply {
	return packageReply{*p, p.Path(), w.Repo.Absent(p.Digest), w.Repo.Requests(p.Digest)}
}

// getPackage is GET repositories/{repository}/packages/{digest}.
func (w *Web) getPackage(c *gin.Context) error {
	p, err := w.Repo.PackageOf(c.Param("repository"), c.Param("digest"))
	if err != nil {
		return err
	}
	detail, err := w.Repo.Detail(p.Digest)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, packageDetailReply{w.packageReply(p), detail})
	return nil
}

// listSnapshots is GET repositories/{repository}/snapshots.
func (w *Web) listSnapshots(c *gin.Context) error {
	all, err := w.Repo.Snapshots(c.Param("repository"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, snapshotsReply{all})
	return nil
}

// diffSnapshots is GET repositories/{repository}/diff.
func (w *Web) diffSnapshots(c *gin.Context) error {
	d, err := w.findDiff(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, d)
	return nil
}

func (w *Web) findDiff(c *gin.Context) (*repo.Diff, error) {
	from, err := queryInt(c, "from", 0, 1, 1<<31)
	if err != nil {
		return nil, err
	}
	to, err := queryInt(c, "to", 0, 1, 1<<31)
	if err != nil {
		return nil, err
	}
	if from == 0 || to == 0 {
		return nil, badQuery("from", "give the numbers of two snapshots, from and to")
	}
	return w.Repo.Diff(c.Param("repository"), int(from), int(to))
}

// promoteChannel is POST repositories/{repository}/promote.
func (w *Web) promoteChannel(c *gin.Context) error {
	var in promoteRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	snapshot, err := w.promote(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, channelReply{in.Channel, snapshot})
	return nil
}

func (w *Web) promote(c *gin.Context, in promoteRequest) (int, error) {
	name := c.Param("repository")
	if in.From != "" {
		from, err := w.Repo.Channel(name, in.From)
		if err != nil {
			return 0, renamed(err, "channel", "from")
		}
		in.Snapshot = from.Snapshot
	}
	w.aboutChannel(c, in.Channel)
	to := repo.Promotion{Channel: in.Channel, Snapshot: in.Snapshot, Create: in.Create, By: identity(c).Name}
	snapshot, err := w.Repo.Promote(c.Request.Context(), name, to)
	if err == nil {
		w.recordRepository(c, event.RepositoryPromoted, name, map[string]string{"channel": in.Channel, "snapshot": strconv.Itoa(snapshot)})
	}
	return snapshot, err
}

// renamed gives a refusal of a field the name that the request has for it.
func renamed(err error, from, to string) error {
	var wrong *repo.FieldError
	if errors.As(err, &wrong) && wrong.Field == from {
		return &repo.FieldError{Field: to, Code: wrong.Code, Message: wrong.Message}
	}
	return err
}

// rollBackChannel is POST repositories/{repository}/rollback.
func (w *Web) rollBackChannel(c *gin.Context) error {
	var in rollbackRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	snapshot, err := w.rollBack(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, channelReply{in.Channel, snapshot})
	return nil
}

func (w *Web) rollBack(c *gin.Context, in rollbackRequest) (int, error) {
	name := c.Param("repository")
	w.aboutChannel(c, in.Channel)
	snapshot, err := w.Repo.Rollback(c.Request.Context(), name, in.Channel, in.Snapshot, identity(c).Name)
	if err == nil {
		w.recordRepository(c, event.RepositoryRolledBack, name, map[string]string{"channel": in.Channel, "snapshot": strconv.Itoa(snapshot)})
	}
	return snapshot, err
}

// dropPackages is POST repositories/{repository}/drop.
func (w *Web) dropPackages(c *gin.Context) error {
	var in dropRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	reply, err := w.drop(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

func (w *Web) drop(c *gin.Context, in dropRequest) (*channelReply, error) {
	name := c.Param("repository")
	channel, err := w.Repo.Channel(name, in.Channel)
	if err != nil {
		return nil, err
	}
	w.aboutChannel(c, channel.Name)
	snapshot, err := w.Repo.Drop(name, channel.Name, in.Packages, identity(c).Name)
	if err != nil {
		return nil, err
	}
	w.recordRepository(c, event.PackagesDropped, name, map[string]string{
		"channel": channel.Name, "snapshot": strconv.Itoa(snapshot), "count": strconv.Itoa(len(in.Packages)),
	})
	return &channelReply{channel.Name, snapshot}, nil
}
