package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/bearer"
	setupscripts "hostler/setup-scripts"
	"hostler/ui/page"
)

// handleLength is how much of a token's hash its install.sh is called by: enough that nobody guesses one, and nothing that
// admits a host.
const handleLength = 32

var handlePattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// installScript is GET /install/{handle}: install.sh for a token that is open.
func (w *Web) installScript(c *gin.Context) error {
	handle := c.Param("handle")
	if !handlePattern.MatchString(handle) {
		return db.ErrNotFound
	}
	t, err := w.DB.EnrolTokenByHandle(c.Request.Context(), handle)
	if err != nil {
		return err
	}
	if t.State(w.Options.Now()) != db.EnrolTokenOpen {
		return refuse(http.StatusGone, "token_over", "the enrolment token of this script is of no more use", "make a new token")
	}
	c.Data(http.StatusOK, "text/x-shellscript; charset=utf-8", w.installText())
	return nil
}

func (w *Web) installText() []byte {
	return setupscripts.Install(w.target())
}

// target is this server, as hosts are to reach it.
func (w *Web) target() setupscripts.Target {
	return setupscripts.Target{
		Server: w.Options.Advertise, Handshake: w.Options.HandshakePort, Secured: w.Options.SecuredPort, Pin: w.CA.Pin(),
	}
}

// installCommands are the ways to run install.sh. What is downloaded is not trusted before it proved to be what this page
// was made for; install.sh gets the token by its input. They hold no single quote, so that they can stand in some.
func (w *Web) installCommands(token string) []page.CommandGroup {
	url := "https://" + net.JoinHostPort(w.Options.Advertise, strconv.Itoa(w.Options.HandshakePort)) + wire.PathInstall + bearer.Hash(token)[:handleLength]
	sum := sha256.Sum256(w.installText())
	run := func(download, options, separator string) string {
		return strings.Join([]string{
			`(d=$(mktemp -d) && cd "$d" &&`, download + " " + url + " &&", `echo "` + hex.EncodeToString(sum[:]) + `  install.sh" | sha256sum -c - &&`,
			`printf "%s\n" ` + token + " | sh install.sh" + options + `; r=$?; rm -rf "$d"; exit $r)`,
		}, separator)
	}
	const curl, wget = "curl -fsSk -o install.sh", "wget -q --no-check-certificate -O install.sh"
	indented := "    " + strings.ReplaceAll(run(curl, "", "\n"), "\n", "\n    ")
	return []page.CommandGroup{
		{Family: "any", Commands: []page.Command{{Code: "curl", Text: run(curl, "", "\n")}, {Code: "wget", Text: run(wget, "", "\n")}}},
		{Family: "installer", Commands: []page.Command{
			{Code: "cloud_init", Text: "#cloud-config\nruncmd:\n  - |\n" + indented},
			{Code: "kickstart", Text: "%post --log=/root/hostler-install.log\n" + run(curl, " --no-start", "\n") + "\n%end"},
			{Code: "preseed", Text: "d-i preseed/late_command string in-target sh -c '" + run(wget, " --no-start", " ") + "'"},
		}},
	}
}
