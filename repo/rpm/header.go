// Package rpm reads and signs rpm packages (rpm.org, "Package format"). What it reads may come from anybody: every
// size is bounded before it is believed, every offset is checked, and a package counts as whole only when the
// checksums in it fit. It decides nothing about what a package is for.
package rpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Types of values in a header.
const (
	typeChar   = 1
	typeInt8   = 2
	typeInt16  = 3
	typeInt32  = 4
	typeInt64  = 5
	typeString = 6
	typeBinary = 7
	typeList   = 8
	typeI18N   = 9
)

// Bounds of a header. Kernel packages, the largest there are, have some tens of thousands of files.
const (
	maxEntries = 1 << 16
	maxStore   = 32 << 20 // bytes
	maxValues  = 500_000  // of one tag
	entrySize  = 16
	introSize  = 16
)

var headerMagic = []byte{0x8e, 0xad, 0xe8, 0x01}

// Header is one of a package's two headers: values by their tags.
type Header struct {
	raw     []byte // all of it, magic included
	entries map[int32]entry
	store   []byte
	text    string // store as a text, of which all texts are parts
	used    int    // bytes of the store that entries have
}

type entry struct {
	kind   uint32
	offset int
	count  int
}

// readHeader reads a header and checks that everything it points to is in it.
func readHeader(r io.Reader) (*Header, error) {
	intro := make([]byte, introSize)
	if _, err := io.ReadFull(r, intro); err != nil {
		return nil, cut(err)
	}
	if !bytes.Equal(intro[:4], headerMagic) {
		return nil, errors.New("it is damaged: a header does not begin as headers do")
	}
	entries, size := binary.BigEndian.Uint32(intro[8:]), binary.BigEndian.Uint32(intro[12:])
	if entries > maxEntries || size > maxStore {
		return nil, fmt.Errorf("it is refused: a header of %d entries and %d bytes is too large, at most %d and %d are taken", entries, size, maxEntries, maxStore)
	}
	want := int64(entries)*entrySize + int64(size)
	// A reader that grows: a header may promise more than comes.
	rest, err := io.ReadAll(io.LimitReader(r, want))
	if err != nil {
		return nil, err
	}
	if int64(len(rest)) < want {
		return nil, cut(io.ErrUnexpectedEOF)
	}
	index := rest[:entries*entrySize]
	h := &Header{raw: append(intro, rest...), entries: make(map[int32]entry, entries), store: rest[len(index):]}
	h.text = string(h.store)
	for ; len(index) > 0; index = index[entrySize:] {
		if err := h.add(index[:entrySize]); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *Header) add(line []byte) error {
	tag := int32(binary.BigEndian.Uint32(line))
	e := entry{kind: binary.BigEndian.Uint32(line[4:])}
	offset, count := binary.BigEndian.Uint32(line[8:]), binary.BigEndian.Uint32(line[12:])
	if offset > uint32(len(h.store)) || count > uint32(len(h.store)) {
		return fmt.Errorf("it is damaged: the value of tag %d lies outside its header", tag)
	}
	e.offset, e.count = int(offset), int(count)
	if width := widths[e.kind]; width*e.count > len(h.store)-e.offset {
		return fmt.Errorf("it is damaged: the value of tag %d ends outside its header", tag)
	}
	if e.count > maxValues && e.kind != typeBinary {
		return fmt.Errorf("it is refused: tag %d has %d values, at most %d are taken", tag, e.count, maxValues)
	}
	// As rpm has it, no two values share bytes: what is read of a header is no more than what is in it.
	if h.used += h.size(e); h.used > len(h.store) {
		return errors.New("it is damaged: values in its header lie upon each other")
	}
	h.entries[tag] = e
	return nil
}

// size is how many bytes a value has.
func (h *Header) size(e entry) int {
	switch e.kind {
	case typeString, typeList, typeI18N:
		size := 0
		for text := range h.eachText(e) {
			size += len(text) + 1
		}
		return size
	}
	return widths[e.kind] * e.count
}

// eachText walks the texts of a value. A last one that does not end is left out: whatever it is, it is no text.
func (h *Header) eachText(e entry) iter.Seq[string] {
	return func(yield func(string) bool) {
		count := e.count
		switch e.kind {
		case typeList, typeI18N:
		case typeString:
			count = 1
		default:
			return
		}
		rest := h.text[e.offset:]
		for range count {
			text, after, found := strings.Cut(rest, "\x00")
			if !found || !yield(text) {
				return
			}
			rest = after
		}
	}
}

// widths are the bytes of one value; texts end where their zero is, which is looked for when they are read.
var widths = map[uint32]int{typeChar: 1, typeInt8: 1, typeInt16: 2, typeInt32: 4, typeInt64: 8, typeBinary: 1, typeString: 1, typeList: 1, typeI18N: 1}

// Has says whether there is a value for tag.
func (h *Header) Has(tag int32) bool {
	_, found := h.entries[tag]
	return found
}

// Text is a tag's text, the first of several; "" when there is none.
func (h *Header) Text(tag int32) string {
	for text := range h.eachText(h.entries[tag]) {
		return text
	}
	return ""
}

// Texts are a tag's texts.
func (h *Header) Texts(tag int32) []string { return slices.Collect(h.eachText(h.entries[tag])) }

// Count is how many values a tag has.
func (h *Header) Count(tag int32) int { return h.entries[tag].count }

// Numbers are a tag's numbers of two, four or eight bytes; nothing that is read here has shorter ones.
func (h *Header) Numbers(tag int32) []uint64 {
	e := h.entries[tag]
	if e.kind != typeInt16 && e.kind != typeInt32 && e.kind != typeInt64 {
		return nil
	}
	data := h.store[e.offset:]
	numbers := make([]uint64, 0, e.count)
	for range e.count {
		switch e.kind {
		case typeInt16:
			numbers, data = append(numbers, uint64(binary.BigEndian.Uint16(data))), data[2:]
		case typeInt32:
			numbers, data = append(numbers, uint64(binary.BigEndian.Uint32(data))), data[4:]
		case typeInt64:
			numbers, data = append(numbers, binary.BigEndian.Uint64(data)), data[8:]
		}
	}
	return numbers
}

// Number is the first number of the first tag that has one; 0 when none has.
func (h *Header) Number(tags ...int32) uint64 {
	for _, tag := range tags {
		if numbers := h.Numbers(tag); len(numbers) > 0 {
			return numbers[0]
		}
	}
	return 0
}

// bytesOf is a tag's binary value; nil when there is none.
func (h *Header) bytesOf(tag int32) []byte {
	e, found := h.entries[tag]
	if !found || e.kind != typeBinary {
		return nil
	}
	return h.store[e.offset : e.offset+e.count]
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut off")
	}
	return err
}
