// Package kernels gathers the compute kernels in use, for commands that have other compilers
// and checkers look at them.
package kernels

import (
	"cmp"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models"
	"saccade/ops"
)

// architectures are the models whose kernels are looked at, for a picture and for eight.
var architectures = []string{
	"resnet18", "resnet50", "alexnet", "vgg16", "efficientnet_b0", "vit_ti_16", "vit_b_16", "clip_vit_b_32",
	"dinov2_s_14", "unet_ddpm_cifar10", "sd15_unet", "sd15_vae_decode",
}

// Use is a kernel in use, with an example of where.
type Use struct {
	Kernel     *gpu.Kernel
	Precision  string         // of the recordings, "f16", "f32" or both
	Uses       int            // dispatches of all recordings
	Number     int            // among kernels of the same name, variant and precision
	Example    string         // the first of them: model or case, shapes of the operation's first input and output
	Dispatches []gpu.Dispatch // a few of the least work, of different parameters
}

// few is how many dispatches of a kernel are kept: of some there are a million.
const few = 3

// work is what a dispatch takes a slow machine: arithmetic, traffic, and buffers to be there.
func work(x gpu.Dispatch) float64 {
	sum := x.FLOPs + x.Bytes
	for _, v := range x.Bind {
		sum += float64(v.Bytes())
	}
	return sum
}

// keep takes a dispatch among those of the least work.
func (u *Use) keep(x gpu.Dispatch) {
	at, _ := slices.BinarySearchFunc(u.Dispatches, x, func(a, b gpu.Dispatch) int { return cmp.Compare(work(a), work(b)) })
	if at == few {
		return
	}
	same := func(y gpu.Dispatch) bool { return y.Groups == x.Groups && fmt.Sprint(y.Params) == fmt.Sprint(x.Params) }
	if slices.ContainsFunc(u.Dispatches[:at], same) {
		return
	}
	u.Dispatches = slices.DeleteFunc(u.Dispatches, same)
	u.Dispatches = slices.Insert(u.Dispatches, at, x)
	u.Dispatches = u.Dispatches[:min(few, len(u.Dispatches))]
}

// Variant is the kernel's, with a number where others are called the same.
func (u Use) Variant() string {
	if u.Number > 1 {
		return fmt.Sprintf("%s (%d)", u.Kernel.Variant, u.Number)
	}
	return u.Kernel.Variant
}

// collection gathers kernels by their text.
type collection struct {
	found map[string]*Use
	order []string
}

// InUse records all that is looked at, standard architectures and the cases of operations, as
// the device chooses, and gives its kernels in the order in which they were found.
func InUse(dev *gpu.Device) ([]Use, error) {
	c := collection{found: map[string]*Use{}}
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
		dispatches := op.Dispatches
		for _, other := range op.Others {
			dispatches = append(dispatches[:len(dispatches):len(dispatches)], other.Dispatches...)
		}
		for _, x := range dispatches {
			u, ok := c.found[x.Kernel.WGSL]
			if !ok {
				u = &Use{Kernel: x.Kernel, Precision: precision.String(), Example: fmt.Sprintf("%s %s", subject, shapes(op))}
				c.found[x.Kernel.WGSL] = u
				c.order = append(c.order, x.Kernel.WGSL)
			}
			if p := precision.String(); u.Precision != p {
				u.Precision = "both"
			}
			u.Uses++
			u.keep(x)
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
func (c *collection) numbered() []Use {
	var all []Use
	seen := map[string]int{}
	for _, text := range c.order {
		u := *c.found[text]
		label := fmt.Sprint(u.Kernel, " ", u.Precision)
		seen[label]++
		u.Number = seen[label]
		all = append(all, u)
	}
	return all
}
