package learn

import (
	"errors"
	"fmt"
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
	name   string // that it is told by
	pieces []piece
	// order is where in PyTorch's array each value of the state stands, as [ops.Trained] has it.
	order []uint32
	size  int // values of PyTorch's array
	value *gpu.Tensor
	// statistic says that it is a running one, which has no gradient.
	statistic bool
	grad      *gpu.Tensor                    // over the micro-batches of a step
	moments   []*gpu.Tensor                  // of the optimizer
	begin     func(rng *rand.Rand) []float32 // the first values
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
	if o.Full {
		return l.addAll()
	}
	if o.Token != nil {
		return l.addToken()
	}
	if o.Prompts {
		t, err := l.module.TrainPrompts()
		if err == nil {
			err = l.addOwn(t)
		}
		if err != nil {
			return err
		}
	}
	if o.Head {
		return l.addHead(layers.Head)
	}
	return nil
}

// add adds a parameter.
func (l *Learner) add(p *parameter, pieces ...piece) {
	p.name, p.pieces = pieces[0].name, pieces
	for _, x := range pieces {
		p.size += x.len()
	}
	l.all = append(l.all, p)
}

// addTrained adds an array of a layer that is trained as a whole.
func (l *Learner) addTrained(t ops.Trained, pieces ...piece) {
	l.add(&parameter{value: t.State, order: t.Order, statistic: t.Statistic, begin: func(*rand.Rand) []float32 { return t.Checkpoint() }}, pieces...)
}

// addAll has all layers be trained, under the names that their tensors have in the checkpoint.
func (l *Learner) addAll() error {
	all, err := l.module.Train(ops.Training{BatchStatistics: l.options.BatchStatistics})
	if err != nil {
		return err
	}
	for _, t := range all {
		if err := l.addOwn(t); err != nil {
			return err
		}
	}
	return nil
}

// addToken has the embedding of a token be trained.
func (l *Learner) addToken() error {
	o := l.options.Token
	t, err := l.module.TrainTokens(o.ID, 1)
	if err != nil {
		return err
	}
	if len(o.Begin) != elements(t.Shape) {
		return fmt.Errorf("token %s begins with %d values, expected %d", o.Name, len(o.Begin), elements(t.Shape))
	}
	l.add(&parameter{value: t.State, begin: func(*rand.Rand) []float32 { return o.Begin }}, piece{name: o.Name, shape: t.Shape})
	return nil
}

// addOwn adds an array under the names that the checkpoint has for it.
func (l *Learner) addOwn(t ops.Trained) error {
	tensors, ok := t.Parts()
	if !ok {
		return fmt.Errorf("%s: it is computed of the checkpoint's tensors, and can't be trained", t.Name)
	}
	var pieces []piece
	for _, x := range tensors {
		pieces = append(pieces, piece{name: x.Name, shape: x.Shape})
	}
	l.addTrained(t, pieces...)
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
	down := piece{shape: []int{lora.Rank, in}}
	down.name, down.others = names("lora_A")
	up := piece{shape: []int{p.Out, lora.Rank}}
	up.name, up.others = names("lora_B")
	l.add(&parameter{value: a.A, begin: func(rng *rand.Rand) []float32 {
		v := make([]float32, lora.Rank*in)
		for i := range v {
			v[i] = float32((2*rng.Float64() - 1) * bound)
		}
		return v
	}}, down)
	l.add(&parameter{value: a.B, order: turned(p.Out, lora.Rank), begin: func(*rand.Rand) []float32 { return make([]float32, p.Out*lora.Rank) }}, up)
	return nil
}

// turned is the order of a state that is the transpose of [rows, columns].
func turned(rows, columns int) (order []uint32) {
	for c := range columns {
		for r := range rows {
			order = append(order, uint32(r*columns+c))
		}
	}
	return order
}

// addHead has the head's values be trained, whose layers are columns of one weight.
func (l *Learner) addHead(head []nn.Projection) error {
	width, first := 0, 0
	for _, h := range head {
		width += h.Layer.In
	}
	for _, h := range head {
		all, err := h.Layer.Train()
		if err != nil {
			return err
		}
		for _, t := range all {
			part := t.Name[strings.LastIndex(t.Name, "."):]
			p := piece{shape: slices.Clone(t.Shape)}
			if len(p.shape) == 2 {
				p.shape[1], p.first, p.columns = width, first, h.Layer.In
			}
			for _, n := range h.Names {
				p.others = append(p.others, n+part, peft+n+part)
			}
			if p.name = p.others[0]; l.options.LoRA != nil {
				p.name = p.others[1]
			}
			l.addTrained(t, p)
		}
		first += h.Layer.In
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

// modules are the ends of the names of projections, each once: the last part, or of one that is a
// number or below a number what comes before, too ("to_out.0", "net.0.proj").
func modules(all []nn.Projection) (ends []string) {
	number := func(part string) bool { return strings.Trim(part, "0123456789") == "" }
	for _, p := range all {
		parts := strings.Split(p.Names[0], ".")
		first := len(parts) - 1
		for first > 0 && (number(parts[first]) || parts[first] == "proj" && number(parts[first-1])) {
			first--
		}
		if end := strings.Join(parts[first:], "."); !slices.Contains(ends, end) {
			ends = append(ends, end)
		}
	}
	return ends
}

// Adapted are the names of the modules that have an adapter ("vit.layers.0.attention.q_proj").
func (l *Learner) Adapted() (modules []string) {
	for _, p := range l.all {
		if module, ok := strings.CutSuffix(p.name, ".lora_A.weight"); ok {
			modules = append(modules, strings.TrimPrefix(module, peft))
		}
	}
	return modules
}

// Targets are the modules that have an adapter, by PEFT's target_modules: the last part of their
// names, each once ("q_proj", "v_proj"). Head is the module that was trained as a whole, by PEFT's
// modules_to_save ("classifier"), or "".
func (l *Learner) Targets() (targets []string, head string) {
	for _, module := range l.Adapted() {
		if part := module[strings.LastIndex(module, ".")+1:]; !slices.Contains(targets, part) {
			targets = append(targets, part)
		}
	}
	for _, p := range l.all {
		if !strings.HasSuffix(p.name, ".lora_A.weight") && !strings.HasSuffix(p.name, ".lora_B.weight") {
			module := strings.TrimPrefix(p.name, peft)
			head = module[:strings.LastIndex(module, ".")]
		}
	}
	return targets, head
}

// reserve makes the gradient and the moments, without their memory.
func (p *parameter) reserve(dev *gpu.Device, o Optimizer) error {
	if p.statistic {
		return nil
	}
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
