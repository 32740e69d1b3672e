package models

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/weights"
)

const adapters = "../golden/adapters/"

// older are the names that transformers 4 has in memory where 5 has others: PEFT's
// files have those of the version that wrote them.
var older = strings.NewReplacer(
	"vit.layers.", "vit.encoder.layer.", "attention.q_proj", "attention.attention.query", "attention.k_proj", "attention.attention.key",
	"attention.v_proj", "attention.attention.value", "attention.o_proj", "attention.output.dense", "mlp.fc1", "intermediate.dense",
)

// renamed copies an adapter with other names of its layers.
func renamed(t *testing.T, folder string, rename func(string) string) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(folder)))
	c, err := weights.Open(filepath.Join(folder, "adapter_model.safetensors"))
	require.NoError(t, err)
	defer c.Close()
	var tensors []*weights.Tensor
	for _, name := range c.Names() {
		tensor, _ := c.Tensor(name)
		tensor.Name = rename(name)
		tensors = append(tensors, tensor)
	}
	require.NoError(t, weights.Write(filepath.Join(to, "adapter_model.safetensors"), tensors, nil))
	return to
}

// A network with an adapter of PEFT's gives what PEFT computes, by the names of
// transformers 5 and 4.
func TestAdapters(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, name := range []string{"vit", "dinov2", "clip"} {
		for version, rename := range map[string]func(string) string{"5": nil, "4": older.Replace} {
			folder := adapters + name
			if rename != nil && name != "clip" {
				folder = renamed(t, folder, rename)
			}
			for precision, bound := range map[gpu.DType]float64{gpu.F32: 1e-11, gpu.F16: 0} {
				t.Run(name+" "+version+" "+precision.String(), func(t *testing.T) { checkAdapter(t, d, name, folder, precision, bound) })
			}
		}
	}
}

func checkAdapter(t *testing.T, d *gpu.Device, name, folder string, precision gpu.DType, bound float64) {
	want, err := weights.Open(adapters + name + "/golden.safetensors")
	require.NoError(t, err)
	defer want.Close()
	base, err := golden.Find(want.Metadata()["base"])
	require.NoError(t, err)
	g, err := golden.Load(base)
	require.NoError(t, err)
	var halves map[string]float64
	require.NoError(t, json.Unmarshal([]byte(want.Metadata()["halves"]), &halves))

	m, err := Load(t.Context(), d, name, "../golden/models/"+base.Name, Options{Precision: precision, LoRA: []nn.LoRA{{File: folder, Scale: 1}}})
	require.NoError(t, err)
	defer m.Close()
	in := map[string]Array{}
	for _, n := range base.Inputs {
		in[n] = Array(g.Tensors[n])
	}
	out, err := m.Forward(t.Context(), in)
	require.NoError(t, err)
	for _, n := range want.Names() {
		tensor, _ := want.Tensor(n)
		values := make([]float32, tensor.Len())
		require.NoError(t, tensor.Float32s(values))
		tolerance := golden.Tolerance{NMSE: bound}
		if bound == 0 {
			tolerance.NMSE = 2 * halves[n]
		}
		r := golden.Compare(n, out[n].Data, values, tolerance)
		assert.True(t, r.OK(), r.String())
		t.Log(r)
	}
	if name == "vit" { // its head has other classes than the base's, and the file tells no labels
		assert.Nil(t, m.Labels)
		assert.Equal(t, 4, m.Classes())
	}
}

func TestBadAdapters(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	base := "../golden/models/vit_classify"
	load := func(folder string, scale float64) error {
		m, err := Load(t.Context(), d, "vit", base, Options{LoRA: []nn.LoRA{{File: folder, Scale: scale}}})
		if err == nil {
			m.Close()
		}
		return err
	}
	other := renamed(t, adapters+"vit", func(s string) string { return strings.Replace(s, "q_proj", "qq_proj", 1) })
	assert.ErrorContains(t, load(other, 1), "LoRA "+other+": its layer base_model.model.vit.layers.0.attention.qq_proj is none of the network's; the nearest is vit.")
	twice := renamed(t, adapters+"vit", func(s string) string {
		return strings.Replace(s, "layers.1.attention.q_proj", "encoder.layer.0.attention.attention.query", 1)
	})
	assert.ErrorContains(t, load(twice, 1), "are both for vit.encoder.layer.0.attention.attention.query.weight")
	assert.ErrorContains(t, load(adapters+"dinov2", 1), "is none of the network's")
	assert.ErrorContains(t, load("./none", 1), "LoRA ./none: ")
	m, err := Load(t.Context(), d, "dinov2", "../golden/models/dinov2_classify", Options{LoRA: []nn.LoRA{{File: adapters + "vit", Scale: 1}}})
	require.Error(t, err)
	assert.Nil(t, m)
}

// Weights with an adapter have another fingerprint, by which an index tells them.
func TestAdapterFingerprint(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	prints := map[string]bool{}
	for _, l := range [][]nn.LoRA{nil, {{File: adapters + "vit", Scale: 1}}, {{File: adapters + "vit", Scale: 0.5}}} {
		m, err := Load(t.Context(), d, "vit", "../golden/models/vit_classify", Options{LoRA: l})
		require.NoError(t, err)
		print, err := m.Fingerprint()
		require.NoError(t, err)
		prints[print] = true
		m.Close()
	}
	assert.Len(t, prints, 3)
}
