package gpu

import (
	"fmt"
	"image/color"

	"saccade/gpu/internal/wgpu"
)

// ViewSource is the text of shaders' view.wgsl with constants set.
type ViewSource func(constants map[string]int) (string, error)

// painter draws quads into textures. Every method is called with d.mu held.
type painter struct {
	d      *Device
	source ViewSource
	k      *Kernel // what all shapes declare
	layout *wgpu.BindGroupLayout
	pl     *wgpu.PipelineLayout
	pipes  map[painting]*wgpu.RenderPipeline
	params *buffer         // paramStride bytes a quad
	hosted map[any]*buffer // what of the latest drawing came from the host, by its owner
}

// painting is what needs a pipeline of its own.
type painting struct {
	shape  shape
	format wgpu.TextureFormat
}

func (d *Device) newPainter(source ViewSource) (*painter, error) {
	text, err := source(nil)
	if err != nil {
		return nil, err
	}
	k, err := parseBindings("view", "", text)
	if err != nil {
		return nil, err
	}
	p := &painter{d: d, source: source, k: k, pipes: map[painting]*wgpu.RenderPipeline{}, hosted: map[any]*buffer{}}
	if err := p.makeLayout(); err != nil {
		p.release()
		return nil, fmt.Errorf("shader view: %s", oneLine(err))
	}
	return p, nil
}

func (p *painter) makeLayout() (err error) {
	entries := []wgpu.BindGroupLayoutEntry{{Binding: 0, Visibility: wgpu.ShaderStageVertex | wgpu.ShaderStageFragment,
		Buffer: wgpu.BufferBindingLayout{Type: wgpu.BufferBindingTypeUniform}}}
	for _, b := range p.k.Bindings {
		entries = append(entries, wgpu.BindGroupLayoutEntry{Binding: b.Index, Visibility: wgpu.ShaderStageFragment,
			Buffer: wgpu.BufferBindingLayout{Type: wgpu.BufferBindingTypeReadOnlyStorage}})
	}
	if p.layout, err = p.d.dev.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: p.k.Name, Entries: entries}); err != nil {
		return err
	}
	p.pl, err = p.d.dev.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{Label: p.k.Name, BindGroupLayouts: []*wgpu.BindGroupLayout{p.layout}})
	return err
}

// pipeline compiles what a quad needs, or returns what an earlier call compiled.
func (p *painter) pipeline(of painting) (*wgpu.RenderPipeline, error) {
	if pipe, ok := p.pipes[of]; ok {
		return pipe, nil
	}
	text, err := p.source(of.shape.constants())
	if err != nil {
		return nil, err
	}
	module, err := wgpu.CreateShaderModule(p.d.dev, p.k.Name, text)
	if err != nil {
		return nil, fmt.Errorf("compiling shader view: %s", oneLine(err))
	}
	defer module.Release()
	over := wgpu.BlendComponent{Operation: wgpu.BlendOperationAdd, SrcFactor: wgpu.BlendFactorOne, DstFactor: wgpu.BlendFactorOneMinusSrcAlpha}
	pipe, err := p.d.dev.CreateRenderPipeline(&wgpu.RenderPipelineDescriptor{
		Label:       p.k.Name,
		Layout:      p.pl,
		Vertex:      wgpu.VertexState{Module: module, EntryPoint: "corner"},
		Primitive:   wgpu.PrimitiveState{Topology: wgpu.PrimitiveTopologyTriangleStrip},
		Multisample: wgpu.MultisampleState{Count: 1, Mask: 0xffffffff},
		Fragment: &wgpu.FragmentState{Module: module, EntryPoint: "paint", Targets: []wgpu.ColorTargetState{
			{Format: of.format, Blend: &wgpu.BlendState{Color: over, Alpha: over}, WriteMask: wgpu.ColorWriteMaskAll}}},
	})
	if err != nil {
		return nil, fmt.Errorf("compiling shader view: %s", oneLine(err))
	}
	p.pipes[of] = pipe
	return pipe, nil
}

// release frees everything.
func (p *painter) release() {
	p.forget(map[any]bool{})
	p.params.releaseLocked()
	for _, pipe := range p.pipes {
		pipe.Release()
	}
	if p.pl != nil {
		p.pl.Release()
	}
	if p.layout != nil {
		p.layout.Release()
	}
}

// forget frees what the host gave for drawings but that with these owners.
func (p *painter) forget(but map[any]bool) {
	for owner, b := range p.hosted {
		if !but[owner] {
			b.releaseLocked()
			delete(p.hosted, owner)
		}
	}
}

// target is what a drawing goes to.
type target struct {
	view   *wgpu.TextureView
	format wgpu.TextureFormat
	w, h   int
}

// linear says that the texture stores linear light.
func (t target) linear() bool {
	return t.format == wgpu.TextureFormatBGRA8UnormSrgb || t.format == wgpu.TextureFormatRGBA8UnormSrgb
}

// draw submits a drawing of quads, the later over the earlier, and then what after encodes.
func (p *painter) draw(to target, ground color.RGBA, quads []Quad, after func(*wgpu.CommandEncoder) error) error {
	shown := make([]Quad, 0, len(quads))
	pipes := make([]*wgpu.RenderPipeline, 0, len(quads))
	for _, q := range quads {
		if err := q.check(); err != nil {
			return err
		}
		if !q.At.Empty() && (q.Picture == nil || q.Picture.buf.alive()) {
			if q.Heat != nil && q.Heat.Values == nil && !q.Heat.Tensor.buf.alive() {
				q.Heat = nil
			}
			pipe, err := p.pipeline(painting{q.shape(to.linear()), to.format})
			if err != nil {
				return err
			}
			shown, pipes = append(shown, q), append(pipes, pipe)
		}
	}
	if err := p.upload(to, shown); err != nil {
		return err
	}
	groups, err := p.bind(shown)
	defer func() {
		for _, g := range groups {
			g.Release()
		}
	}()
	if err != nil {
		return err
	}
	err = p.d.submit(func(e *wgpu.CommandEncoder) error {
		pass, err := wgpu.BeginRenderPass(e, &wgpu.RenderPassDescriptor{ColorAttachments: []wgpu.RenderPassColorAttachment{
			{View: to.view, LoadOp: wgpu.LoadOpClear, StoreOp: wgpu.StoreOpStore, ClearValue: clearing(ground, to.linear())}}})
		if err != nil {
			return err
		}
		defer pass.Release()
		for i, g := range groups {
			pass.SetPipeline(pipes[i])
			pass.SetBindGroup(0, g, nil)
			pass.Draw(4, 1, 0, 0)
		}
		if err := pass.End(); err != nil || after == nil {
			return err
		}
		return after(e)
	})
	if err != nil {
		return fmt.Errorf("drawing: %s", oneLine(err))
	}
	return nil
}

// upload brings the quads' parameters and what they show of the host to the
// device, and frees what earlier drawings showed.
func (p *painter) upload(to target, quads []Quad) error {
	all := make([]byte, len(quads)*paramStride)
	used := map[any]bool{}
	for i, q := range quads {
		raw, err := p.k.Encode(q.params(to.w, to.h))
		if err != nil {
			return err
		}
		copy(all[i*paramStride:], raw)
		for owner, pixels := range q.hosted() {
			if used[owner] = true; p.hosted[owner] != nil {
				continue
			}
			b, err := p.d.createBuffer("drawing", int64(len(pixels)), wgpu.BufferUsageStorage, true)
			if err != nil {
				return err
			}
			p.hosted[owner] = b
			copy(b.b.GetMappedRange(0, uint(b.size)), pixels)
			if err := wgpu.Unmap(b.b); err != nil {
				return fmt.Errorf("drawing: %s", oneLine(err))
			}
		}
	}
	p.forget(used)
	if len(all) == 0 {
		return nil
	}
	if p.params == nil || p.params.size < int64(len(all)) {
		p.params.releaseLocked()
		var err error
		if p.params, err = p.d.newBuffer("drawing", 2*int64(len(all)), wgpu.BufferUsageUniform|wgpu.BufferUsageCopyDst); err != nil {
			return err
		}
	}
	if err := p.d.queue.WriteBuffer(p.params.b, 0, all); err != nil {
		return fmt.Errorf("drawing: %s", oneLine(err))
	}
	return nil
}

// bind makes a bind group for each quad.
func (p *painter) bind(quads []Quad) (groups []*wgpu.BindGroup, err error) {
	none := wgpu.BindGroupEntry{Buffer: p.d.dummy.b, Size: 256}
	for i, q := range quads {
		data, heat := none, none
		if q.Picture != nil {
			data, err = p.entry(q.Picture)
		} else if q.Image != nil {
			data = hostedEntry(p.hosted[q.Image])
		}
		if h := q.Heat; err == nil && h != nil {
			if h.Values != nil {
				heat = hostedEntry(p.hosted[h])
			} else {
				heat, err = p.entry(h.Tensor)
			}
		}
		if err != nil {
			return groups, err
		}
		data.Binding, heat.Binding = 1, 2
		g, err := p.d.dev.CreateBindGroup(&wgpu.BindGroupDescriptor{Label: p.k.Name, Layout: p.layout, Entries: []wgpu.BindGroupEntry{
			{Binding: 0, Buffer: p.params.b, Offset: uint64(i) * paramStride, Size: uint64(p.k.paramBytes())}, data, heat}})
		if err != nil {
			return groups, fmt.Errorf("drawing: %s", oneLine(err))
		}
		groups = append(groups, g)
	}
	return groups, nil
}

func hostedEntry(b *buffer) wgpu.BindGroupEntry {
	return wgpu.BindGroupEntry{Buffer: b.b, Size: uint64(b.size)}
}

// entry binds a tensor's memory.
func (p *painter) entry(t *Tensor) (wgpu.BindGroupEntry, error) {
	if most := p.d.info.Limits.MaxBinding; t.bytes > most {
		return wgpu.BindGroupEntry{}, fmt.Errorf("drawing %s: its %d bytes exceed the adapter's largest binding, %d", t, t.bytes, most)
	}
	return wgpu.BindGroupEntry{Buffer: t.buf.b, Offset: uint64(t.off), Size: uint64((t.bytes + 3) &^ 3)}, nil
}

// clearing is a colour as the texture stores it.
func clearing(c color.RGBA, linear bool) wgpu.Color {
	of := func(v uint8) float64 {
		s := float64(v) / 255
		if linear {
			return toLinear(s)
		}
		return s
	}
	return wgpu.Color{R: of(c.R), G: of(c.G), B: of(c.B), A: 1}
}
