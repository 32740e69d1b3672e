package main

import (
	"fmt"

	"saccade/gpu"
	"saccade/models"
	"saccade/ops"
)

// architectures are the models whose kernels are looked at, for a picture and for eight.
var architectures = []string{
	"resnet18", "resnet50", "alexnet", "vgg16", "efficientnet_b0", "vit_ti_16", "vit_b_16", "clip_vit_b_32",
	"dinov2_s_14", "unet_ddpm_cifar10", "sd15_unet", "sd15_vae_decode",
}

// use is a kernel in use, with an example of where.
type use struct {
	kernel    *gpu.Kernel
	precision string // of the recordings, "f16", "f32" or both
	uses      int    // dispatches of all recordings
	number    int    // among kernels of the same name, variant and precision
	example   string // the first of them: model or case, shapes of the operation's first input and output
}

// variant is the kernel's, with a number where others are called the same.
func (u use) variant() string {
	if u.number > 1 {
		return fmt.Sprintf("%s (%d)", u.kernel.Variant, u.number)
	}
	return u.kernel.Variant
}

// collection gathers kernels by their text.
type collection struct {
	found map[string]*use
	order []string
}

// inUse records all that is looked at, as for AMD's GPUs, and gives its kernels
// in the order in which they were found.
func inUse(dev *gpu.Device) ([]use, error) {
	c := collection{found: map[string]*use{}}
	for _, precision := range []gpu.DType{gpu.F16, gpu.F32} {
		for _, name := range architectures {
			for _, batch := range []int{1, 8} {
				recorded, err := models.RecordStandard(dev, name, precision, models.StandardSize{Batch: batch})
				if err != nil {
					return nil, err
				}
				c.add(name, precision, recorded)
			}
		}
	}
	for _, precision := range []gpu.DType{gpu.F16, gpu.F32} {
		for _, one := range ops.Cases() {
			recorded, err := recordCase(dev, one, precision)
			if err != nil {
				return nil, err
			}
			c.add("case", precision, recorded)
		}
	}
	return c.numbered(), nil
}

// recordCase records a case without running it.
func recordCase(dev *gpu.Device, c ops.Case, precision gpu.DType) ([]gpu.Op, error) {
	b := ops.NewBuilder(dev, precision)
	defer b.Close()
	r := dev.Record(precision)
	if _, err := c.Build(b, r); err != nil {
		return nil, fmt.Errorf("recording %s: %w", c, err)
	}
	return r.Ops(), nil
}

// add takes the kernels of recorded operations.
func (c *collection) add(subject string, precision gpu.DType, recorded []gpu.Op) {
	for _, op := range recorded {
		for _, x := range op.Dispatches {
			u, ok := c.found[x.Kernel.WGSL]
			if !ok {
				u = &use{kernel: x.Kernel, precision: precision.String(), example: fmt.Sprintf("%s %s", subject, shapes(op))}
				c.found[x.Kernel.WGSL] = u
				c.order = append(c.order, x.Kernel.WGSL)
			}
			if p := precision.String(); u.precision != p {
				u.precision = "both"
			}
			u.uses++
		}
	}
}

// shapes are those of the first input and the first output.
func shapes(op gpu.Op) string {
	text := ""
	if len(op.In) > 0 {
		text = fmt.Sprint(op.In[0].Shape)
	}
	if len(op.Out) > 0 {
		text += fmt.Sprint("→", op.Out[0].Shape)
	}
	return text
}

// numbered is what was gathered. Kernels of one label are told apart by a number,
// in the order in which they were found.
func (c *collection) numbered() []use {
	var all []use
	seen := map[string]int{}
	for _, text := range c.order {
		u := *c.found[text]
		label := fmt.Sprint(u.kernel, " ", u.precision)
		seen[label]++
		u.number = seen[label]
		all = append(all, u)
	}
	return all
}
