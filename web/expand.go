package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/server/bootstrap/hostlist"
	"hostler/ui/page"
)

// mostTold is how many names an answer tells of each kind that is out of the ordinary.
const mostTold = 200

type expandRequest struct {
	Text string `json:"text"`
	Most int    `json:"most,omitempty"` // how many hosts to tell; 0: all
	// Names says that hosts are named alone, as those are that are managed: no users, no ports, no labels.
	Names bool `json:"names,omitempty"`
}

type expandReply struct {
	Hosts      []string          `json:"hosts"`
	Lines      []string          `json:"lines"` // the same with their users, ports and labels
	Count      int               `json:"count"` // all hosts, told or not
	Errors     []expandError     `json:"errors"`
	Again      int               `json:"again"`      // how often a host was given that was there already
	Duplicates []expandDuplicate `json:"duplicates"` // the first of them
	Managed    []string          `json:"managed"`    // hosts that are managed already, the first of them
	Known      int               `json:"known"`      // how many are
	Format     hostlist.Format   `json:"format"`     // of another program's list, which hosts/import makes one of ours
}

type expandError struct {
	Line    int    `json:"line"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

type expandDuplicate struct {
	Name  string `json:"name"`
	Line  int    `json:"line"`
	First int    `json:"first"`
}

// expandHosts is POST hosts/expand: what a list of hosts stands for.
func (w *Web) expandHosts(c *gin.Context) error {
	var in expandRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	if len(in.Text) > maxHosts {
		return invalid(map[string]string{"text": tooManyBytes(maxHosts)})
	}
	list := hostlist.Read(in.Text)
	known, managed := w.managed(c.Request.Context(), list.Hosts)
	if in.Names {
		list, known, managed = hostlist.List{}, 0, []string{}
		list.Hosts, list.Problems = hostlist.Expand(in.Text)
	}
	told := list.Hosts
	if in.Most > 0 && len(told) > in.Most {
		told = told[:in.Most]
	}
	c.JSON(http.StatusOK, expandReply{
		Hosts: names(told), Lines: listLines(told), Count: len(list.Hosts), Errors: expandErrors(c.Request.Context(), list.Problems),
		Again: list.Again, Duplicates: duplicates(list.Duplicates), Managed: managed, Known: known, Format: hostlist.Recognise(in.Text),
	})
	return nil
}

type importRequest struct {
	Text   string          `json:"text"`
	Format hostlist.Format `json:"format,omitempty"` // "": whatever it is recognised as
}

type importReply struct {
	Format hostlist.Format `json:"format"`
	Text   string          `json:"text"`
	Notes  []expandError   `json:"notes"` // what was left out
}

// importHosts is POST hosts/import: another program's list as one of ours.
func (w *Web) importHosts(c *gin.Context) error {
	var in importRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	fields := map[string]string{}
	if len(in.Text) > maxHosts {
		fields["text"] = tooManyBytes(maxHosts)
	}
	if in.Format != "" && !slices.Contains(hostlist.Formats, in.Format) {
		fields["format"] = "there is no such format"
	}
	refuseKeys(c.Request.Context(), fields, map[string]*string{"text": &in.Text})
	if len(fields) > 0 {
		return invalid(fields)
	}
	made := hostlist.Import(in.Text, in.Format)
	c.JSON(http.StatusOK, importReply{Format: made.Format, Text: made.Text, Notes: expandErrors(c.Request.Context(), made.Notes)})
	return nil
}

func tooManyBytes(most int) string { return "this has more than " + strconv.Itoa(most) + " bytes" }

func expandErrors(ctx context.Context, problems []hostlist.Problem) []expandError {
	out := make([]expandError, len(problems))
	for i, p := range problems {
		out[i] = expandError{Line: p.Line, Code: p.Code, Message: problemText(ctx, p)}
	}
	return out
}

func duplicates(ds []hostlist.Duplicate) []expandDuplicate {
	out := make([]expandDuplicate, len(ds))
	for i, d := range ds {
		out[i] = expandDuplicate(d)
	}
	return out
}

// managed finds those hosts that are managed already: how many they are, and the names of the first.
func (w *Web) managed(ctx context.Context, hosts []hostlist.Host) (n int, first []string) {
	first = []string{}
	known := w.Fleet.AllNames(ctx)
	for _, h := range hosts {
		if !known[h.Name] {
			continue
		}
		if n++; len(first) < mostTold {
			first = append(first, h.Name)
		}
	}
	return n, first
}

// preview expands a list of hosts for a person.
func (w *Web) preview(ctx context.Context, text string) page.Preview {
	list := hostlist.Read(text)
	p := previewed(ctx, list)
	p.Known, p.Managed = w.managed(ctx, list.Hosts)
	return p
}

func previewed(ctx context.Context, list hostlist.List) page.Preview {
	p := page.Preview{Lines: listLines(list.Hosts[:min(len(list.Hosts), mostTold)]), Count: len(list.Hosts), Again: list.Again}
	for _, problem := range list.Problems {
		p.Errors = append(p.Errors, page.PreviewError{Line: problem.Line, Message: problemText(ctx, problem)})
	}
	return p
}

func names(hosts []hostlist.Host) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = h.Name
	}
	return out
}

func listLines(hosts []hostlist.Host) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = h.String()
	}
	return out
}
