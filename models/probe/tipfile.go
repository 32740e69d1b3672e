package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"saccade/weights"
)

// TipFile is a [Tip] with what it is of.
type TipFile struct {
	Tip
	Labels      []string // of the classes
	Fingerprint string   // of the weights that made the embeddings
	// Context is the learned tokens that the texts were read with, [n, D] in a row, or nil. It is
	// written and not read: the texts have it.
	Context []float32
	Tokens  int // of it
}

// The names in the file.
const (
	tipKeys, tipClasses, tipTexts = "keys", "classes", "text_embeds"
	tipKind                       = "tip-adapter"
)

// Write writes a safetensors file.
func (t *TipFile) Write(path string) error {
	classes := make([]float32, len(t.Keys.Class))
	for i, c := range t.Keys.Class {
		classes[i] = float32(c)
	}
	var all []*weights.Tensor
	for _, a := range []struct {
		name  string
		data  []float32
		shape []int
	}{{tipKeys, t.Keys.Data, []int{len(classes), t.Keys.Width}}, {tipClasses, classes, []int{len(classes)}}, {tipTexts, t.Texts, []int{t.Keys.Classes, t.Keys.Width}}} {
		tensor, err := weights.FromFloat32s(a.name, a.data, a.shape...)
		if err != nil {
			return fmt.Errorf("save %s: %w", path, err)
		}
		all = append(all, tensor)
	}
	if t.Context != nil {
		tensor, err := weights.FromFloat32s("ctx", t.Context, t.Tokens, len(t.Context)/t.Tokens)
		if err != nil {
			return fmt.Errorf("save %s: %w", path, err)
		}
		all = append(all, tensor)
	}
	labels, err := json.Marshal(t.Labels)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	return weights.Write(path, all, map[string]string{"format": "pt", "kind": tipKind, "alpha": number(t.Alpha), "beta": number(t.Beta), "scale": number(t.Scale), "labels": string(labels), "fingerprint": t.Fingerprint})
}

// ReadTip reads what Write wrote.
func ReadTip(path string) (t *TipFile, err error) {
	err = weights.Guard(func() error {
		t, err = readTip(path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("examples %s: %w", path, err)
	}
	return t, nil
}

func readTip(path string) (*TipFile, error) {
	c, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	of := c.Metadata()
	if of["kind"] != tipKind {
		return nil, errors.New("it is no Tip-Adapter; expected a folder with one sub-folder of pictures a class, or a file of train -tip")
	}
	t := &TipFile{Fingerprint: of["fingerprint"]}
	for key, into := range map[string]*float64{"alpha": &t.Alpha, "beta": &t.Beta, "scale": &t.Scale} {
		if *into, err = strconv.ParseFloat(of[key], 64); err != nil {
			return nil, fmt.Errorf("its metadata %s is %q; expected a number", key, of[key])
		}
	}
	if err := json.Unmarshal([]byte(of["labels"]), &t.Labels); err != nil {
		return nil, fmt.Errorf("its metadata labels are no list: %w", err)
	}
	var classes []float32
	for name, into := range map[string]*[]float32{tipKeys: &t.Keys.Data, tipClasses: &classes, tipTexts: &t.Texts} {
		tensor, ok := c.Tensor(name)
		if !ok || len(tensor.Shape) == 0 {
			return nil, fmt.Errorf("it has no tensor %s", name)
		}
		*into = make([]float32, tensor.Len())
		if err := tensor.Float32s(*into); err != nil {
			return nil, err
		}
		if name == tipKeys {
			t.Keys.Width = tensor.Shape[len(tensor.Shape)-1]
		}
	}
	t.Keys.Classes = len(t.Labels)
	for _, v := range classes {
		t.Keys.Class = append(t.Keys.Class, int(v))
	}
	return t, t.Check()
}
