package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
)

// A decoder has rows of its own, and goes with neither -sweep nor -peers.
func TestDecoderSpecs(t *testing.T) {
	var kinds []string
	b := &bench{options: options{models: append(models.StandardDecoders(), "vit_ti_16"), precision: "f16", batch: 1}}
	require.NoError(t, b.checkNames())
	for _, s := range b.specs() {
		kinds = append(kinds, s.Kind)
	}
	assert.Equal(t, []string{kindPrefill, kindDecode, kindCaption, kindModel}, kinds)
	for _, flag := range [][]string{{"-peers"}, {"-sweep", "batch"}} {
		code, _, stderr := call(nil, append([]string{"-models", "smollm_135m_decode"}, flag...)...)
		assert.Equal(t, cli.ExitUsage, code)
		assert.Contains(t, stderr, "make no texts")
	}
}

// Tokens a second follow from a run's time, and stand in every format.
func TestTokensASecond(t *testing.T) {
	d, err := gpu.Open(gpu.Options{})
	require.NoError(t, err)
	defer d.Close()
	m, err := newMeter(t.Context(), d)
	require.NoError(t, err)
	defer m.close()
	s := &subject{spec: spec{Kind: kindDecode, Name: "text"}, dev: d, items: 30}
	s.run = func(context.Context) error { time.Sleep(10 * time.Millisecond); return nil }
	row := Row{Name: "text", Kind: kindDecode}
	require.NoError(t, row.fill(t.Context(), m, s, 2))
	require.NotNil(t, row.ItemsPerS)
	assert.InDelta(t, 30e3/row.MSMean, *row.ItemsPerS, 1e-6)
	rate := 1234.0
	r := newReport(gpu.Info{})
	r.Rows = []Row{{Name: "text", ItemsPerS: &rate}, {Name: "other"}}
	for format, want := range map[string]string{"table": "tokens/s", "md": "tokens/s", "csv": ",1234\n", "json": `"items_per_s": 1234`} {
		var out bytes.Buffer
		require.NoError(t, r.write(&out, format))
		assert.Contains(t, out.String(), want, format)
	}
	data, err := json.Marshal(r.Rows[1])
	require.NoError(t, err)
	assert.NotContains(t, string(data), "items_per_s")
}
