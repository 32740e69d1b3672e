package golden

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"saccade/weights"
)

//go:embed models ops
var files embed.FS

// Tensor is a row-major array of numbers. Integers are held as float32 too.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Case describes the golden of one model. Its slices and maps are shared: read
// only.
type Case struct {
	Name         string             // the folder below models/, such as "vit_classify"
	Model        string             // the family, such as "vit"
	Architecture string             // transformers' class, or timm's or torchvision's name of the architecture
	Source       string             // the libraries that computed it, with their versions
	Weights      string             // folder of the project that holds the checkpoint; "" if it lies beside the golden
	Inputs       []string           // names of the inputs, such as "pixel_values"
	Layers       []string           // names of the intermediates, in the order of computation
	Outputs      []string           // names of the outputs, as the library has them
	Halves       map[string]float64 // NMSE of torch.float16 on the CPU, by output, where it was measured: f16 is to come to twice that
	Options      map[string]any     // what the library's forward was called with besides the inputs
	Images       []Image            // of trained models: the pictures behind pixel_values, in order
	Texts        []Text             // what the network's decoder writes of the inputs
	LayerImages  int                // how many of the batch's first pictures Layers cover; 0 means all
}

// Text is what transformers' generate wrote of the inputs by a generation config.
type Text struct {
	Config    json.RawMessage `json:"config"`
	Inputs    []string        `json:"inputs"`    // their names
	Sequences [][]uint32      `json:"sequences"` // by item
	Draws     [][]float32     `json:"draws"`     // the numbers of 0 ≤ u < 1 of each step and item that tokens were drawn by
}

// Image is a picture that a trained model was run on.
type Image struct {
	File string  `json:"file"` // name in zoo/pictures
	Top  []Label `json:"top"`  // the five best, best first
}

// Label is one of the classes that a picture may show.
type Label struct {
	Index int     `json:"index"`
	Label string  `json:"label"`
	Score float64 `json:"score"` // probability
}

// InputPrefix begins the name of an input in a golden's file where an output has
// the same: a UNet makes a sample of a sample.
const InputPrefix = "inputs."

// Golden is a case with its tensors by name.
type Golden struct {
	Case
	Tensors map[string]Tensor
}

// Cases lists the goldens of models, sorted by name. It panics if the program
// was built with a file that is not a golden, which this package's tests
// exclude.
func Cases() []Case {
	cases, err := cases()
	if err != nil {
		panic(err)
	}
	return slices.Clone(cases)
}

// Find is the case of that name.
func Find(name string) (Case, error) {
	for _, c := range Cases() {
		if c.Name == name {
			return c, nil
		}
	}
	return Case{}, fmt.Errorf("find golden %s: there is none; there are %s", name, strings.Join(caseNames(), ", "))
}

// Load reads the tensors of a case.
func Load(c Case) (*Golden, error) {
	ckpt, err := open(goldenFile(c.Name))
	if err != nil {
		return nil, err
	}
	g := &Golden{Case: c}
	if g.Tensors, err = tensors(ckpt); err != nil {
		return nil, fmt.Errorf("load golden %s: %w", c.Name, err)
	}
	return g, nil
}

// Folder is the model's folder as its library saved it: the config, if it has
// one, and the checkpoint (os.CopyFS writes it to a disk). The folder of a
// trained model holds neither: see Case.Weights.
func Folder(c Case) (fs.FS, error) {
	dir := path.Join("models", c.Name)
	if _, err := fs.Stat(files, dir); err != nil {
		return nil, fmt.Errorf("open golden %s: there is none; there are %s", c.Name, strings.Join(caseNames(), ", "))
	}
	return fs.Sub(files, dir)
}

// Checkpoint opens the random weights beside a golden: safetensors, sharded
// ones too, or a file of PyTorch's.
// The weights of a trained model are in the folder Case.Weights and not here.
func Checkpoint(c Case) (weights.Source, error) {
	if c.Weights != "" {
		return nil, fmt.Errorf("open the weights of golden %s: they are in %s, not beside the golden", c.Name, c.Weights)
	}
	folder, err := Folder(c)
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(folder, "model.*")
	if err == nil && len(names) != 1 {
		err = fmt.Errorf("there should be one file model.safetensors, its index, model.pth or model.th; found %q", names)
	}
	if err != nil {
		return nil, fmt.Errorf("open the weights of golden %s: %w", c.Name, err)
	}
	ckpt, err := weights.OpenFS(folder, names[0])
	if err != nil {
		return nil, fmt.Errorf("open the weights of golden %s: %w", c.Name, err)
	}
	return ckpt, nil
}

// cases reads the headers of all goldens, once.
var cases = sync.OnceValues(func() ([]Case, error) {
	dirs, err := fs.ReadDir(files, "models") // sorted
	if err != nil {
		return nil, err
	}
	var all []Case
	for _, d := range dirs {
		c, err := readCase(d.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
})

func caseNames() []string {
	var names []string
	for _, c := range Cases() {
		names = append(names, c.Name)
	}
	return names
}

// readCase reads the description in the header of one golden.
func readCase(name string) (Case, error) {
	ckpt, err := open(goldenFile(name))
	if err != nil {
		return Case{}, err
	}
	m := ckpt.Metadata()
	c := Case{
		Name: name, Model: m["model"], Architecture: m["architecture"], Source: m["source"], Weights: m["weights"],
	}
	for key, into := range map[string]any{
		"layers": &c.Layers, "outputs": &c.Outputs, "options": &c.Options, "halves": &c.Halves, "texts": &c.Texts,
		"images": &c.Images, "layer_images": &c.LayerImages,
	} {
		if text, ok := m[key]; ok {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return Case{}, fmt.Errorf("read golden %s: metadata %s: %w", name, key, err)
			}
		}
	}
	for _, t := range ckpt.Names() {
		if !slices.Contains(c.Layers, t) && !slices.Contains(c.Outputs, t) {
			c.Inputs = append(c.Inputs, t)
		}
	}
	for _, want := range slices.Concat(c.Layers, c.Outputs) {
		if _, ok := ckpt.Tensor(want); !ok {
			return Case{}, fmt.Errorf("read golden %s: its metadata name %s, which is not among its tensors", name, want)
		}
	}
	if c.Model == "" || len(c.Inputs) == 0 || len(c.Outputs) == 0 {
		return Case{}, fmt.Errorf("read golden %s: it has model %q, inputs %q, outputs %q; none may be empty",
			name, c.Model, c.Inputs, c.Outputs)
	}
	return c, nil
}

func goldenFile(name string) string { return path.Join("models", name, "golden.safetensors") }

// open reads one of the embedded safetensors files.
func open(file string) (*weights.Checkpoint, error) {
	ckpt, err := weights.OpenFS(files, file)
	if err != nil {
		return nil, fmt.Errorf("read golden: %w", err)
	}
	return ckpt, nil
}

// tensors copies all tensors out of a checkpoint.
func tensors(ckpt *weights.Checkpoint) (map[string]Tensor, error) {
	all := map[string]Tensor{}
	for _, name := range ckpt.Names() {
		var err error
		if all[name], err = tensor(ckpt, name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// tensor copies one tensor out of a checkpoint.
func tensor(ckpt *weights.Checkpoint, name string) (Tensor, error) {
	t, ok := ckpt.Tensor(name)
	if !ok {
		return Tensor{}, fmt.Errorf("there is no tensor %s", name)
	}
	data := make([]float32, t.Len())
	if err := t.Float32s(data); err != nil {
		return Tensor{}, err
	}
	return Tensor{Shape: slices.Clone(t.Shape), Data: data}, nil
}
