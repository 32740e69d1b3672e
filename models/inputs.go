package models

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"saccade/gpu"
)

// attentionMask is the name of the mask among raw inputs.
const attentionMask = "attention_mask"

// Inputs are raw inputs in PyTorch's layout. A tower whose input is absent gives
// no output.
type Inputs struct {
	Pixels *Array // pixel_values [N, C, H, W]
	IDs    *Array // input_ids [N, T], whole numbers
	Mask   *Array // attention_mask [N, T]: ones, then zeros for padding, or nil

	// Tensors are the inputs of a part of a diffusion model by diffusers' names:
	// sample, timestep, encoder_hidden_states, latents and the like.
	Tensors map[string]Array
}

// bound is a program with its inputs, to be released.
type bound struct {
	*gpu.Program
	in      map[string]any
	floats  []float32 // those inputs that may not be finite
	release func()
}

// bind gives the programs of the towers whose inputs are there.
func (m *Model) bind(in Inputs) (all []bound, err error) {
	defer func() {
		if err != nil {
			releaseAll(all)
		}
	}()
	if m.part != nil {
		b, err := m.bindPart(in)
		if err != nil {
			return nil, err
		}
		return []bound{b}, nil
	}
	if len(in.Tensors) > 0 {
		return nil, fmt.Errorf("%s: found an input %s, which parts of diffusion models take", m.Name, slices.Sorted(maps.Keys(in.Tensors))[0])
	}
	if in.Pixels != nil {
		b, err := m.bindPictures(*in.Pixels)
		if err != nil {
			return all, err
		}
		all = append(all, b)
	}
	if in.IDs != nil {
		ids, err := m.ids(in.IDs)
		if err != nil {
			return all, err
		}
		seen, err := lengths(in.Mask, in.IDs.Shape)
		if err != nil {
			return all, err
		}
		b, err := m.bindText(ids, in.IDs.Shape[0], in.IDs.Shape[1], seen)
		if err != nil {
			return all, err
		}
		all = append(all, b)
	}
	return all, nil
}

func releaseAll(all []bound) {
	for _, b := range all {
		b.release()
	}
}

// ForwardInputs runs the towers whose inputs are there. Of both, the outputs
// have logits_per_image [pictures, texts] too.
func (m *Model) ForwardInputs(ctx context.Context, in Inputs) (map[string]Array, error) {
	all, err := m.bind(in)
	if err != nil {
		return nil, err
	}
	defer releaseAll(all)
	out := map[string]Array{}
	for _, b := range all {
		some, err := m.run(ctx, b)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, some)
	}
	if len(all) == 2 && m.pairing != nil {
		out["logits_per_image"] = m.LogitsPerImage(out["image_embeds"], out["text_embeds"])
	}
	return out, nil
}

// Plan is the memory of a forward pass of the larger tower, without the weights.
func (m *Model) Plan(in Inputs) (gpu.Memory, error) {
	all, err := m.bind(in)
	if err != nil {
		return gpu.Memory{}, err
	}
	defer releaseAll(all)
	var most gpu.Memory
	for _, b := range all {
		if x := b.Memory(); x.Arena >= most.Arena {
			most = x
		}
	}
	return most, nil
}

// Profile times each dispatch of a forward pass.
func (m *Model) Profile(ctx context.Context, in Inputs) ([]gpu.Timing, error) {
	all, err := m.bind(in)
	if err != nil {
		return nil, err
	}
	defer releaseAll(all)
	var timings []gpu.Timing
	for _, b := range all {
		some, err := b.Profile(ctx, b.in)
		if err != nil {
			return nil, err
		}
		timings = append(timings, some...)
	}
	return timings, nil
}

// Verify recomputes every operation of a forward pass on the CPU from the
// GPU's own inputs; see [gpu.Program.Verify].
func (m *Model) Verify(ctx context.Context, in Inputs, stopAtFirst bool) ([]gpu.OpCheck, error) {
	all, err := m.bind(in)
	if err != nil {
		return nil, err
	}
	defer releaseAll(all)
	var checks []gpu.OpCheck
	for _, b := range all {
		some, err := b.Verify(ctx, b.in, stopAtFirst)
		if err != nil {
			return nil, err
		}
		checks = append(checks, some...)
		if stopAtFirst && slices.ContainsFunc(some, func(c gpu.OpCheck) bool { return c.Err != nil }) {
			break
		}
	}
	return checks, nil
}

// Noise is an input of seeded random numbers where none is at hand: n pictures
// of normal noise, of the size that the model's preprocessing gives, and for a
// text tower n texts of random tokens up to its context.
func (m *Model) Noise(n int, seed uint64) Inputs {
	var in Inputs
	if m.part != nil {
		in.Tensors = noise(m.part.Example(n), seed)
	}
	if m.net != nil {
		c, h, w := m.first[1], m.first[2], m.first[3]
		in.Pixels = &Array{Shape: []int{n, c, h, w}, Data: normals(n*c*h*w, seed)}
	}
	if m.text != nil {
		ids := randomTexts(m.text, n, seed)[inputIDs].([]uint32)
		in.IDs = &Array{Shape: []int{n, m.text.Context()}}
		for _, id := range ids {
			in.IDs.Data = append(in.IDs.Data, float32(id))
		}
	}
	return in
}

// ids reads input_ids.
func (m *Model) ids(a *Array) ([]uint32, error) {
	if m.text == nil {
		return nil, fmt.Errorf("%s: input_ids: %w", m.Name, ErrNoText)
	}
	if len(a.Shape) != 2 {
		return nil, fmt.Errorf("input_ids: found shape %v, expected [N T]", a.Shape)
	}
	ids := make([]uint32, len(a.Data))
	for i, v := range a.Data {
		if v < 0 || v != float32(int(v)) {
			return nil, fmt.Errorf("input_ids: found %v, expected whole numbers of 0 and more", v)
		}
		ids[i] = uint32(v)
	}
	return ids, nil
}

// lengths reads attention_mask [N, T], whose rows are ones, then zeros for
// padding; nil if there is none, or nothing in it is masked.
func lengths(mask *Array, shape []int) ([]uint32, error) {
	if mask == nil {
		return nil, nil
	}
	if !slices.Equal(mask.Shape, shape) {
		return nil, fmt.Errorf("attention_mask: found shape %v, expected that of input_ids, %v", mask.Shape, shape)
	}
	if !slices.Contains(mask.Data, 0) {
		return nil, nil
	}
	seen := make([]uint32, shape[0])
	for i, v := range mask.Data {
		row, token := i/shape[1], i%shape[1]
		switch {
		case v != 0 && int(seen[row]) < token:
			return nil, fmt.Errorf("attention_mask: found a one after a zero in text %d; only padding at the end can be masked", row)
		case v != 0:
			seen[row]++
		case token == 0:
			return nil, fmt.Errorf("attention_mask: found no token of text %d unmasked, expected one at least", row)
		}
	}
	return seen, nil
}

// LogitsPerImage is [Model.Match] of all pairs, [pictures, texts], of embeddings
// of unit length, [pictures, D] and [texts, D].
func (m *Model) LogitsPerImage(images, texts Array) Array {
	width := images.Shape[1]
	out := Array{Shape: []int{images.Shape[0], texts.Shape[0]}}
	for i := range images.Shape[0] {
		for t := range texts.Shape[0] {
			out.Data = append(out.Data, float32(m.Match(images.Data[i*width:(i+1)*width], texts.Data[t*width:(t+1)*width])))
		}
	}
	return out
}
