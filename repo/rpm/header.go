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
	maxStore   = 32 << 20
	entrySize  = 16
	introSize  = 16
)

var headerMagic = []byte{0x8e, 0xad, 0xe8, 0x01}

// Header is one of a package's two headers: values by their tags.
type Header struct {
	raw     []byte // all of it, magic included
	entries map[int32]entry
	store   []byte
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
		return nil, fmt.Errorf("it is refused: a header of %d entries and %d bytes is too large", entries, size)
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
	h.entries[tag] = e
	return nil
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
	if texts := h.texts(tag, 1); len(texts) > 0 {
		return texts[0]
	}
	return ""
}

// Texts are a tag's texts.
func (h *Header) Texts(tag int32) []string { return h.texts(tag, maxStore) }

func (h *Header) texts(tag int32, most int) []string {
	e, found := h.entries[tag]
	if !found || e.kind != typeString && e.kind != typeList && e.kind != typeI18N {
		return nil
	}
	if e.kind == typeString {
		most = 1
	}
	var texts []string
	for rest := h.store[e.offset:]; len(texts) < min(e.count, most); {
		text, after, found := bytes.Cut(rest, []byte{0})
		if !found {
			return texts // the last one does not end: whatever it is, it is no text
		}
		texts, rest = append(texts, string(text)), after
	}
	return texts
}

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
