package mirror

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"

	"hostler/internal/clip"
	"hostler/repo"
	"hostler/repo/upstream"
	"hostler/server/operation"
)

// Codes of failures beside those of package upstream.
const (
	codeGone    = "mirror_gone"
	codeEmpty   = "mirror_empty"
	codeFull    = "mirror_full"
	codePackage = "mirror_package"
	codeTarget  = "mirror_target"
	codeWithout = "mirror_without"
)

// text is what a person is told; "{name}" stands for an argument.
type text struct{ cause, hint string }

var texts = map[string]text{
	codeGone: {
		"The mirror of {mirror} was removed.",
		"Make it again, if it is still wanted.",
	},
	codeEmpty: {
		"Nothing of the upstream is wanted for {mirror}; the channel stays as it is.",
		"Look at the log for names that match nothing, and at the mirror's filters.",
	},
	codeFull: {
		"There is no space left on the server; the channel stays as it is.",
		"Free some space below the data directory, then retry: what was fetched is kept.",
	},
	codePackage: {
		"A package of the upstream cannot be used: {message}",
		"Exclude it from the mirror, or ask whoever runs the upstream.",
	},
	codeTarget: {
		"The repository or the channel that the mirror is for is gone.",
		"Remove the mirror, or make the channel again.",
	},
	codeWithout: {
		"There is a repository at {url}, and {package} is not in it.",
		"Give the address of a mirror of this server's repository, or put the package into yours.",
	},
	upstream.CodeUnreachable: {
		"The upstream does not answer: {message}",
		"Check its address, the network and the proxy, then retry: what was fetched is kept.",
	},
	upstream.CodeMissing: {
		"The upstream has no such file: {message}",
		"Check the address, and the suite of an apt repository. Where it changes just now, retry later.",
	},
	upstream.CodeRefused: {
		"The upstream refuses: {message}",
		"Open the address in a browser, from the server's network.",
	},
	upstream.CodePage: {
		"The upstream answers with a web page, not with a repository: {message}",
		"Check the address. A proxy or a portal that wants somebody to log in does this, too.",
	},
	upstream.CodeAddress: {
		"The upstream leads to an address that this server does not ask: {message}",
		"An upstream on this server itself must be allowed by the setting mirror-allow.",
	},
	upstream.CodeUnsigned: {
		"The upstream's index has no signature: {message}",
		"Let the packages' own signatures vouch for it, if it has rpms, or ask whoever runs it.",
	},
	upstream.CodeSignature: {
		"The upstream's index is not signed by the key that was given: {message}",
		"Make sure that the key is the upstream's. If it is, somebody may have changed what the upstream sends: nothing was taken.",
	},
	upstream.CodeExpired: {
		"The upstream's index is out of date: {message}",
		"Choose an upstream that is kept up to date. For an archive that never changes again, allow it in the mirror.",
	},
	upstream.CodeChanged: {
		"What the upstream sends is not what its index tells: {message}",
		"It may just be changing: retry later. If it stays, somebody may have changed what it sends: nothing of that was taken.",
	},
	upstream.CodeUnreadable: {
		"The upstream's index cannot be understood: {message}",
		"Check that the address is that of a repository of this kind.",
	},
	upstream.CodeLacking: {
		"The upstream does not have what is wanted: {message}",
		"Change the mirror's components or architectures.",
	},
}

// Codes lists the codes of all failures, sorted.
func Codes() []string { return slices.Sorted(maps.Keys(texts)) }

// maxMessage bounds what of a message becomes part of a failure.
const maxMessage = 1000

// fail makes a failure; args are names and values in turn.
func fail(code string, err error, args ...string) *operation.Failure {
	f := &operation.Failure{Code: code, Err: err, Args: map[string]string{}}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		f.Args[args[i]] = args[i+1]
		pairs = append(pairs, "{"+args[i]+"}", args[i+1])
	}
	filled := strings.NewReplacer(pairs...)
	f.Cause, f.Hint = filled.Replace(texts[code].cause), filled.Replace(texts[code].hint)
	return f
}

// explain makes an error that a person can act on a failure.
func (m *Mirrors) explain(err error, w *work) error {
	var (
		p       *upstream.Problem
		refused *repo.RefusedError
		wrong   *repo.FieldError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return fail(p.Code, err, "message", clip.Text(p.Error(), maxMessage))
	case errors.As(err, &refused):
		return fail(codePackage, err, "message", clip.Text(refused.Error(), maxMessage))
	case errors.Is(err, repo.ErrFull), errors.Is(err, syscall.ENOSPC):
		return fail(codeFull, err)
	case errors.Is(err, repo.ErrNotFound), errors.As(err, &wrong):
		return fail(codeTarget, err, "mirror", w.params.Repository+"/"+w.params.Channel)
	}
	return err
}
