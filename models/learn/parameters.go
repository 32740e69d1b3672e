package learn

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/models"
	"saccade/models/nn"
	"saccade/ops"
)

// parameter is a trained array.
type parameter struct {
	name   string   // that it is written under
	others []string // that it is known by, too
	shape  []int    // as PyTorch has it
	turned bool     // its state is the transpose
	// first and columns are those of the array that it is, where another parameter of the
	// name has the others; 0 columns: all.
	first, columns int
	value          *gpu.Tensor
	grad           *gpu.Tensor                    // over the micro-batches of a step
	moments        []*gpu.Tensor                  // of the optimizer
	begin          func(rng *rand.Rand) []float32 // the first values
}

// peft stands before the names of a network's modules within a model of PEFT.
const peft = "base_model.model."

// adapt puts adapters beside the layers that are meant, and has the head be trained, if the
// options say so.
func (l *Learner) adapt(layers *nn.Layers) error {
	o := l.options
	if o.LoRA != nil {
		chosen, err := o.LoRA.choose(layers.Projections)
		if err != nil {
			return err
		}
		for _, p := range chosen {
			if err := l.addAdapter(p); err != nil {
				return err
			}
		}
	}
	if o.Head {
		return l.addHead(layers.Head)
	}
	return nil
}

// addAdapter puts an adapter beside a projection.
func (l *Learner) addAdapter(p nn.Projection) error {
	lora := l.options.LoRA
	a, err := p.Layer.Adapt(lora.Rank, p.First, p.Out, lora.scale())
	if err != nil {
		return err
	}
	in := p.Layer.In
	bound := 1 / math.Sqrt(float64(in)) // of kaiming_uniform(√5)
	names := func(part string) (name string, others []string) {
		for i, n := range p.Names {
			if n = peft + n + "." + part + ".weight"; i == 0 {
				name = n
			} else {
				others = append(others, n)
			}
		}
		return name, others
	}
	down := &parameter{value: a.A, shape: []int{lora.Rank, in}, begin: func(rng *rand.Rand) []float32 {
		v := make([]float32, lora.Rank*in)
		for i := range v {
			v[i] = float32((2*rng.Float64() - 1) * bound)
		}
		return v
	}}
	up := &parameter{value: a.B, shape: []int{p.Out, lora.Rank}, turned: true, begin: func(*rand.Rand) []float32 { return make([]float32, p.Out*lora.Rank) }}
	down.name, down.others = names("lora_A")
	up.name, up.others = names("lora_B")
	l.all = append(l.all, down, up)
	return nil
}

// addHead has the head's values be trained, whose layers are columns of one weight.
func (l *Learner) addHead(head []nn.Projection) error {
	width, first := 0, 0
	for _, h := range head {
		width += h.Layer.In
	}
	for _, h := range head {
		t, err := h.Layer.Train()
		if err != nil {
			return err
		}
		weight := l.headParameter(h, "weight", t.Weight, []int{h.Out, width}, func() []float32 { w, _ := h.Layer.Checkpoint(); return w })
		weight.first, weight.columns = first, h.Layer.In
		first += h.Layer.In
		if t.Bias != nil {
			l.headParameter(h, "bias", t.Bias, []int{h.Out}, func() []float32 { _, b := h.Layer.Checkpoint(); return b })
		}
	}
	return nil
}

// headParameter adds a part of the head's.
func (l *Learner) headParameter(head nn.Projection, part string, value *gpu.Tensor, shape []int, values func() []float32) *parameter {
	p := &parameter{value: value, shape: shape, begin: func(*rand.Rand) []float32 { return values() }}
	for _, n := range head.Names {
		p.others = append(p.others, n+"."+part, peft+n+"."+part)
	}
	p.name = p.others[0]
	if l.options.LoRA != nil {
		p.name = p.others[1]
	}
	l.all = append(l.all, p)
	return p
}

// choose finds the projections that get an adapter, in the order of the network.
func (o *LoRA) choose(all []nn.Projection) ([]nn.Projection, error) {
	if len(all) == 0 {
		return nil, errors.New("its layers take no adapters; train the head alone")
	}
	found := map[string]bool{}
	chosen := slices.DeleteFunc(slices.Clone(all), func(p nn.Projection) bool {
		if o.Targets == nil {
			return !p.Usual
		}
		meant := false
		for _, t := range o.Targets {
			if p.Is(t) {
				meant, found[t] = true, true
			}
		}
		return !meant
	})
	for _, t := range o.Targets {
		if !found[t] {
			return nil, fmt.Errorf("the target %q matches no layer; the nearest is %q, and there are %s", t, models.Nearest(t, every(all)), strings.Join(modules(all), ", "))
		}
	}
	return chosen, nil
}

// every lists the last parts of all names of projections.
func every(all []nn.Projection) (parts []string) {
	for _, p := range all {
		for _, n := range p.Names {
			parts = append(parts, n[strings.LastIndex(n, ".")+1:])
		}
	}
	return parts
}

// modules are the last parts of the names of projections, each once.
func modules(all []nn.Projection) (parts []string) {
	for _, p := range all {
		if part := p.Names[0][strings.LastIndex(p.Names[0], ".")+1:]; !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return parts
}

// Targets are the modules that have an adapter, by PEFT's target_modules: the last part of their
// names, each once ("q_proj", "v_proj"). Head is the module that was trained as a whole, by PEFT's
// modules_to_save ("classifier"), or "".
func (l *Learner) Targets() (targets []string, head string) {
	for _, p := range l.all {
		module, adapter := strings.CutSuffix(p.name, ".lora_A.weight")
		switch {
		case adapter:
			if part := module[strings.LastIndex(module, ".")+1:]; !slices.Contains(targets, part) {
				targets = append(targets, part)
			}
		case !strings.HasSuffix(p.name, ".lora_B.weight"):
			module = strings.TrimPrefix(p.name, peft)
			head = module[:strings.LastIndex(module, ".")]
		}
	}
	return targets, head
}

// reserve makes the gradient and the moments, without their memory.
func (p *parameter) reserve(dev *gpu.Device, o Optimizer) error {
	for i := range o.moments() + 1 {
		t, err := dev.ReserveState(p.name, gpu.F32, p.value.Groups, p.value.Shape...)
		if err != nil {
			return err
		}
		if i == 0 {
			p.grad = t
		} else {
			p.moments = append(p.moments, t)
		}
	}
	return nil
}

// own are they.
func (p *parameter) own() []*gpu.Tensor {
	if p.grad == nil {
		return nil
	}
	return append([]*gpu.Tensor{p.grad}, p.moments...)
}

// begin gives the parameters their first values.
func (l *Learner) begin() error {
	rng := rand.New(rand.NewPCG(l.options.Seed, 0))
	for _, p := range l.all {
		v := p.begin(rng) // drawn for all, so that what is given changes no other
		if a, _ := p.given(l.options.Init); a.Data != nil {
			v = p.part(a.Data)
		}
		if err := p.write(p.value, v); err != nil {
			return err
		}
	}
	return nil
}

// given finds the parameter's first values among those that are given, and their name there.
func (p *parameter) given(all map[string]nn.Array) (nn.Array, string) {
	for _, n := range append([]string{p.name}, p.others...) {
		if a, ok := all[n]; ok {
			return a, n
		}
	}
	return nn.Array{}, ""
}

// checkInit refuses first values that are of no parameter, or of another shape.
func (l *Learner) checkInit() error {
	used := map[string]bool{}
	for _, p := range l.all {
		a, n := p.given(l.options.Init)
		if n != "" && (!slices.Equal(a.Shape, p.shape) || len(a.Data) != elements(p.shape)) {
			return fmt.Errorf("first values of %s: found shape %v with %d values, expected %v", n, a.Shape, len(a.Data), p.shape)
		}
		used[n] = true
	}
	for _, n := range slices.Sorted(maps.Keys(l.options.Init)) {
		if !used[n] {
			return fmt.Errorf("first values of %s, which is not trained; trained are %s", n, l.names())
		}
	}
	return nil
}

// names lists the parameters, or the first of many.
func (l *Learner) names() string {
	var names []string
	for _, p := range l.all {
		names = append(names, p.name)
	}
	if len(names) > 4 {
		return strings.Join(names[:4], ", ") + fmt.Sprintf(" and %d more", len(names)-4)
	}
	return strings.Join(names, ", ")
}

// part is what the parameter has of an array of its name.
func (p *parameter) part(v []float32) []float32 {
	if p.columns == 0 || p.columns == p.shape[1] {
		return v
	}
	var part []float32
	for row := range slices.Chunk(v, p.shape[1]) {
		part = append(part, row[p.first:p.first+p.columns]...)
	}
	return part
}

// join puts what the parameter has into an array of its name, which may have been made for
// another part of it.
func (p *parameter) join(whole, part []float32) []float32 {
	if p.columns == 0 || p.columns == p.shape[1] {
		return part
	}
	if whole == nil {
		whole = make([]float32, p.shape[0]*p.shape[1])
	}
	for i, v := range part {
		whole[i/p.columns*p.shape[1]+p.first+i%p.columns] = v
	}
	return whole
}

// write sets a tensor of the parameter's from what it has of values as PyTorch has them.
func (p *parameter) write(t *gpu.Tensor, v []float32) error {
	if p.turned {
		v = ops.Transpose(v, p.shape[0], p.shape[1])
	}
	return t.Write(v)
}

// read gives a tensor of the parameter's within an array as PyTorch has it.
func (p *parameter) read(t *gpu.Tensor, whole nn.Array) (nn.Array, error) {
	v, err := t.Read()
	if p.turned {
		v = ops.Transpose(v, p.shape[1], p.shape[0])
	}
	return nn.Array{Shape: p.shape, Data: p.join(whole.Data, v)}, err
}
