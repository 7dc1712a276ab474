package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/ui/page"
)

const (
	outputPiece = 256 << 10 // bytes of output in one answer
	partLines   = 2000      // lines of output in one part of a page
	mostFound   = 500       // lines that a search shows of a stream
)

// streamOf reads which stream is meant.
func streamOf(c *gin.Context) (wire.Stream, error) {
	stream := wire.Stream(c.DefaultQuery("stream", string(wire.Stdout)))
	if stream != wire.Stdout && stream != wire.Stderr {
		return "", badQuery("stream", "this must be stdout or stderr")
	}
	return stream, nil
}

// sizeOf is how many bytes a job has written to a stream.
func sizeOf(j *db.Job, stream wire.Stream) int64 {
	if stream == wire.Stderr {
		return j.StderrSize
	}
	return j.StdoutSize
}

// getJobOutput is GET jobs/{id}/output. X-Output-Next is the offset to go on from; ?whole=1 brings all at once. What was
// not kept has a line in its place.
func (w *Web) getJobOutput(c *gin.Context) error {
	ctx := c.Request.Context()
	j, err := w.DB.Job(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	stream, err := streamOf(c)
	if err != nil {
		return err
	}
	offset, err := queryInt(c, "offset", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	if c.Query("whole") != "" {
		return w.sendOutput(c, j, stream, offset)
	}
	text, next, err := w.output(ctx, j, stream, offset, outputPiece)
	if err != nil {
		return err
	}
	c.Header("X-Output-Next", strconv.FormatInt(next, 10))
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
	return nil
}

// sendOutput sends all that there is of a stream, for saving it.
func (w *Web) sendOutput(c *gin.Context, j *db.Job, stream wire.Stream, offset int64) error {
	c.Header("Content-Type", "text/plain; charset=utf-8")
	answer := patientAnswer(c)
	for begun := false; ; begun = true {
		text, next, err := w.output(c.Request.Context(), j, stream, offset, outputPiece)
		if err != nil && begun {
			w.Log.Error("an output was sent in part", "job", j.ID, "error", err)
			panic(http.ErrAbortHandler) // an answer that just ended would pass for a whole one
		}
		if err != nil {
			return err
		}
		if _, err := io.WriteString(answer, text); err != nil || next <= offset {
			return err
		}
		offset = next
	}
}

// output reads about limit bytes of a job's output from an offset on. What was not kept has a line in its place; that of
// the end, once the job has ended.
func (w *Web) output(ctx context.Context, j *db.Job, stream wire.Stream, offset int64, limit int) (text string, next int64, err error) {
	pieces, next, err := w.DB.ReadOutput(ctx, j.ID, stream, offset, limit)
	if err != nil {
		return "", offset, err
	}
	var b strings.Builder
	at := offset
	for _, p := range pieces {
		gap(&b, at, p.Start)
		b.Write(p.Body)
		at = p.Start + int64(len(p.Body))
	}
	if size := sizeOf(j, stream); j.State.Ended() && len(pieces) == 0 && size > next {
		gap(&b, next, size)
		next = size
	}
	return b.String(), next, nil
}

func gap(b *strings.Builder, from, to int64) {
	if to > from {
		fmt.Fprintf(b, "\n[%d bytes were not kept]\n", to-from)
	}
}

// jobOutputPart is GET /jobs/{id}/output: the lines of a stream from ?from= on, as a piece of the job's page.
func (w *Web) jobOutputPart(c *gin.Context) error {
	j, err := w.DB.Job(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	stream, err := streamOf(c)
	if err != nil {
		return err
	}
	from, err := placeOf(c, "from")
	if err != nil {
		return err
	}
	out, err := w.lines(c.Request.Context(), j, stream, from)
	if err != nil {
		return err
	}
	return show(c, http.StatusOK, page.OutputPart(j.ID, out))
}

// placeOf reads "OFFSET.LINE" of the query; the beginning when it is not given.
func placeOf(c *gin.Context, name string) (page.Place, error) {
	text := c.Query(name)
	if text == "" {
		return page.Place{Line: 1}, nil
	}
	offset, line, _ := strings.Cut(text, ".")
	at, err := strconv.ParseInt(offset, 10, 64)
	number, lineErr := strconv.Atoi(line)
	if err != nil || lineErr != nil || at < 0 || number < 1 {
		return page.Place{}, badQuery(name, "this is not a place in the output")
	}
	return page.Place{Offset: at, Line: number}, nil
}

// lines reads a part of a stream for a page.
func (w *Web) lines(ctx context.Context, j *db.Job, stream wire.Stream, from page.Place) (page.Output, error) {
	cut, more, err := w.cut(ctx, j, stream, from)
	if err != nil {
		return page.Output{}, err
	}
	out := page.Output{
		Stream: string(stream), Size: uint64(max(0, sizeOf(j, stream))), First: from.Offset == 0, Lines: cut.lines, Next: cut.next,
		Open: cut.open, More: more,
	}
	if len(out.Lines) > partLines {
		out.Lines, out.Next, out.Open, out.More = out.Lines[:partLines], cut.starts[partLines], false, true
	}
	return out, nil
}

// cut reads about as much of a stream as fits into one answer; more tells that there is more.
func (w *Web) cut(ctx context.Context, j *db.Job, stream wire.Stream, from page.Place) (cut *cutter, more bool, err error) {
	cut = &cutter{next: from, at: from.Offset}
	pieces, next, err := w.DB.ReadOutput(ctx, j.ID, stream, from.Offset, outputPiece)
	if err != nil {
		return nil, false, err
	}
	read := 0
	for _, p := range pieces {
		cut.write(p.Start, p.Body)
		read += len(p.Body)
	}
	switch {
	case read >= outputPiece:
		if len(cut.rest) >= outputPiece {
			cut.end(next) // no answer has room for all of this line
		}
		return cut, true, nil
	case j.State.Ended():
		cut.end(sizeOf(j, stream))
	default:
		cut.showRest()
	}
	return cut, false, nil
}

// cutter cuts the pieces of a stream into lines.
type cutter struct {
	lines  []page.Line
	starts []page.Place // where each of them begins
	next   page.Place   // where the line begins that has no end yet
	at     int64        // the offset behind what was written
	rest   []byte       // of the line that has no end yet
	open   bool         // that line is the last of lines
}

// write takes a piece that begins at an offset.
func (c *cutter) write(start int64, body []byte) {
	c.skip(start)
	for {
		line, after, found := bytes.Cut(body, []byte("\n"))
		c.rest = append(c.rest, line...)
		c.at += int64(len(line))
		if !found {
			return
		}
		c.at++
		c.add(c.line(c.rest), c.at)
		c.rest, body = c.rest[:0], after
	}
}

// skip goes on at an offset; what is before it was not kept.
func (c *cutter) skip(to int64) {
	if to <= c.at {
		return
	}
	if len(c.rest) > 0 {
		c.add(c.line(c.rest), c.at)
		c.rest = c.rest[:0]
	}
	lost := page.Line{Lost: to - c.at}
	c.at = to
	c.add(lost, to)
}

// end closes the last line; nothing more is to come.
func (c *cutter) end(size int64) {
	c.skip(size)
	if len(c.rest) > 0 {
		c.add(c.line(c.rest), c.at)
		c.rest = nil
	}
}

// showRest adds the line that has no end yet; it begins at next all the same.
func (c *cutter) showRest() {
	if len(c.rest) > 0 {
		c.lines, c.starts, c.open = append(c.lines, c.line(c.rest)), append(c.starts, c.next), true
	}
}

func (c *cutter) line(text []byte) page.Line {
	// A carriage return starts a line over, as progress bars do.
	text = bytes.TrimSuffix(text, []byte("\r"))
	text = text[bytes.LastIndexByte(text, '\r')+1:]
	return page.Line{Number: c.next.Line, Text: page.Printable(string(text))}
}

// add notes a line whose successor begins at an offset.
func (c *cutter) add(line page.Line, after int64) {
	c.lines, c.starts = append(c.lines, line), append(c.starts, c.next)
	c.next.Offset = after
	if line.Number > 0 {
		c.next.Line++
	}
}

// findLines looks for the lines of a stream that hold a text, in capitals or not; more tells that there are others.
func (w *Web) findLines(ctx context.Context, j *db.Job, stream wire.Stream, text string) (found page.Output, more bool, err error) {
	text = strings.ToLower(text)
	found = page.Output{Stream: string(stream), Size: uint64(max(0, sizeOf(j, stream))), First: true}
	for from, again := (page.Place{Line: 1}), true; again; {
		var cut *cutter
		if cut, again, err = w.cut(ctx, j, stream, from); err != nil {
			return found, false, err
		}
		for i, line := range cut.lines {
			if line.Number == 0 || !strings.Contains(strings.ToLower(line.Text), text) {
				continue
			}
			if len(found.Lines) == mostFound {
				return found, true, nil
			}
			line.Part = cut.starts[i-i%partLines]
			found.Lines = append(found.Lines, line)
		}
		from = cut.next
	}
	return found, false, nil
}
