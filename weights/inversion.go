package weights

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxInversion bounds the files of textual inversions, which are some vectors, bytes.
const maxInversion = 64 << 20

// OpenInversion opens the file of a textual inversion: as [Open], and of A1111's files
// of torch.save the tensors below string_to_param, which Open does not look for, as
// string_to_param.NAME. The name that such a file says of itself is in the metadata.
func OpenInversion(path string) (*Checkpoint, error) {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() || info.Size() > maxInversion {
		return Open(path)
	}
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("open checkpoint %s: %w", path, reason(err))
	}
	if !isTorch(data) {
		return Open(path)
	}
	c, err := inversion(path, data)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint %s: %w", path, err)
	}
	if c == nil {
		return Open(path)
	}
	return c, nil
}

// inversion reads what is below string_to_param, nil if there is nothing.
func inversion(path string, data []byte) (*Checkpoint, error) {
	f := &torchFile{bytes: map[string][]byte{}, budget: minBudget}
	read := f.readLegacy
	if isZip(data) {
		read = f.readZip
	}
	if err := read(data); err != nil {
		return nil, err
	}
	top, ok := f.root.(*dict)
	if !ok {
		return nil, nil
	}
	const key = "string_to_param"
	v, err := top.find(key)
	params, ok := v.(*dict)
	if err != nil || !ok || !params.hasTensors() {
		return nil, err
	}
	tensors, err := f.tensors(params)
	if err != nil {
		return nil, err
	}
	c := newCheckpoint(path)
	for _, t := range tensors {
		t.Name = key + "." + t.Name
		c.names = append(c.names, t.Name)
		c.tensors[t.Name] = t
	}
	name, err := top.find("name")
	if text, ok := name.(text); ok {
		c.metadata["name"] = string(text)
	}
	return c, err
}
