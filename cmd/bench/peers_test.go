package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

// fakePython is a python for -peers that answers as the scripts do, each as its name
// wants: ncnn with two precisions, torch with an error in a pass, onnxruntime not
// installed.
func fakePython(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "python")
	script := `#!/bin/sh
case "$1" in
*onnxruntime*) echo "Traceback" >&2; echo "ModuleNotFoundError: No module named 'onnxruntime'" >&2; exit 1;;
*tinygrad*) exec "$0" onnxruntime;;
*torch*) name=torch precisions='"f32"';;
*) name=ncnn precisions='"f32", "f16"';;
esac
while read -r verb what; do
	case "$verb $name" in
	load*) case "$what" in vit_ti_16|matmul-3x5x7) ;; *) echo '{"error": "unknown"}'; continue;; esac
		echo "{\"peer\": \"$name 1\", \"adapter\": \"here\", \"precisions\": [$precisions]}";;
	"run torch") echo '{"error": "the output is 1.0e+00 from PyTorch"}';;
	*) echo '{"ms": 1e9}';;
	esac
done
`
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return path
}

// Every peer is timed in every turn, and what can't be timed says why.
func TestPeers(t *testing.T) {
	code, stdout, stderr := call(nil, "-models", "vit_ti_16", "-op", "matmul", "-shape", "3X5x7", "-peers", "-python", fakePython(t), "-r", "2", "-cold=false", "-o", "json")
	require.Equal(t, cli.ExitFine, code, stderr)
	var r Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.Len(t, r.Peers, 14)
	found := map[string]PeerRow{}
	for i, p := range r.Peers {
		assert.Equal(t, []string{"vit_ti_16", "matmul 3x5x7"}[i/7], p.Model)
		found[p.Peer+" "+p.Precision] = p
	}
	for _, name := range []string{"onnxruntime_cpu ", "onnxruntime_web ", "onnxruntime_webgpu ", "tinygrad_webgpu "} {
		assert.Equal(t, "ended: ModuleNotFoundError: No module named 'onnxruntime'", found[name].LeftOut)
	}
	assert.Contains(t, found["torch 1 f32"].LeftOut, "the output is")
	for _, precision := range []string{"f32", "f16"} {
		p := found["ncnn 1 "+precision]
		assert.Empty(t, p.LeftOut)
		assert.Equal(t, "here", p.Adapter)
		assert.InEpsilon(t, 1e9, p.MSMean, 1e-9)
		assert.InEpsilon(t, 1e9/p.OursMin, p.Ratio, 1e-9)
	}
	for _, format := range []string{"table", "md", "html"} {
		var out bytes.Buffer
		require.NoError(t, r.write(&out, format))
		assert.Contains(t, out.String(), "times as fast", format)
		assert.Contains(t, out.String(), "left out: ", format)
	}

	code, _, stderr = call(nil, "-op", "softmax", "-peers")
	assert.Equal(t, cli.ExitUsage, code)
	assert.Contains(t, stderr, "-op matmul")

	code, _, stderr = call(nil, "-models", "vit_ti_16", "-peers", "-python", "/no/such/python", "-r", "1", "-cold=false")
	assert.Equal(t, cli.ExitFailure, code)
	assert.Contains(t, stderr, "give -python")
}

// The scripts are inside the program, whose folder they do not need.
func TestPeerScripts(t *testing.T) {
	ps, err := startPeers(context.Background(), fakePython(t))
	require.NoError(t, err)
	require.Len(t, ps.all, len(peerScripts))
	for _, p := range ps.all {
		assert.FileExists(t, filepath.Join(ps.folder, p.name+".py"))
		if strings.HasPrefix(p.name, "ncnn") {
			a, err := p.ask("load vit_ti_16")
			require.NoError(t, err)
			assert.Equal(t, "[f32 f16]", fmt.Sprint(a.Precisions))
		}
	}
	ps.close()
	_, err = os.Stat(ps.folder)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}
