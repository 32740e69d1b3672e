package checkpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"saccade/models/internal/original"
	"saccade/weights"
)

// autoencoder is a single file that gives a pipeline its autoencoder.
type autoencoder struct {
	path  string
	scale float64 // of the pipeline, since the file says none
}

// openVAE opens a source of an autoencoder. scale is that of a pipeline's latents.
func openVAE(ctx context.Context, src string, hub *weights.Hub, scale float64) (layout, error) {
	path, err := weights.Resolve(ctx, src, hub, candidates(VAE, "config.json"), candidates(VAE, tensorFiles(VAE)...))
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		config := filepath.Join(filepath.Dir(path), "config.json")
		if _, err := os.Stat(config); err != nil {
			return autoencoder{path, scale}, nil
		}
		path = filepath.Dir(path)
	}
	f := folder{fsys: os.DirFS(path), path: path, of: map[string]string{VAE: ""}}
	part, err := f.open(VAE)
	if err != nil {
		return nil, err
	}
	defer part.close()
	var head struct {
		Class string `json:"_class_name"`
	}
	if err := json.Unmarshal(part.Config, &head); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	f.of[VAE] = head.Class
	return f, nil
}

// classes implements layout.
func (a autoencoder) classes() map[string]string { return map[string]string{VAE: "AutoencoderKL"} }

// openCLIP implements layout.
func (a autoencoder) openCLIP(string) bool { return false }

// open implements layout.
func (a autoencoder) open(name string) (*Part, error) {
	c, err := weights.Open(a.path)
	if err != nil {
		return nil, err
	}
	var src weights.Source = c
	if hasPart(c, vaePrefix) {
		src = below(c, vaePrefix)
	}
	if !original.IsAutoencoder(src) {
		err := fmt.Errorf("%s has no config.json beside it, and is no autoencoder with the names of its first publication: its first tensors are [%s]",
			filepath.Base(a.path), strings.Join(c.Names()[:min(2, len(c.Names()))], ", "))
		c.Close()
		return nil, err
	}
	const side = 512 // of the pictures that autoencoders are trained on
	part := &Part{Name: name, close: c.Close}
	named, config, err := original.Autoencoder(src, side, a.scale)
	if err == nil {
		part.Config, err = json.MarshalIndent(config, "", "  ")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	part.Source = named
	return part, nil
}

// scale is that of the pipeline's latents: as its own autoencoder says, or as those
// of its class are scaled.
func (p *Pipeline) scale() float64 {
	if s, ok := p.layout.(*single); ok {
		return s.publication.scale
	}
	scale := 0.18215
	if strings.HasPrefix(p.Class, "StableDiffusionXL") {
		scale = 0.13025
	}
	f, ok := p.layout.(folder)
	if !ok {
		return scale
	}
	config := struct {
		Class string   `json:"_class_name"`
		Scale *float64 `json:"scaling_factor"`
	}{}
	text, err := os.ReadFile(filepath.Join(f.path, VAE, "config.json"))
	if err == nil && json.Unmarshal(text, &config) == nil && config.Class == "AutoencoderKL" && config.Scale != nil {
		return *config.Scale
	}
	return scale
}
