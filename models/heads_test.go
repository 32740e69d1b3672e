package models

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
)

// A checkpoint of any classifier, or of what one is made of, takes a new head: its logits
// are those of the head's own input, and the folder that is written gives the same.
func TestSetHead(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	labels := []string{"ash", "birch, white", "cedar"}
	var done, refused []string
	for _, c := range golden.Cases() {
		f, err := FindFamily(c.Model)
		require.NoError(t, err)
		if c.Weights != "" || f.Open != nil || f.Part || f.Writes || f.Segments || f.Reads || f.Task != "" || strings.HasPrefix(f.Name, "ocr_") || !slices.Contains(c.Inputs, "pixel_values") {
			continue
		}
		name, o := c.Model, Options{Precision: gpu.F32, Outputs: []string{HeadInput}}
		if slices.Contains(Names(), c.Architecture) {
			name = c.Architecture
		}
		src := t.TempDir()
		require.NoError(t, os.CopyFS(src, os.DirFS("../golden/models/"+c.Name)))
		require.NoError(t, os.Remove(filepath.Join(src, "golden.safetensors")))
		ckpt, err := Open(t.Context(), name, src, Options{})
		require.NoError(t, err, c.Name)
		if err := ckpt.SetHead(labels, 1); err != nil {
			refused = append(refused, c.Name)
			require.True(t, errors.Is(err, ErrNoHead) || c.Model == "clip" || c.Model == "siglip", "%s: %v", c.Name, err)
			require.NoError(t, ckpt.Close())
			continue
		}
		done = append(done, c.Name)
		t.Run(c.Name, func(t *testing.T) {
			g, err := golden.Load(c)
			require.NoError(t, err)
			x := Array(g.Tensors["pixel_values"])
			size := len(x.Data) / x.Shape[0]
			x = Array{Shape: append([]int{1}, x.Shape[1:]...), Data: x.Data[:size]}
			folder := t.TempDir()
			require.NoError(t, ckpt.Write(folder, nil))
			layer, weight, biases, err := ckpt.HeadLayer()
			require.NoError(t, err)
			assert.Equal(t, ckpt.Head, layer)
			w, bias := weight.Data, biases.Data
			m, err := ckpt.Load(d, o)
			require.NoError(t, err)
			defer m.Close()
			assert.Equal(t, labels, m.Labels)
			out, err := m.Forward(t.Context(), map[string]Array{"pixel_values": x})
			require.NoError(t, err)
			in, err := m.HeadInput(out)
			require.NoError(t, err)
			require.Len(t, w, 3*len(in))
			require.Len(t, out["logits"].Data, 3)
			for k, got := range out["logits"].Data {
				want := float64(bias[k])
				for i, v := range in {
					want += float64(v) * float64(w[k*len(in)+i])
				}
				assert.InDelta(t, want, got, 1e-5*(1+math.Abs(want)))
			}
			again, err := Load(t.Context(), d, name, folder, Options{Precision: gpu.F32})
			require.NoError(t, err)
			defer again.Close()
			assert.Equal(t, labels, again.Labels)
			assert.Equal(t, m.Processor, again.Processor)
			same, err := again.Forward(t.Context(), map[string]Array{"pixel_values": x}, "logits")
			require.NoError(t, err)
			assert.Equal(t, out["logits"], same["logits"])
		})
	}
	assert.Greater(t, len(done), 80)
	// Several layers, none (timm's), a sum over pixels, or a tower whose class has none.
	assert.Equal(t, []string{"alexnet", "clip_vision", "clip_vision_projection", "deit_timm", "dinov2_timm", "resnet_cifar", "siglip_vision", "squeezenet", "vgg", "vgg_bn"}, refused)
}
