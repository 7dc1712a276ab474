package page

import "strconv"

// Place is where a line of a stream begins: its byte offset and its number, 1 for the first.
type Place struct {
	Offset int64
	Line   int
}

// String is how an address names a place.
func (p Place) String() string {
	return strconv.FormatInt(p.Offset, 10) + "." + strconv.Itoa(p.Line)
}

// Line is a line of a stream, or stands for bytes that were not kept.
type Line struct {
	Number int // 0 of one that stands for what was not kept
	Text   string
	Lost   int64 // bytes
	Part   Place // of one that was searched for: where to begin so that the lines before it are seen, too
}

// Output is what is shown of a stream.
type Output struct {
	Stream string // "stdout" or "stderr"
	Lines  []Line
	Size   uint64 // bytes that were written
	First  bool   // it begins with the first line
	Next   Place  // where to go on
	Open   bool   // the last line has no end yet; it begins at Next
	More   bool   // there is more that could be shown
}

// letter begins the addresses of a stream's lines.
func (o Output) letter() string {
	if o.Stream == "stderr" {
		return "E"
	}
	return "L"
}

func (o Output) lineID(n int) string { return o.letter() + strconv.Itoa(n) }

// partPath leads to the page that shows a stream from a place on.
func partPath(jobID, stream string, at Place) string {
	return jobPath(jobID) + "?" + stream + "=" + at.String()
}

// JobValues are the values of topic job.<id>: stdout and stderr, how much was written.
func JobValues(stdout, stderr uint64) map[string]string {
	return map[string]string{"stdout": Bytes(stdout), "stderr": Bytes(stderr)}
}
