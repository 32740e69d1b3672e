package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

func TestTune(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tuning.json")
	args := []string{"-op", "matmul", "-shape", "70x200x264", "-r", "1", "-cold=false", "-tuning", file}
	code, stdout, stderr := call(nil, append(args, "-tune", "-o", "json")...)
	require.Equal(t, cli.ExitFine, code, stderr)
	assert.Contains(t, stderr, "tuned 1 operations")
	var report Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	require.Len(t, report.Rows, 1)
	assert.True(t, report.Rows[0].Verified)
	assert.Equal(t, 1, report.Tuned)
	require.NotNil(t, report.Rows[0].TunedGain)
	assert.Greater(t, *report.Rows[0].TunedGain, 0.1)

	code, stdout, stderr = call(nil, append(args, "-why")...)
	require.Equal(t, cli.ExitFine, code)
	assert.Contains(t, stdout, "1 operations take the way that the tuner found")
	assert.Contains(t, stderr, "the fastest that is right")

	code, stdout, _ = call(nil, append(args, "-tuning", "off")...)
	require.Equal(t, cli.ExitFine, code)
	assert.NotContains(t, stdout, "the tuner found")
}
