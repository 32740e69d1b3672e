package golden

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// OpCase is one golden of one operation.
type OpCase struct {
	Op   string // the file below ops/, such as "layernorm"
	Name string // such as "columns_15_eps_1e-05"
	// Half says that every input is a number that a half holds exactly, so
	// that the case suits f16 as well as f32.
	Half    bool
	Inputs  map[string]Tensor // by role, in PyTorch's layout
	Outputs map[string]Tensor

	params json.RawMessage
}

// opListing is one entry of the metadata "cases" of an op's file: roles point
// to tensors of the file.
type opListing struct {
	Name    string            `json:"name"`
	Params  json.RawMessage   `json:"params"`
	Half    bool              `json:"half"`
	Inputs  map[string]string `json:"inputs"`
	Outputs map[string]string `json:"outputs"`
}

// Ops lists the operations that have goldens, sorted.
func Ops() []string {
	entries, err := fs.ReadDir(files, "ops")
	if err != nil {
		panic(err) // embedded, so it is there
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".safetensors"))
	}
	return names
}

// OpCases reads the goldens of one operation. generate_ops.py says what each
// role means and which parameters there are.
func OpCases(op string) ([]OpCase, error) {
	file := path.Join("ops", op+".safetensors")
	if _, err := fs.Stat(files, file); err != nil {
		return nil, fmt.Errorf("find the goldens of %s: there are none; there are those of %s", op, strings.Join(Ops(), ", "))
	}
	ckpt, err := open(file)
	if err != nil {
		return nil, err
	}
	var listings []opListing
	if err := json.Unmarshal([]byte(ckpt.Metadata()["cases"]), &listings); err != nil {
		return nil, fmt.Errorf("read the goldens of %s: metadata cases: %w", op, err)
	}
	var cases []OpCase
	for _, l := range listings {
		c := OpCase{Op: op, Name: l.Name, Half: l.Half, params: l.Params}
		for from, to := range map[*map[string]string]*map[string]Tensor{&l.Inputs: &c.Inputs, &l.Outputs: &c.Outputs} {
			*to = map[string]Tensor{}
			for role, key := range *from {
				if (*to)[role], err = tensor(ckpt, key); err != nil {
					return nil, fmt.Errorf("read golden %s/%s: %w", op, l.Name, err)
				}
			}
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// Params decodes the case's parameters into a pointer to a struct, with
// encoding/json's rules; a parameter that the struct lacks is an error, so that
// none is overlooked.
func (c OpCase) Params(into any) error {
	d := json.NewDecoder(strings.NewReader(string(c.params)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read the parameters of golden %s/%s: %w", c.Op, c.Name, err)
	}
	return nil
}
