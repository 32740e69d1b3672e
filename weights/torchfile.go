package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// torchFile is a file of torch.save: what its pickle makes, and the bytes of
// the storages that the pickle names.
type torchFile struct {
	root   any
	bytes  map[string][]byte // by key
	budget int64             // bytes that may yet be inflated or copied
}

// minBudget bounds the memory of a small file, in bytes.
const minBudget = 64 << 20

// isTorch tells a file of torch.save, or what may be one, by its first bytes.
func isTorch(data []byte) bool {
	return isZip(data) || len(data) > 1 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5
}

func isZip(data []byte) bool { return bytes.HasPrefix(data, []byte("PK\x03\x04")) }

// readTorch reads the tensors of a file of torch.save, in the order of its
// state_dict. They share data, but for those that are not contiguous there: all
// copies together take at most 4 times the file, or minBudget.
func readTorch(data []byte) ([]*Tensor, error) {
	f := &torchFile{bytes: map[string][]byte{}, budget: max(minBudget, 4*int64(len(data)))}
	var err error
	if isZip(data) {
		err = f.readZip(data)
	} else {
		err = f.readLegacy(data)
	}
	if err != nil {
		return nil, err
	}
	state, err := stateDict(f.root)
	if err != nil {
		return nil, err
	}
	return f.tensors(state)
}

// spend takes n bytes from the budget.
func (f *torchFile) spend(n uint64) error {
	if n > uint64(f.budget) {
		return errors.New("its tensors take more than 4 times the file when they are unpacked")
	}
	f.budget -= int64(n)
	return nil
}

// The first two pickles of a legacy file.
const (
	legacyMagic   = long("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
	legacyVersion = int64(1001)
)

// readLegacy reads a file of PyTorch before 1.6: pickles of a magic number, a
// version, the machine, the object and the storages' keys, then for each key
// the number of elements, 8 bytes, and the elements.
func (f *torchFile) readLegacy(data []byte) error {
	load := func() (any, *unpickler, error) {
		u := newUnpickler(data)
		v, err := u.load()
		data = data[u.at:]
		return v, u, err
	}
	magic, u, err := load()
	if err != nil {
		return err
	}
	if magic != legacyMagic {
		if f := u.asked; f != nil {
			return &PickleError{Module: f.module, Name: f.name}
		}
		return errors.New("it is a pickle, but not one of torch.save")
	}
	version, _, err := load()
	if err != nil {
		return err
	}
	if version != legacyVersion {
		return errors.New("it is of another version of torch.save than 1001")
	}
	machine, _, err := load()
	if err != nil {
		return err
	}
	if err := checkMachine(machine); err != nil {
		return err
	}
	root, u, err := load()
	if err != nil {
		return err
	}
	keys, _, err := load()
	if err != nil {
		return err
	}
	f.root = root
	return f.legacyStorages(keys, u.storages, data)
}

// checkMachine refuses files of big-endian machines.
func checkMachine(v any) error {
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("damaged file: found %s where the machine's description is wanted", kind(v))
	}
	little, err := d.find("little_endian")
	if err == nil && little != true {
		err = errBigEndian
	}
	return err
}

var errBigEndian = errors.New("it was saved on a big-endian machine; load it in Python and save it on a little-endian one")

// legacyStorages finds the bytes of the storages, which follow each other in
// the order of keys.
func (f *torchFile) legacyStorages(keys any, storages map[string]*storage, data []byte) error {
	list, ok := keys.(*array)
	if !ok {
		return fmt.Errorf("damaged file: found %s where the keys of storages are wanted", kind(keys))
	}
	for _, v := range list.of {
		key, err := asName(v)
		if err != nil {
			return fmt.Errorf("damaged file: key of a storage: %w", err)
		}
		s := storages[key]
		if s == nil || f.bytes[key] != nil {
			return fmt.Errorf("damaged file: storage %s is of no tensor or there twice", Printable(key))
		}
		if len(data) < 8 {
			return fmt.Errorf("storage %s: its size is cut off: the file is truncated", Printable(key))
		}
		if n := binary.LittleEndian.Uint64(data); n != uint64(s.size) {
			return fmt.Errorf("damaged file: storage %s has %d elements, its pickle says %d", Printable(key), n, s.size)
		}
		data = data[8:]
		n := s.size * s.dtype.Size()
		if n > len(data) {
			return fmt.Errorf("storage %s: %d bytes are wanted, %d are there: the file is truncated", Printable(key), n, len(data))
		}
		f.bytes[key], data = data[:n:n], data[n:]
	}
	if len(f.bytes) < len(storages) {
		return fmt.Errorf("damaged file: it has %d storages, its pickle names %d", len(f.bytes), len(storages))
	}
	return nil
}

// readZip reads a file of PyTorch 1.6 and later: a zip with the pickle
// NAME/data.pkl and a file NAME/data/KEY for each storage, neither compressed.
// Checksums of what is not compressed are not verified, as that would read
// every page of the file.
func (f *torchFile) readZip(data []byte) error {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return fmt.Errorf("damaged zip file, truncated perhaps: %w", err)
	}
	files := map[string]*zip.File{}
	root := ""
	for _, file := range r.File {
		if files[file.Name] != nil {
			return fmt.Errorf("damaged zip file: %s is there twice", Printable(file.Name))
		}
		files[file.Name] = file
		if path.Base(file.Name) == "data.pkl" && strings.Count(file.Name, "/") == 1 {
			if root != "" {
				return errors.New("damaged zip file: more than one NAME/data.pkl")
			}
			root = strings.TrimSuffix(file.Name, "data.pkl")
		}
	}
	if root == "" {
		return errors.New("it is a zip file, but not one of torch.save: it holds no NAME/data.pkl")
	}
	if files[root+"constants.pkl"] != nil {
		return errors.New("it is a TorchScript archive, a program; load it in Python with torch.jit.load and save the tensors alone: torch.save(model.state_dict(), file)")
	}
	if err := f.checkByteOrder(data, files[root+"byteorder"]); err != nil {
		return err
	}
	pickle, err := f.entry(data, files[root+"data.pkl"])
	if err != nil {
		return err
	}
	u := newUnpickler(pickle)
	if f.root, err = u.load(); err != nil {
		return err
	}
	for key, s := range u.storages {
		name := root + "data/" + key
		if files[name] == nil {
			return fmt.Errorf("damaged file: its pickle names the storage %s, which is not there", Printable(name))
		}
		if f.bytes[key], err = f.entry(data, files[name]); err != nil {
			return err
		}
		if want := s.size * s.dtype.Size(); len(f.bytes[key]) != want {
			return fmt.Errorf("damaged file: storage %s has %d bytes, its pickle says %d", Printable(name), len(f.bytes[key]), want)
		}
	}
	return nil
}

// checkByteOrder reads the entry that names it. Old files have none.
func (f *torchFile) checkByteOrder(data []byte, file *zip.File) error {
	if file == nil {
		return nil
	}
	order, err := f.entry(data, file)
	if err != nil {
		return err
	}
	if string(order) != "little" {
		return errBigEndian
	}
	return nil
}

// entry is the contents of a file of a zip: a part of data, if they are not
// compressed.
func (f *torchFile) entry(data []byte, file *zip.File) ([]byte, error) {
	at, err := file.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("damaged zip file: %s: %w", Printable(file.Name), err)
	}
	packed := file.CompressedSize64
	if at > int64(len(data)) || packed > uint64(len(data))-uint64(at) {
		return nil, fmt.Errorf("damaged zip file: %s: %d bytes are wanted at byte %d, the file holds %d: the file is truncated",
			Printable(file.Name), packed, at, len(data))
	}
	switch {
	case file.Flags&1 != 0:
		return nil, fmt.Errorf("%s is encrypted", Printable(file.Name))
	case file.Method == zip.Store && packed == file.UncompressedSize64:
		end := at + int64(packed)
		return data[at:end:end], nil
	case file.Method == zip.Deflate:
		return f.inflate(file)
	}
	return nil, fmt.Errorf("%s is compressed by method %d; torch.save does not compress: save it again", Printable(file.Name), file.Method)
}

// inflate decompresses a file of a zip that something else than torch.save has
// packed.
func (f *torchFile) inflate(file *zip.File) ([]byte, error) {
	if err := f.spend(file.UncompressedSize64); err != nil {
		return nil, err
	}
	r, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Printable(file.Name), err)
	}
	defer r.Close()
	data := make([]byte, file.UncompressedSize64)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("damaged zip file: %s: %w", Printable(file.Name), err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF { // the checksum is verified here
		return nil, fmt.Errorf("damaged zip file: %s is not what its size or checksum say", Printable(file.Name))
	}
	return data, nil
}
