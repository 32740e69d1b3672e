package diffusion

import (
	"context"
	"fmt"

	"saccade/gpu"
	"saccade/ops"
	"saccade/weights"
)

// part is a network of the pipeline, which comes to the device when it is first
// used and can be dropped from it.
type part[N any] struct {
	name      string
	dev       *gpu.Device
	precision gpu.DType
	src       weights.Source // under the network's own names
	make      func(b *ops.Builder) (N, error)

	net N
	b   *ops.Builder // nil: not there
}

// bind makes the network's layers. Its weights come to the device by their
// builder's Upload, which the first of [part.ready] or [runOnce] asks for.
func (p *part[N]) bind() (N, *ops.Builder, error) {
	if p.b != nil {
		return p.net, p.b, nil
	}
	b := ops.NewBuilder(p.dev, p.precision)
	net, err := p.make(b)
	if err == nil {
		err = b.Bind(net, p.src)
	}
	if err != nil {
		b.Close()
		var none N
		return none, nil, fmt.Errorf("%s: %w", p.name, err)
	}
	p.net, p.b = net, b
	return net, b, nil
}

// drop takes the network from the device; its next use brings it back.
func (p *part[N]) drop() {
	if p.b != nil {
		p.b.Close()
		p.b = nil
	}
}

// bytes is what the weights take on the device.
func (p *part[N]) bytes() int64 {
	if p.b == nil {
		return 0
	}
	return p.b.Bytes()
}

// runOnce runs a recording and forgets it.
func runOnce(ctx context.Context, r *gpu.Recorder, b *ops.Builder, in map[string]any) (map[string][]float32, error) {
	p, err := b.Program(r)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Run(ctx, in)
}
