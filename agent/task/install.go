package task

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"hostler/agent/cgroup"
	"hostler/agent/command"
	"hostler/agent/download"
	"hostler/agent/install"
	"hostler/agent/owner"
	"hostler/agent/state"
	"hostler/agent/supervise"
	"hostler/agent/wire"
)

// maxPackage bounds a child agent's package, in bytes.
const maxPackage = 4 << 30

// installing is one job that installs or upgrades a child agent.
type installing struct {
	parts *Parts
	work  *Work
	job   *wire.Job
}

// installChild puts a child agent on the host and starts it; upgradeChild does so with one that is there. Both may
// be done again after a crash: everything that counts is in place whole or not at all.
func installChild(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		i := &installing{parts: parts, work: work, job: work.Job}
		sum, err := i.check()
		if err != nil {
			return wire.JobResult{}, err
		}
		return i.do(ctx, sum)
	}
}

func upgradeChild(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	do := installChild(parts)
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		if _, known := find(parts.Children, work.Job.Name); !known && wire.IsChildName(work.Job.Name) {
			return wire.JobResult{}, failed(wire.ErrCodeNoChild, "there is no child agent %s", work.Job.Name)
		}
		return do(ctx, work)
	}
}

func (i *installing) check() (sum []byte, err error) {
	switch {
	case !wire.IsChildName(i.job.Name):
		return nil, badJob("%.80q cannot be a child agent's name", i.job.Name)
	case i.job.Version != "" && !wire.IsVersion(i.job.Version):
		return nil, badJob("%.80q cannot be a version", i.job.Version)
	case i.job.URL == "":
		return nil, badJob("the URL is missing")
	}
	if sum, err = download.ParseChecksum(i.job.Checksum); err != nil {
		return nil, badJob("%w", err)
	}
	if _, err := cgroup.Parse(i.job.Limits); err != nil {
		return nil, failed(wire.ErrCodeDefinition, "the limits cannot be used: %w", err)
	}
	return sum, checkEnvs(i.job.Envs)
}

func (i *installing) do(ctx context.Context, sum []byte) (wire.JobResult, error) {
	f, err := i.fetch(ctx)
	if err != nil {
		return wire.JobResult{}, err
	}
	defer func() { _ = f.Close() }() // only read by now
	format, err := install.Detect(f)
	if err != nil {
		return wire.JobResult{}, err
	}
	if format == install.Archive {
		return wire.JobResult{}, i.tree(ctx, f, sum)
	}
	return i.pack(ctx, format, i.path())
}

// path is where the downloaded file is.
func (i *installing) path() string { return filepath.Join(i.work.Dir, "package") }

// fetch downloads the file into the job's directory, unless an attempt that a crash cut short has done so and a
// package manager is at work with it.
func (i *installing) fetch(ctx context.Context) (f *os.File, err error) {
	if err := os.MkdirAll(i.work.Dir, 0o711); err != nil { //nolint:gosec // as for every job's directory, see package command
		return nil, fmt.Errorf("cannot make the job's directory: %w", err)
	}
	path := i.path()
	if f, err := os.Open(path); err == nil {
		return f, nil // it was given its name when it was whole
	}
	fresh, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot write the package: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, fresh.Close(), os.Remove(path+".new"))
		}
	}()
	source := download.Source{URL: i.job.URL, Checksum: i.job.Checksum, Most: maxPackage}
	if _, err := i.parts.Downloader.Get(ctx, source, fresh); err != nil {
		return nil, err
	}
	if err := fresh.Sync(); err != nil {
		return nil, fmt.Errorf("cannot write the package: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, fmt.Errorf("cannot write the package: %w", err)
	}
	return fresh, nil
}

// switching is the switch to what the job brings. A child agent that somebody has stopped stays so.
func (i *installing) switching() *switching {
	child, known := find(i.parts.Children, i.job.Name)
	return &switching{
		parts: i.parts, name: i.job.Name, envs: i.job.Envs, limits: i.job.Limits,
		restart: !known || child.Status != wire.ChildStopped || i.job.Action == wire.ActionInstall,
	}
}

// tree installs an archive.
func (i *installing) tree(ctx context.Context, f *os.File, sum []byte) error {
	place, name := i.parts.Place, i.job.Name
	tree, err := place.Unpack(ctx, f, name, i.job.Version, hex.EncodeToString(sum))
	if err != nil {
		return err
	}
	s := i.switching()
	s.tree = tree
	text := &i.job.Definition
	if *text == "" {
		if text, err = place.Brought(name, tree); err != nil {
			return err
		}
	}
	defined, err := place.Defined(name)
	if err != nil {
		return err
	}
	switch {
	case text != nil:
		settled, err := place.Settle(name, i.job.Version, *text)
		if err == nil {
			err = checkDefinition(name, settled)
		}
		if err != nil {
			return err
		}
		s.definition = &settled
	case !defined:
		return failed(wire.ErrCodeDefinition, "neither the job nor the archive has a definition of %s", name)
	}
	before, _ := os.Readlink(place.Current(name)) // no link, no tree before
	if err := s.do(ctx); err != nil {
		return err
	}
	return place.Prune(name, before)
}

// pack installs a package through the package manager.
func (i *installing) pack(ctx context.Context, format install.Format, path string) (wire.JobResult, error) {
	named := path + "." + string(format) // package managers go by it
	if err := os.Link(path, named); err != nil && !errors.Is(err, os.ErrExist) {
		return wire.JobResult{}, fmt.Errorf("cannot name the package: %w", err)
	}
	fresh, err := i.parts.Manager.Inspect(ctx, format, named)
	if err != nil {
		return wire.JobResult{}, err
	}
	old, oldPath, err := i.parts.Place.Package(i.job.Name)
	if err != nil {
		return wire.JobResult{}, err
	}
	s := i.switching()
	if i.job.Definition != "" {
		if err := checkDefinition(i.job.Name, i.job.Definition); err != nil {
			return wire.JobResult{}, err
		}
		s.definition = &i.job.Definition
	}
	had, err := i.had(ctx, fresh)
	if err != nil {
		return wire.JobResult{}, err
	}
	sweep := func(ctx context.Context) error { return i.parts.Manager.Sweep(ctx, format, named) }
	undo := func(ctx context.Context) error { return i.undoPackage(ctx, fresh, old, oldPath, had) }
	result, err := i.command(ctx, i.parts.Manager.Install(format, named))
	if err != nil {
		return result, i.afterFailure(ctx, err, fresh, had, undo, sweep)
	}
	if err := sweep(ctx); err != nil { // what was at work before may have been killed
		return result, err
	}
	s.undoFiles = undo
	if err := s.do(ctx); err != nil {
		return result, err
	}
	result.Message = fmt.Sprintf("success; %s %s is installed", fresh.Name, fresh.Version)
	return result, i.parts.Place.KeepPackage(i.job.Name, fresh, named)
}

// had is what the host had of a package before the job, however often that has begun.
func (i *installing) had(ctx context.Context, fresh *install.Package) (string, error) {
	path := filepath.Join(i.work.Dir, "had")
	if content, err := os.ReadFile(path); err == nil {
		return string(content), nil
	}
	had, err := i.parts.Manager.Installed(ctx, fresh.Format, fresh.Name)
	if err != nil {
		return "", err
	}
	return had, state.WriteFile(path, []byte(had), 0o600)
}

// afterFailure undoes what a package manager has done before it failed. Time that is up is no reason to leave that, the
// agent's own end is: the next one goes on with the job.
func (i *installing) afterFailure(
	ctx context.Context, failure error, fresh *install.Package, had string, undo, sweep func(context.Context) error,
) error {
	if isEnding(ctx) {
		return failure
	}
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	has, err := i.parts.Manager.Installed(back, fresh.Format, fresh.Name)
	if err == nil && has == had { // it has done nothing, or was killed before it had done anything whole
		return errors.Join(failure, sweep(back))
	}
	if err == nil {
		err = errors.Join(undo(back), sweep(back))
	}
	if err != nil {
		return fmt.Errorf("%w, and the way back failed: %w", failure, err)
	}
	return fmt.Errorf("%w; what was installed before is in force", failure)
}

// undoPackage installs the package before once more, or removes the new one where there was none. had is what the host
// had of it.
func (i *installing) undoPackage(ctx context.Context, fresh, old *install.Package, oldPath, had string) error {
	undo := i.parts.Manager.Remove(fresh)
	switch {
	case oldPath != "":
		undo = i.parts.Manager.Install(old.Format, oldPath)
	case had != "": // somebody else may have installed it
		return fmt.Errorf("the package %s before it (%s) is not kept", fresh.Name, had)
	}
	spec, err := i.spec(undo)
	if err != nil {
		return err
	}
	outcome, err := command.Run(ctx, filepath.Join(i.work.Dir, "undo"), func() (*command.Spec, error) { return spec, nil }, func() {})
	if err == nil && (outcome.ExitCode == nil || *outcome.ExitCode != 0) {
		err = errors.New("the package manager could not go back")
	}
	return err
}

// command runs the package manager for the job. What a power loss interrupted is put in order by running it again.
func (i *installing) command(ctx context.Context, argv []string) (wire.JobResult, error) {
	prepare := func() (*command.Spec, error) { return i.spec(argv) }
	outcome, err := i.work.Command(ctx, prepare)
	if errors.Is(err, command.ErrLost) {
		if err := command.Reset(i.work.Dir); err != nil {
			return wire.JobResult{}, err
		}
		outcome, err = i.work.Command(ctx, prepare)
	}
	if err != nil {
		return wire.JobResult{}, err
	}
	result, err := resultOf(outcome, i.work)
	if code(err) == wire.ErrCodeExitStatus {
		err = failed(wire.ErrCodeFailed, "the package manager failed: %w", errors.Unwrap(err))
	}
	return result, err
}

func (i *installing) spec(argv []string) (*command.Spec, error) {
	who, err := owner.Find("", "")
	if err != nil {
		return nil, err
	}
	env := who.Environment(i.parts.Manager.Env())
	program, err := findProgram(argv[0], env, "/")
	if err != nil {
		return nil, err
	}
	return &command.Spec{
		Command: append([]string{program}, argv[1:]...), Env: env, Directory: "/", Timeout: i.work.Timeout, Keep: defaultKeep,
	}, nil
}

// uninstallChild stops a child agent and removes it with its package or its tree. It may be done again.
func uninstallChild(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		i := &installing{parts: parts, work: work, job: work.Job}
		name := work.Job.Name
		if !wire.IsChildName(name) {
			return wire.JobResult{}, badJob("%.80q cannot be a child agent's name", name)
		}
		_, known := find(parts.Children, name)
		came, _, err := parts.Place.Package(name)
		if err != nil {
			return wire.JobResult{}, err
		}
		if !known && came == nil && !work.Again {
			return wire.JobResult{}, failed(wire.ErrCodeNoChild, "there is no child agent %s", name)
		}
		// Without its definition it is not started again while it is removed.
		if err := parts.Place.Undefine(name); err != nil {
			return wire.JobResult{}, err
		}
		parts.Children.Reload()
		if err := parts.Children.Remove(ctx, name); err != nil && !errors.Is(err, supervise.ErrNoChild) {
			return wire.JobResult{}, err
		}
		var result wire.JobResult
		if came != nil {
			if result, err = i.command(ctx, parts.Manager.Remove(came)); err != nil {
				return result, err
			}
		}
		return result, parts.Place.Forget(name)
	}
}
