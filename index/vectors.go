package index

import (
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/x448/float16"
)

// The file of vectors begins with vectorsMagic, the type of its values and how many a row has,
// and the key by which it and the index know each other. Then come the rows: halves,
// little-endian, padded with zeros to a multiple of eight. A row that no picture has may hold
// anything.
const (
	vectorsMagic  = "saccade vectors\n"
	vectorsHead   = 64 // bytes
	typeHalves    = 1
	mostWidth     = 1 << 16
	pairKey       = "vectors" // of meta
	freedKey      = "freed"   // of meta: how often rows became free
	vectorsSuffix = ".vectors"
)

// vectorsFile is the open file of vectors.
type vectorsFile struct {
	*os.File
	pair  string
	width int // values of a row
}

// stride is the bytes of a row.
func (f *vectorsFile) stride() int64 { return strideOf(f.width) }

// strideOf is the bytes of a row of so many values.
func strideOf(width int) int64 { return int64(2 * ((width + 7) &^ 7)) }

// vectorsPath is where the vectors of an index lie.
func (x *Index) vectorsPath() string { return x.file + vectorsSuffix }

// openVectors opens the file that the index says it belongs to.
func (x *Index) openVectors(pair string, write bool) (*vectorsFile, error) {
	mode := os.O_RDONLY
	if write {
		mode = os.O_RDWR
	}
	path := x.path + vectorsSuffix
	info, err := os.Stat(x.vectorsPath())
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(x.vectorsPath(), mode, 0)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("index %s: its vectors are not there, %s; both belong together: bring it, or remove both", x.path, path)
	}
	if err != nil {
		return nil, fmt.Errorf("index %s: its vectors, %s: %w", x.path, path, reason(err))
	}
	v := &vectorsFile{File: f}
	head := make([]byte, vectorsHead)
	if _, err = io.ReadFull(f, head); err == nil {
		v.width, v.pair = int(binary.LittleEndian.Uint32(head[20:])), string(head[24:40])
	}
	switch {
	case err != nil || string(head[:16]) != vectorsMagic || binary.LittleEndian.Uint32(head[16:]) != typeHalves || v.width < 1 || v.width > mostWidth:
		err = errors.New("it is no file of vectors, or a damaged one")
	case v.pair != pair:
		err = errors.New("it is of another index")
	default:
		return v, nil
	}
	_ = f.Close() // nothing was written
	return nil, fmt.Errorf("index %s: its vectors, %s: %w; bring the one that belongs to it, or remove both", x.path, path, err)
}

// makeVectors makes the file for vectors of a width, which no index that is there knows.
func (x *Index) makeVectors(width int) (*vectorsFile, error) {
	if width < 1 || width > mostWidth {
		return nil, fmt.Errorf("vectors of %d values; expected 1 to %d", width, mostWidth)
	}
	if old, err := os.Open(x.vectorsPath()); err == nil {
		head := make([]byte, 16)
		n, _ := io.ReadFull(old, head) // a short file is another's
		_ = old.Close()                // nothing was written
		if n > 0 && string(head) != vectorsMagic {
			return nil, fmt.Errorf("%s is there and no file of vectors; remove it", x.path+vectorsSuffix)
		}
	}
	f, err := os.Create(x.vectorsPath())
	if err != nil {
		return nil, reason(err)
	}
	key := make([]byte, 8)
	rand.Read(key)
	v := &vectorsFile{File: f, width: width, pair: hex.EncodeToString(key)}
	head := make([]byte, 0, vectorsHead)
	head = append(head, vectorsMagic...)
	head = binary.LittleEndian.AppendUint32(head, typeHalves)
	head = binary.LittleEndian.AppendUint32(head, uint32(width))
	head = append(head, v.pair...)
	_, err = f.Write(append(head, make([]byte, vectorsHead-len(head))...))
	if err != nil {
		_ = f.Close() // the first error counts
		return nil, reason(err)
	}
	return v, nil
}

// rows is how many there is room for.
func (f *vectorsFile) rows() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, reason(err)
	}
	return max(0, info.Size()-vectorsHead) / f.stride(), nil
}

// put writes a row.
func (f *vectorsFile) put(row int64, v []float32) error {
	_, err := f.WriteAt(halves(v), vectorsHead+row*f.stride())
	return reason(err)
}

// halves is a row of the file.
func halves(v []float32) []byte {
	out := make([]byte, strideOf(len(v)))
	for i, x := range v {
		binary.LittleEndian.PutUint16(out[2*i:], float16.Fromfloat32(x).Bits())
	}
	return out
}

// floats are the values of a row.
func floats(row []byte, width int) []float32 {
	v := make([]float32, width)
	for i := range v {
		v[i] = float16.Frombits(binary.LittleEndian.Uint16(row[2*i:])).Float32()
	}
	return v
}

// checkFinite refuses rows with Inf or NaN, which would be nearest to anything or nothing.
func checkFinite(rows []byte) error {
	for i := 1; i < len(rows); i += 2 {
		if rows[i]&0x7c == 0x7c {
			return damage("it holds an embedding with Inf or NaN")
		}
	}
	return nil
}

// placing gives pictures their rows in one transaction.
type placing struct {
	x       *Index
	tx      *sql.Tx
	file    *vectorsFile // nil before the first vector
	free    []int64      // rows that were free before it began
	next    int64        // the first row behind all
	bad     int64        // the number of the next picture without a vector
	freed   bool
	written bool
}

// place begins to give rows to n pictures.
func (x *Index) place(tx *sql.Tx, n int) (*placing, error) {
	p := &placing{x: x, tx: tx}
	rows, err := tx.QueryContext(x.ctx, "SELECT row FROM free ORDER BY row LIMIT ?", n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var row int64
		if err := rows.Scan(&row); err != nil {
			return nil, err
		}
		p.free = append(p.free, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var least, most, free int64
	err = tx.QueryRowContext(x.ctx, "SELECT coalesce((SELECT min(row) FROM pictures), 0), coalesce((SELECT max(row) FROM pictures), -1), coalesce((SELECT max(row) FROM free), -1)").Scan(&least, &most, &free)
	if err != nil {
		return nil, err
	}
	p.bad, p.next = min(least, 0)-1, max(most, free, -1)+1
	if p.next > mostRows || p.bad < -mostRows || len(p.free) > 0 && p.free[0] < 0 {
		return nil, damage("it holds numbers of rows that can't be")
	}
	return p, nil
}

// mostRows is the most rows of an index.
const mostRows = 1 << 40

// forget makes the row of a picture free, if there is one.
func (p *placing) forget(key string) error {
	var row int64
	err := p.tx.QueryRowContext(p.x.ctx, "DELETE FROM pictures WHERE path = ? RETURNING row", key).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil && row >= 0 {
		p.freed = true
		_, err = p.tx.ExecContext(p.x.ctx, "INSERT INTO free VALUES (?)", row)
	}
	return err
}

// row writes a vector to a row that no picture has, and gives its number; of no vector a
// number below 0.
func (p *placing) row(v []float32) (row int64, err error) {
	if len(v) == 0 {
		p.bad--
		return p.bad + 1, nil
	}
	if err := p.open(len(v)); err != nil {
		return 0, err
	}
	if len(p.free) > 0 {
		row, p.free = p.free[0], p.free[1:]
		if _, err := p.tx.ExecContext(p.x.ctx, "DELETE FROM free WHERE row = ?", row); err != nil {
			return 0, err
		}
	} else {
		row = p.next
		p.next++
	}
	p.written = true
	return row, p.file.put(row, v)
}

// open opens the file, or makes it for the first vector of all.
func (p *placing) open(width int) error {
	if p.file == nil {
		var pair string
		err := p.tx.QueryRowContext(p.x.ctx, "SELECT value FROM meta WHERE key = ?", pairKey).Scan(&pair)
		switch {
		case err == nil:
			p.file, err = p.x.openVectors(pair, true)
		case errors.Is(err, sql.ErrNoRows):
			if p.file, err = p.x.makeVectors(width); err == nil {
				_, err = p.tx.ExecContext(p.x.ctx, "INSERT INTO meta VALUES (?, ?)", pairKey, p.file.pair)
			}
		}
		if err != nil {
			return err
		}
	}
	if width != p.file.width {
		return damage(fmt.Sprintf("it holds embeddings of %d and of %d values", p.file.width, width))
	}
	return nil
}

// end has all vectors on the disk before the transaction that names them is.
func (p *placing) end() error {
	if p.freed {
		const more = "INSERT INTO meta VALUES (?, '1') ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
		if _, err := p.tx.ExecContext(p.x.ctx, more, freedKey); err != nil {
			return err
		}
	}
	if p.written {
		return reason(p.file.Sync())
	}
	return nil
}

// close ends the use of the file.
func (p *placing) close() {
	if p.file != nil {
		_ = p.file.Close() // end has had it written
	}
}
