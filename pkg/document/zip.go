package document

import (
	"archive/zip"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"
)

// packing is the level at which sheets are packed: this library's sixth takes less than half the time of the standard library's default, for files that are one part in a hundred larger.
const packing = 6

// orderedZip writes a workbook's archive with its sheets in the order of their names. excelize hands them over in the order of a map,
// different each time. They are packed into a temporary file and copied from there at the end; the small parts go straight through.
type orderedZip struct {
	zip     *zip.Writer
	spool   *os.File
	entries []*spooled
}

// spooled is one sheet, packed, at from in the spool.
type spooled struct {
	name     string
	from     int64
	unpacked uint64
	sum      hash.Hash32
	pack     *flate.Writer
}

func newOrderedZip(w io.Writer) *orderedZip { return &orderedZip{zip: zip.NewWriter(w)} }

// Create begins an entry, and ends the one before it.
func (z *orderedZip) Create(name string) (io.Writer, error) {
	if err := z.endEntry(); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, "xl/worksheets/sheet") {
		return z.zip.Create(name)
	}
	if z.spool == nil {
		var err error
		if z.spool, err = os.CreateTemp("", "makola-xlsx-"); err != nil {
			return nil, err
		}
	}
	from, err := z.spool.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	pack, err := flate.NewWriter(z.spool, packing)
	if err != nil {
		return nil, err
	}
	e := &spooled{name: name, from: from, sum: crc32.NewIEEE(), pack: pack}
	z.entries = append(z.entries, e)
	return e, nil
}

// Write packs what excelize hands over of a sheet.
func (e *spooled) Write(p []byte) (int, error) {
	e.sum.Write(p)
	e.unpacked += uint64(len(p))
	return e.pack.Write(p)
}

func (z *orderedZip) endEntry() error {
	if len(z.entries) == 0 || z.entries[len(z.entries)-1].pack == nil {
		return nil
	}
	e := z.entries[len(z.entries)-1]
	err := e.pack.Close()
	e.pack = nil
	return err
}

// AddFS is asked for by excelize's interface, never by excelize.
func (*orderedZip) AddFS(fs.FS) error { return errors.ErrUnsupported }

// Close copies the sheets from the spool, removes it, and ends the archive.
func (z *orderedZip) Close() (err error) {
	if z.spool != nil {
		defer func() {
			err = errors.Join(err, z.spool.Close(), os.Remove(z.spool.Name()))
			z.spool = nil
		}()
	}
	if err := z.endEntry(); err != nil {
		return err
	}
	ends := make(map[*spooled]int64, len(z.entries))
	for i, e := range z.entries {
		if i+1 < len(z.entries) {
			ends[e] = z.entries[i+1].from
		} else if ends[e], err = z.spool.Seek(0, io.SeekCurrent); err != nil {
			return err
		}
	}
	slices.SortFunc(z.entries, func(a, b *spooled) int { return strings.Compare(a.name, b.name) })
	for _, e := range z.entries {
		packed := ends[e] - e.from
		w, err := z.zip.CreateRaw(&zip.FileHeader{
			Name: e.name, Method: zip.Deflate, CRC32: e.sum.Sum32(), UncompressedSize64: e.unpacked, CompressedSize64: uint64(packed),
		})
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, io.NewSectionReader(z.spool, e.from, packed)); err != nil {
			return fmt.Errorf("copy sheet: %w", err)
		}
	}
	return z.zip.Close()
}
