package diffusion

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/models/clip"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/nn"
	"saccade/models/unet"
	"saccade/ops"
	"saccade/weights"
)

// Reader is a pipeline whose text tower is trained with its UNet, by what that estimates.
type Reader struct {
	// Description is of the text tower and the UNet as one module, whose network takes
	// input_ids in place of a prompt's states. The names of its layers begin with the part,
	// text_encoder or unet. Its tensors are the pipeline's.
	Description *nn.Description

	e *encoder
}

// Reader has a pipeline of one text tower train that too.
func (p *Pipeline) Reader() (*Reader, error) {
	if len(p.encoders) != 1 {
		return nil, fmt.Errorf("%s has %d text towers; one is trained", p.Class, len(p.encoders))
	}
	estimator, err := p.Estimator()
	if err != nil {
		return nil, err
	}
	config, src, err := p.readText()
	if err != nil {
		return nil, err
	}
	r := &Reader{e: p.encoders[0]}
	r.Description, err = p.together(estimator, r.e, config, src)
	return r, err
}

// IDs are the tokens of a prompt, as many as the tower reads, and what it does not read of it.
func (r *Reader) IDs(prompt string) (ids []float32, truncated string, err error) {
	rows, err := r.e.rows(prompt, Plain)
	if err != nil {
		return nil, "", err
	}
	return r.e.ids(rows[:1]).Data, r.e.truncated(prompt), nil
}

// readText describes the text tower of a pipeline of one.
func (p *Pipeline) readText() (clip.TextConfig, weights.Source, error) {
	in, err := p.files.Part(checkpoint.TextEncoder)
	if err != nil {
		return clip.TextConfig{}, nil, err
	}
	config, src, err := clip.DescribeText(in.Source, in.Config)
	if err != nil {
		return config, nil, fmt.Errorf("text_encoder: %w", err)
	}
	return config, src, nil
}

// together is a UNet and a text tower as one module: the UNet is told the state of the tower that
// pipelines tell it.
func (p *Pipeline) together(estimator *nn.Description, e *encoder, config clip.TextConfig, src weights.Source) (*nn.Description, error) {
	h, err := p.hidden(e, 0, 0)
	if err != nil {
		return nil, err
	}
	return &nn.Description{Tensors: both{estimator.Tensors, src}, Make: func(b *ops.Builder) (*nn.Layers, error) {
		u, err := estimator.Make(b)
		if err != nil {
			return nil, err
		}
		t, err := config.Layers(b)
		if err != nil {
			return nil, err
		}
		return together(u, t, h.state), nil
	}}, nil
}

// The names of the parts in a module of both.
const unetPart, textPart = "unet", "text_encoder"

// both are the tensors of a UNet and of a text tower.
type both struct{ unet, text weights.Source }

func (b both) Names() (all []string) {
	for _, n := range b.unet.Names() {
		all = append(all, unetPart+"."+n)
	}
	for _, n := range b.text.Names() {
		all = append(all, textPart+"."+n)
	}
	return all
}

func (b both) Tensor(name string) (*weights.Tensor, bool) {
	part, rest, _ := strings.Cut(name, ".")
	of := b.unet
	if part == textPart {
		of = b.text
	}
	t, ok := of.Tensor(rest)
	if ok {
		t.Name = name
	}
	return t, ok
}

// together are the layers of a UNet that is told the state of a text tower of that name.
func together(u, t *nn.Layers, state string) *nn.Layers {
	estimate, read := u.Networks[0], t.Networks[0]
	network := &nn.Network{Usual: maps.Clone(estimate.Usual), Check: estimate.Check, Inputs: slices.Clone(read.Inputs),
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			told := maps.Clone(in)
			told[unet.Context] = read.Within(r, in, state)[state]
			if r.Err() == nil {
				estimate.Record(r, told)
			}
		}}
	maps.Copy(network.Usual, read.Usual)
	for i := len(estimate.Inputs) - 1; i >= 0; i-- { // a batch's first input tells its items
		if x := estimate.Inputs[i]; x.Name != unet.Context {
			network.Inputs = slices.Insert(network.Inputs, 0, x)
		}
	}
	return &nn.Layers{
		Parameters: &struct {
			UNet any `w:"unet"`
			Text any `w:"text_encoder"`
		}{u.Parameters, t.Parameters},
		Networks: []*nn.Network{network}, Estimate: u.Estimate, Tokens: t.Tokens,
		Projections: append(within(unetPart, u.Projections), within(textPart, t.Projections)...),
	}
}

// within are projections under names that begin with their part, and those without it.
func within(part string, all []nn.Projection) []nn.Projection {
	all = slices.Clone(all)
	for i, p := range all {
		names := make([]string, len(p.Names))
		for k, n := range p.Names {
			names[k] = part + "." + n
		}
		all[i].Names = append(names, p.Names...)
	}
	return all
}
