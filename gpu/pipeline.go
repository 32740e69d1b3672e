package gpu

import (
	"fmt"

	"saccade/gpu/internal/wgpu"
)

// pipeline is a compiled kernel with its bind group layout.
type pipeline struct {
	module *wgpu.ShaderModule
	layout *wgpu.BindGroupLayout
	pl     *wgpu.PipelineLayout
	pipe   *wgpu.ComputePipeline
	warm   bool // the driver has compiled it: it has been dispatched
}

func (p *pipeline) release() {
	if p.pipe != nil {
		p.pipe.Release()
	}
	if p.pl != nil {
		p.pl.Release()
	}
	if p.layout != nil {
		p.layout.Release()
	}
	if p.module != nil {
		p.module.Release()
	}
}

// pipelineFor compiles k, or returns what an earlier call compiled. The caller holds d.mu.
func (d *Device) pipelineFor(k *Kernel) (*pipeline, error) {
	if p, ok := d.pipelines[k.WGSL]; ok {
		return p, nil
	}
	if word := d.opts.Debug.WGSL; word != "" && word == k.Name {
		d.logf("// %s\n%s", k, k.WGSL)
	}
	p := &pipeline{}
	if err := d.compile(p, k); err != nil {
		p.release()
		return nil, fmt.Errorf("compiling kernel %s: %s", k, oneLine(err))
	}
	d.pipelines[k.WGSL] = p
	d.stats.Pipelines++
	return p, nil
}

func (d *Device) compile(p *pipeline, k *Kernel) (err error) {
	if k.invocations() > d.info.Limits.MaxInvocations {
		return fmt.Errorf("%d invocations a workgroup exceed the adapter's %d", k.invocations(), d.info.Limits.MaxInvocations)
	}
	p.module, err = wgpu.CreateShaderModule(d.dev, k.String(), k.WGSL)
	if err != nil {
		return err
	}
	entries := []wgpu.BindGroupLayoutEntry{{Binding: 0, Visibility: wgpu.ShaderStageCompute,
		Buffer: wgpu.BufferBindingLayout{Type: wgpu.BufferBindingTypeUniform}}}
	for _, b := range k.Bindings {
		t := wgpu.BufferBindingTypeReadOnlyStorage
		if b.Write {
			t = wgpu.BufferBindingTypeStorage
		} else if b.Length > 0 {
			t = wgpu.BufferBindingTypeUniform
		}
		entries = append(entries, wgpu.BindGroupLayoutEntry{Binding: b.Index, Visibility: wgpu.ShaderStageCompute,
			Buffer: wgpu.BufferBindingLayout{Type: t}})
	}
	if p.layout, err = d.dev.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: k.Name, Entries: entries}); err != nil {
		return err
	}
	if p.pl, err = d.dev.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{Label: k.Name, BindGroupLayouts: []*wgpu.BindGroupLayout{p.layout}}); err != nil {
		return err
	}
	p.pipe, err = d.dev.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{
		Label: k.String(), Layout: p.pl, Compute: wgpu.ProgrammableStageDescriptor{Module: p.module, EntryPoint: "main"},
	})
	return err
}

// Check compiles a kernel without running it.
func (d *Device) Check(k *Kernel) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.pipelineFor(k)
	return err
}
