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
	name    string   // that it is written under
	others  []string // that it is known by, too
	shape   []int    // as PyTorch has it
	turned  bool     // its state is the transpose
	value   *gpu.Tensor
	grad    *gpu.Tensor   // over the micro-batches of a step
	moments []*gpu.Tensor // of the optimizer
	first   func(rng *rand.Rand) []float32
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
		return l.addHead(*layers.Head)
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
	down := &parameter{value: a.A, shape: []int{lora.Rank, in}, first: func(rng *rand.Rand) []float32 {
		v := make([]float32, lora.Rank*in)
		for i := range v {
			v[i] = float32((2*rng.Float64() - 1) * bound)
		}
		return v
	}}
	up := &parameter{value: a.B, shape: []int{p.Out, lora.Rank}, turned: true, first: func(*rand.Rand) []float32 { return make([]float32, p.Out*lora.Rank) }}
	down.name, down.others = names("lora_A")
	up.name, up.others = names("lora_B")
	l.all = append(l.all, down, up)
	return nil
}

// addHead has the head's values be trained.
func (l *Learner) addHead(head nn.Projection) error {
	t, err := head.Layer.Train()
	if err != nil {
		return err
	}
	add := func(part string, value *gpu.Tensor, shape []int, first func() []float32) {
		p := &parameter{value: value, shape: shape, first: func(*rand.Rand) []float32 { return first() }}
		for _, n := range head.Names {
			p.others = append(p.others, n+"."+part, peft+n+"."+part)
		}
		p.name = p.others[0]
		if l.options.LoRA != nil {
			p.name = p.others[1]
		}
		l.all = append(l.all, p)
	}
	add("weight", t.Weight, []int{head.Out, head.Layer.In}, func() []float32 { w, _ := head.Layer.Checkpoint(); return w })
	if t.Bias != nil {
		add("bias", t.Bias, []int{head.Out}, func() []float32 { _, b := head.Layer.Checkpoint(); return b })
	}
	return nil
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

// allocate takes the memory of the gradient and the moments.
func (p *parameter) allocate(dev *gpu.Device, o Optimizer) error {
	count := 2
	if o.Kind == SGD {
		count = 1
	}
	for i := range count + 1 {
		t, err := dev.State(p.name, gpu.F32, p.value.Groups, p.value.Shape...)
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

func (p *parameter) release() {
	p.grad.Release()
	for _, t := range p.moments {
		t.Release()
	}
}

// begin gives the parameters their first values.
func (l *Learner) begin() error {
	rng := rand.New(rand.NewPCG(l.options.Seed, 0))
	given := maps.Clone(l.options.Init)
	for _, p := range l.all {
		v := p.first(rng) // drawn for all, so that what is given changes no other
		for _, n := range append([]string{p.name}, p.others...) {
			a, ok := given[n]
			if !ok {
				continue
			}
			if !slices.Equal(a.Shape, p.shape) {
				return fmt.Errorf("first values of %s: found shape %v, expected %v", n, a.Shape, p.shape)
			}
			v = a.Data
			delete(given, n)
			break
		}
		if err := p.write(p.value, v); err != nil {
			return err
		}
	}
	for _, n := range slices.Sorted(maps.Keys(given)) {
		return fmt.Errorf("first values of %s, which is not trained; trained are %s", n, l.names())
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

// write sets a tensor of the parameter's from values as PyTorch has them.
func (p *parameter) write(t *gpu.Tensor, v []float32) error {
	if p.turned {
		v = ops.Transpose(v, p.shape[0], p.shape[1])
	}
	return t.Write(v)
}

// read gives a tensor of the parameter's as PyTorch has it.
func (p *parameter) read(t *gpu.Tensor) (nn.Array, error) {
	v, err := t.Read()
	if p.turned {
		v = ops.Transpose(v, p.shape[1], p.shape[0])
	}
	return nn.Array{Shape: p.shape, Data: v}, err
}
