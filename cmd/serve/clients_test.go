package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/internal/venv"
)

// clients says that the tests with other programs run: make test-all sets it.
func clients(t *testing.T) {
	t.Helper()
	if os.Getenv("SACCADE_TEST_CLIENTS") == "" {
		t.Skip("SACCADE_TEST_CLIENTS is not set: make test-all sets it")
	}
}

// Programs that others wrote for other servers find nothing amiss.
func TestClients(t *testing.T) {
	clients(t)
	picture, err := filepath.Abs("../../zoo/pictures/cat.jpg")
	require.NoError(t, err)
	s := start(t, "-models", "clip,sd,blip,blip_vqa,vit,sam")
	for _, c := range []struct{ script, pkg string }{
		{"openai_client.py", "openai==3.57.0"}, {"ollama_client.py", "ollama==0.6.3"}, {"webui_client.py", "webuiapi==0.9.17"}, {"triton_client.py", "tritonclient[http]==2.73.0"}, {"page_client.py", "playwright==1.65.2"},
	} {
		t.Run(strings.TrimSuffix(c.script, "_client.py"), func(t *testing.T) {
			if c.script == "page_client.py" {
				found := false
				for _, browser := range []string{"chromium", "chromium-browser", "google-chrome"} {
					_, err := exec.LookPath(browser)
					found = found || err == nil
				}
				if !found {
					t.Skip("there is no Chromium")
				}
			}
			out, err := exec.CommandContext(t.Context(), venv.Python(t, "test-clients", c.pkg), filepath.Join("clients", c.script), s.url, picture).CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.True(t, strings.HasSuffix(string(out), "fine\n"), "%s", out)
		})
	}
}

// What the server answers is what run writes: vectors and a PNG, to the bit.
func TestEqualsRun(t *testing.T) {
	clients(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "run")
	out, err := exec.Command("go", "build", "-o", program, "../run").CombinedOutput()
	require.NoError(t, err, "%s", out)
	do := func(args ...string) string {
		out, err := exec.Command(program, args...).Output()
		require.NoError(t, err)
		return string(out)
	}
	do("-model", "sd", "-prompt", "red apple", "-seed", "7", "-steps", "4", "-o", filepath.Join(dir, "apple.png"))
	want, err := os.ReadFile(filepath.Join(dir, "apple.png"))
	require.NoError(t, err)
	s := start(t, "-models", "sd,vit")
	var painted struct {
		Data []struct {
			PNG []byte `json:"b64_json"`
		}
	}
	s.ask(t, "/v1/images/generations", `{"prompt":"red apple","seed":7,"steps":4}`, &painted)
	assert.Equal(t, want, painted.Data[0].PNG)

	var said struct {
		Images []struct{ Top []struct{ Logit float64 } }
	}
	require.NoError(t, json.Unmarshal([]byte(do("-model", "vit", "-image", "../../zoo/pictures/cat.jpg", "-json")), &said))
	var classes struct{ Top []struct{ Logit float64 } }
	s.ask(t, "/saccade/classify", `{"image":"`+jpeg(t, "../../zoo/pictures/cat.jpg")+`"}`, &classes)
	assert.Equal(t, said.Images[0].Top, classes.Top)
}
