package weights

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// stateDictKeys are the keys under which a state_dict is looked for in what
// torch.save saved, in this order. Training scripts put it beside the epoch and
// the optimizer's state.
var stateDictKeys = []string{"state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema"}

// stateDict finds the dict of tensors in what a pickle made: under one of
// stateDictKeys, or the whole.
func stateDict(root any) (*dict, error) {
	top, ok := root.(*dict)
	if !ok {
		return nil, fmt.Errorf("it holds %s, not a state_dict; save one: torch.save(model.state_dict(), file)", kind(root))
	}
	for _, key := range stateDictKeys {
		v, err := top.find(key)
		if err != nil {
			return nil, err
		}
		if d, ok := v.(*dict); ok && d.hasTensors() {
			return d, nil
		}
	}
	if !top.hasTensors() {
		return nil, fmt.Errorf("it holds no tensors by themselves or under %s; its keys are [%s]",
			strings.Join(stateDictKeys, ", "), someOf(top.keys(), 8))
	}
	return top, nil
}

func (d *dict) hasTensors() bool {
	for i := 1; i < len(d.of); i += 2 {
		if _, ok := d.of[i].(*view); ok {
			return true
		}
	}
	return false
}

// keys lists the keys that are text, for an error.
func (d *dict) keys() []string {
	var keys []string
	for i := 0; i < len(d.of); i += 2 {
		if t, ok := d.of[i].(text); ok {
			keys = append(keys, printable(string(t[:min(len(t), maxName)])))
		}
	}
	return keys
}

// tensors makes the tensors of a state_dict; its other values are left out.
func (f *torchFile) tensors(state *dict) ([]*Tensor, error) {
	var list []*Tensor
	seen := map[string]bool{}
	for i := 0; i < len(state.of); i += 2 {
		v, ok := state.of[i+1].(*view)
		if !ok {
			continue
		}
		name, err := tensorName(state.of[i])
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("tensor %q is there twice", name)
		}
		seen[name] = true
		data, err := f.contents(v)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		list = append(list, &Tensor{Name: name, Origin: name, Shape: v.shape, DType: v.dtype, Data: data})
	}
	stripWrappers(list)
	return list, nil
}

// tensorName reads a key of a state_dict.
func tensorName(key any) (string, error) {
	t, ok := key.(text)
	if !ok {
		return "", fmt.Errorf("found %s where a tensor's name is wanted", kind(key))
	}
	if len(t) == 0 || len(t) > maxTensorName {
		return "", fmt.Errorf("a tensor's name has %d bytes, 1 to %d are allowed", len(t), maxTensorName)
	}
	name := string(t)
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", fmt.Errorf("a tensor's name is no printable text: %q", name)
	}
	return name, nil
}

// maxTensorName is far above any real name's length, in bytes.
const maxTensorName = 4096

// wrappers are the prefixes of models that were saved inside
// torch.nn.DataParallel, or compiled.
var wrappers = []string{"module.", "_orig_mod."}

// stripWrappers takes prefixes off that all names have. Origin keeps them.
func stripWrappers(list []*Tensor) {
	for again := true; again; {
		again = false
		for _, prefix := range wrappers {
			if !allBegin(list, prefix) {
				continue
			}
			for _, t := range list {
				t.Name = t.Name[len(prefix):]
			}
			again = true
		}
	}
}

// allBegin says whether all names, one at least, go on behind prefix.
func allBegin(list []*Tensor, prefix string) bool {
	for _, t := range list {
		if len(t.Name) <= len(prefix) || !strings.HasPrefix(t.Name, prefix) {
			return false
		}
	}
	return len(list) > 0
}
