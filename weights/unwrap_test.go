package weights

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// named is a source of tensors with these names, in a safetensors file.
func named(t testing.TB, names ...string) *Checkpoint {
	t.Helper()
	var shapes []any
	for _, name := range names {
		shapes = append(shapes, name, []int{1})
	}
	return source(t, shapes...)
}

func TestWrappersAreTakenOff(t *testing.T) {
	for _, c := range []struct{ names, want, prefix string }{
		{"a.weight b", "a.weight b", ""},
		{"module.a module.b.c", "a b.c", "module."},
		{"_orig_mod.module.a", "a", "_orig_mod.module."},
		{"module._orig_mod.a module._orig_mod.b", "a b", "module._orig_mod."},
		{"timm_model.blocks.0 timm_model.head", "blocks.0 head", "timm_model."},
		{"module.a n_averaged", "a", "module."},
		{"module.module.a module.n_averaged", "a", "module.module."},
		{"module.module.a n_averaged", "a", "module.module."},
		{"a n_averaged", "a n_averaged", ""},
		{"n_averaged", "n_averaged", ""},
		{"module.a b", "b module.a", ""},
		{"module.", "module.", ""},
		{"modules.a", "modules.a", ""},
		{"model.a", "model.a", ""}, // may be a level of its own
		{"blocks.0._orig_mod.attn blocks.1._fsdp_wrapped_module._checkpoint_wrapped_module.attn", "blocks.0.attn blocks.1.attn", ""},
		{"a._orig_mod.b a.b", "a._orig_mod.b a.b", ""}, // they would be the same
		{"module.a._orig_mod", "a._orig_mod", "module."},
	} {
		x := named(t, strings.Fields(c.names)...)
		got := x.Names()
		slices.Sort(got)
		want := strings.Fields(c.want)
		slices.Sort(want)
		assert.Equal(t, want, got, c.names)
		assert.Equal(t, c.prefix, x.Prefix(), c.names)
		for _, name := range got {
			found, ok := x.Tensor(name)
			require.True(t, ok)
			assert.Equal(t, name, found.Name)
			assert.Contains(t, strings.Fields(c.names), found.Origin)
		}
	}
}

// All files of a checkpoint have to have a prefix.
func TestWrappersOfShards(t *testing.T) {
	for _, second := range []string{"module.b", "b"} {
		dir := t.TempDir()
		require.NoError(t, Write(filepath.Join(dir, "1.safetensors"), []*Tensor{filled(t, "module.a", 1, 1)}, nil))
		require.NoError(t, Write(filepath.Join(dir, "2.safetensors"), []*Tensor{filled(t, second, 2, 1)}, nil))
		put(t, dir, "model.safetensors.index.json", []byte(`{"weight_map":{"module.a":"1.safetensors","`+second+`":"2.safetensors"}}`))
		c, err := Open(dir)
		require.NoError(t, err)
		if second == "b" {
			assert.Equal(t, []string{"module.a", "b"}, c.Names())
		} else {
			assert.Equal(t, []string{"a", "b"}, c.Names())
		}
		require.NoError(t, c.Close())
	}
}

func TestUnwrap(t *testing.T) {
	knows := func(name string) func(Source) bool {
		return func(s Source) bool { return slices.Contains(s.Names(), name) }
	}
	for _, c := range []struct{ names, known, want, prefix string }{
		{"model.vit.a model.head", "vit.a", "vit.a head", "model."},
		{"model.text_model.a model.b", "model.text_model.a", "model.text_model.a model.b", ""}, // its own level
		{"model.module.vit.a model.n_averaged", "vit.a", "vit.a", "model.module."},
		{"model._orig_mod.vit.a model._orig_mod.head", "vit.a", "vit.a head", "model."},
		{"model.net.a", "a", "a", "model.net."},
		{"model.model.a", "model.a", "model.a", "model."}, // no more than is needed
		{"model.a head", "a", "model.a head", ""},
		{"model.a", "b", "model.a", ""},
		{"encoder.a", "a", "encoder.a", ""},
	} {
		src := named(t, strings.Fields(c.names)...)
		got, prefix := Unwrap(src, knows(c.known))
		assert.ElementsMatch(t, strings.Fields(c.want), got.Names(), c.names)
		assert.Equal(t, c.prefix, prefix, c.names)
		for _, name := range got.Names() {
			x, ok := got.Tensor(name)
			require.True(t, ok)
			assert.Equal(t, name, x.Name)
			assert.Contains(t, strings.Fields(c.names), x.Origin)
		}
	}
	_, err := Bind(&struct {
		A one `w:"b"`
	}{}, first(Unwrap(named(t, "model.a"), knows("a"))))
	assert.ErrorContains(t, err, "1 unknown: model.a")
}

func first(src Source, _ string) Source { return src }

// one is a module of one tensor.
type one struct{}

func (one) Params() []Param { return []Param{{Name: "", Shape: []int{1}}} }
