package weights_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"saccade/weights"
)

// Linear is a leaf: it says what it wants and takes it.
type Linear struct {
	In, Out int
	Weight  []float32
}

func (l *Linear) Params() []weights.Param {
	return []weights.Param{{
		Name:  "weight",
		Shape: []int{l.Out, l.In},
		Set: func(t *weights.Tensor) error {
			l.Weight = make([]float32, t.Len())
			return t.Float32s(l.Weight)
		},
	}}
}

// Model names its parts as the rules below do.
type Model struct {
	Head Linear `w:"head"`
}

func Example() {
	dir, err := os.MkdirTemp("", "saccade")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.safetensors")
	t, err := weights.FromFloat32s("vit.classifier.weight", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	if err := weights.Write(path, []*weights.Tensor{t}, nil); err != nil {
		log.Fatal(err)
	}

	checkpoint, err := weights.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer checkpoint.Close()
	src := weights.Rename(weights.StripPrefix(checkpoint, "vit."), []weights.Rule{{From: "classifier.*", To: "head.*"}})
	for _, out := range []int{2, 4} {
		model := Model{Head: Linear{In: 3, Out: out}}
		bindings, err := weights.Bind(&model, src)
		if err != nil {
			fmt.Println(err)
			continue
		}
		for _, b := range bindings { // in parallel, if it takes long
			if err := b.Set(); err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println(model.Head.Weight)
	}
	// Output:
	// [1 2 3 4 5 6]
	// the checkpoint does not fit the model: 1 wrong-shaped: vit.classifier.weight (our head.weight): found [2 3], the config wants [4 3]
}
