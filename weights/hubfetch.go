package weights

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// shaPattern is the etag of a large file: the SHA-256 of its bytes.
var shaPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// download brings a blob into the cache, going on where an earlier download
// stopped. The caller holds the lock, or part is a name of its own.
func (h *Hub) download(ctx context.Context, m Model, file string, want meta, part, blob string) error {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("writing into the cache: %w", err)
	}
	defer f.Close()
	d := &transfer{hub: h, file: file, url: h.url(m, file), want: want, f: f, sum: sha256.New()}
	old, err := d.start()
	if err == nil {
		err = d.all(ctx)
	}
	if errors.Is(err, errSum) && old > 0 { // what was there may have been another file's
		if err = d.restart(); err == nil {
			err = d.all(ctx)
		}
	}
	if errors.Is(err, errSum) || errors.Is(err, errTooMuch) {
		f.Close()
		os.Remove(part)
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing into the cache: %w", err)
	}
	return os.Rename(part, blob)
}

// errSum is in the chain of errors about bytes that are not the file's, and
// errTooMuch of those about more bytes than the file can have.
var (
	errSum     = errors.New("the checksum is wrong")
	errTooMuch = errors.New("too much data")
)

// maxTensors is more than the largest file of tensors that a hub takes, in bytes.
const maxTensors = 64 << 30

// limit is the most bytes that a file of a name may have. What a hub does not
// tell the size of is small.
func (m meta) limit(file string) int64 {
	name := path.Base(file)
	switch isTensors := filepath.Ext(name) == ".safetensors" || isTorchName(name); {
	case isTensors && m.size >= 0:
		return maxTensors
	case isTensors, isIndex(name):
		return IndexLimit
	case name == "tokenizer.json", name == "vocab.json", name == "merges.txt", path.Ext(name) == ".model":
		return VocabularyLimit
	}
	return ConfigLimit
}

// check refuses a file that is larger than such files are.
func (m meta) check(file string) error {
	if most := m.limit(file); m.size > most {
		return fmt.Errorf("%w: the hub says that it has %d bytes, such a file has at most %d%w", errTooMuch, m.size, most, errFinal)
	}
	return nil
}

// transfer is the download of one file.
type transfer struct {
	hub  *Hub
	file string
	url  string
	want meta
	f    *os.File
	done int64 // bytes that are in f, all of them in sum
	sum  hash.Hash
}

// start reads what an earlier download left, and returns its size.
func (d *transfer) start() (int64, error) {
	info, err := d.f.Stat()
	if err == nil && (d.want.size < 0 || info.Size() > d.want.size) {
		return 0, d.restart()
	}
	if err == nil {
		d.done, err = io.Copy(d.sum, d.f)
	}
	if err != nil {
		return 0, fmt.Errorf("reading what an earlier download left: %w", err)
	}
	return d.done, nil
}

// restart forgets what is there.
func (d *transfer) restart() error {
	d.done = 0
	d.sum.Reset()
	if _, err := d.f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("writing into the cache: %w", err)
	}
	if err := d.f.Truncate(0); err != nil {
		return fmt.Errorf("writing into the cache: %w", err)
	}
	return nil
}

// all downloads until the file is complete, and checks it.
func (d *transfer) all(ctx context.Context) error {
	d.tell()
	if d.want.size < 0 || d.done < d.want.size {
		err := d.hub.again(ctx, func() (bool, error) {
			before := d.done
			err := d.some(ctx)
			return d.done > before, err
		})
		if err != nil {
			return err
		}
	}
	if got := hex.EncodeToString(d.sum.Sum(nil)); shaPattern.MatchString(d.want.etag) && got != d.want.etag {
		return fmt.Errorf("%w: SHA-256 %s, the hub says %s; what was downloaded is thrown away, try again", errSum, got, d.want.etag)
	}
	return nil
}

// some makes one request and writes what it brings. It succeeds when the file
// is complete.
func (d *transfer) some(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timeout := cmp.Or(d.hub.DataTimeout, 10*time.Second)
	stall := time.AfterFunc(timeout, func() { cancel(fmt.Errorf("no data came for %v", timeout)) })
	defer stall.Stop()

	header := http.Header{}
	if d.done > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", d.done))
	}
	resp, err := d.hub.follow(ctx, http.MethodGet, d.url, header, func(*http.Response, *url.URL) bool { return false })
	if err != nil {
		return d.failed(ctx, err)
	}
	defer resp.Body.Close()
	if err := d.check(resp); err != nil {
		return err
	}
	if err := d.copy(resp.Body, func() { stall.Reset(timeout) }); err != nil {
		return d.failed(ctx, err)
	}
	if d.want.size >= 0 && d.done != d.want.size {
		return fmt.Errorf("truncated: %d of %d bytes came; try again, it goes on from there", d.done, d.want.size)
	}
	return nil
}

// failed says why a request ended.
func (d *transfer) failed(ctx context.Context, err error) error {
	var status *statusError
	switch {
	case errors.As(err, &status) && status.status == http.StatusRequestedRangeNotSatisfiable && d.done > 0:
		err := fmt.Errorf("the server has no byte %d", d.done)
		return cmp.Or(d.restart(), err)
	case errors.Is(err, errFinal), errors.As(err, &status):
		return err
	case context.Cause(ctx) != nil:
		err = context.Cause(ctx)
	}
	total := "an unknown number of"
	if d.want.size >= 0 {
		total = strconv.FormatInt(d.want.size, 10)
	}
	return fmt.Errorf("cut off after %d of %s bytes: %w", d.done, total, err)
}

// check reads the head of an answer: whether it goes on from where we are, and
// how long the file is if that was not known.
func (d *transfer) check(resp *http.Response) error {
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return fmt.Errorf("the server compresses (%s) although asked not to%w", Printable(e), errFinal)
	}
	total := resp.ContentLength
	if resp.StatusCode == http.StatusPartialContent {
		var first, last int64
		text := resp.Header.Get("Content-Range")
		n, _ := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &total)
		if n < 2 || first != d.done {
			return fmt.Errorf("the server sends %q where byte %d was asked for%w", Printable(text), d.done, errFinal)
		}
	} else if d.done > 0 { // the server does not know ranges
		if err := d.restart(); err != nil {
			return err
		}
	}
	if d.want.size < 0 && total > 0 {
		d.want.size = total
		if err := d.want.check(d.file); err != nil {
			return err
		}
	}
	if total >= 0 && d.want.size >= 0 && total != d.want.size {
		return fmt.Errorf("the server has %d bytes, the hub says %d: the file changed, try again%w", total, d.want.size, errFinal)
	}
	return nil
}

// copy writes a body to the file.
func (d *transfer) copy(body io.Reader, alive func()) error {
	buffer := make([]byte, 256<<10)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			alive()
			if err := d.room(int64(n)); err != nil {
				return err
			}
			if _, err := d.f.Write(buffer[:n]); err != nil {
				return fmt.Errorf("writing into the cache: %w%w", err, errFinal)
			}
			d.sum.Write(buffer[:n])
			d.done += int64(n)
			d.tell()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// room refuses n more bytes where the file would be longer than it can be.
func (d *transfer) room(n int64) error {
	most := d.want.limit(d.file)
	if d.want.size >= 0 {
		most = d.want.size
	}
	if d.done+n > most {
		return fmt.Errorf("%w: more than %d bytes came; what was downloaded is thrown away, try again%w", errTooMuch, most, errFinal)
	}
	return nil
}

func (d *transfer) tell() {
	if d.hub.Progress != nil {
		d.hub.Progress(d.file, d.done, d.want.size)
	}
}
