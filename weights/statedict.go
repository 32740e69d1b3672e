package weights

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// stateDictKeys are the keys under which a state_dict is looked for in what
// torch.save saved. Training scripts put it beside the epoch and the optimizer's
// state; of those that keep averages of the weights, both have a key.
var stateDictKeys = []string{
	"state_dict", "model", "model_state_dict", "model_state", "module", "network", "net", "params", "weights", "checkpoint",
	"state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "model_ema_state_dict", "ema", "params_ema", "shadow", "g_ema", "netG_state_dict",
}

// stateDict finds the dict of tensors in what a pickle made: under one of
// stateDictKeys, or the whole. One that holds several is refused, as they are
// different networks or the same at different times.
func stateDict(root any) (*dict, error) {
	top, ok := root.(*dict)
	if f, isForeign := root.(*foreign); isForeign {
		return nil, &PickleError{Module: f.module, Name: f.name}
	}
	if !ok {
		return nil, fmt.Errorf("it holds %s, not a state_dict; save one: torch.save(model.state_dict(), file)", kind(root))
	}
	if both := top.joined("image_proj", "ip_adapter"); both != nil {
		return both, nil
	}
	found, err := top.stateDicts("", 0, map[*dict]bool{})
	switch {
	case err != nil:
		return nil, err
	case len(found) > 1:
		var names []string
		for _, f := range found {
			names = append(names, f.path)
		}
		return nil, fmt.Errorf("it holds the weights of %d networks, under %s; save one of them: torch.save(torch.load(file)%s, new_file)",
			len(found), strings.Join(names, ", "), subscript(names[0]))
	case len(found) == 1:
		return found[0].dict, nil
	case top.hasTensors():
		return top, nil
	}
	if f := top.whole(); f != nil {
		return nil, f
	}
	return nil, fmt.Errorf("it holds no tensors by themselves or under %s; its keys are [%s]",
		someOf(stateDictKeys, 5), someOf(top.keys(), 8))
}

// joined is the tensors of dicts under keys, which all must be there, by names that begin with
// those: of an IP-Adapter its two parts. Else it is nil.
func (d *dict) joined(keys ...string) *dict {
	all := &dict{}
	for _, key := range keys {
		v, err := d.find(key)
		inner, ok := v.(*dict)
		if err != nil || !ok || !inner.hasTensors() {
			return nil
		}
		for i := 0; i+1 < len(inner.of); i += 2 {
			if name, ok := inner.of[i].(text); ok {
				all.of = append(all.of, text(key+"."+string(name)), inner.of[i+1])
			}
		}
	}
	return all
}

// foundDict is a dict and the keys that lead to it.
type foundDict struct {
	path string // keys with dots between them
	dict *dict
}

// stateDicts are the dicts of tensors under stateDictKeys, or under such keys of
// what lies there. Each is looked into once, however often it is there.
func (d *dict) stateDicts(path string, depth int, seen map[*dict]bool) (found []foundDict, err error) {
	for _, key := range stateDictKeys {
		v, err := d.find(key)
		if err != nil {
			return nil, err
		}
		inner, ok := v.(*dict)
		if !ok || seen[inner] {
			continue
		}
		seen[inner] = true
		at := join(path, key)
		switch {
		case inner.hasTensors():
			found = append(found, foundDict{at, inner})
		case depth < 2:
			more, err := inner.stateDicts(at, depth+1, seen)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	return found, nil
}

// subscript writes a path as Python reaches it.
func subscript(path string) string { return "['" + strings.ReplaceAll(path, ".", "']['") + "']" }

// whole finds a whole model, saved with its class, under stateDictKeys.
func (d *dict) whole() error {
	for _, key := range stateDictKeys {
		if v, err := d.find(key); err == nil {
			if f, ok := v.(*foreign); ok {
				return &PickleError{Module: f.module, Name: f.name}
			}
		}
	}
	return nil
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
			keys = append(keys, Printable(string(t)))
		}
	}
	return keys
}

// tensors makes the tensors of a state_dict; its other values are left out.
func (f *torchFile) tensors(state *dict) ([]*Tensor, error) {
	var list []*Tensor
	seen := map[string]bool{}
	for i := 0; i < len(state.of); i += 2 {
		if f, ok := state.of[i+1].(*foreign); ok && f.isTensor() {
			return nil, fmt.Errorf("tensor \"%s\": %w", keyText(state.of[i]), &PickleError{Module: f.module, Name: f.name})
		}
		v, ok := state.of[i+1].(*view)
		if !ok {
			continue
		}
		name, err := tensorName(state.of[i])
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("tensor \"%s\" is there twice", Printable(name))
		}
		seen[name] = true
		data, err := f.contents(v)
		if err != nil {
			return nil, fmt.Errorf("tensor \"%s\": %w", Printable(name), err)
		}
		list = append(list, &Tensor{Name: name, Origin: name, Shape: v.shape, DType: v.dtype, Data: data})
	}
	return list, nil
}

// isTensor says whether something foreign may hold numbers that belong to the
// network: a quantized or sparse tensor, an array of NumPy.
func (f *foreign) isTensor() bool {
	return strings.HasPrefix(f.module, "torch") || f.name == "_reconstruct"
}

// keyText shows a key in an error.
func keyText(key any) string {
	if t, ok := key.(text); ok {
		return Printable(string(t))
	}
	return kind(key)
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
		return "", fmt.Errorf("a tensor's name is no printable text: \"%s\"", Printable(name))
	}
	return name, nil
}

// maxTensorName is far above any real name's length, in bytes.
const maxTensorName = 4096
