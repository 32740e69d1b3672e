package clip

import (
	"math"

	"saccade/gpu"
	"saccade/ops"
)

// Model is both towers, whose embeddings of unit length are compared.
type Model struct {
	Vision *Vision `w:"vision"`
	Text   *Text   `w:"text"`

	LogitScale *ops.Parameter `w:"logit_scale"` // logarithm of what multiplies the cosine
	LogitBias  *ops.Parameter `w:"logit_bias"`  // SigLIP's, or nil
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	text, err := NewText(b, c.Text)
	if err != nil {
		return nil, err
	}
	m := &Model{Vision: NewVision(b, c.Vision), Text: text, LogitScale: &ops.Parameter{Shape: c.Scalar}}
	if c.Sigmoid {
		m.LogitBias = &ops.Parameter{Shape: c.Scalar}
	}
	return m, nil
}

// match is the logit of an image and a text by the cosine of their embeddings.
func (m *Model) match(cosine float64) float64 {
	logit := cosine * math.Exp(float64(m.LogitScale.Values[0]))
	if m.LogitBias != nil {
		logit += float64(m.LogitBias.Values[0])
	}
	return logit
}

// embed brings the pooled state [N, D] to the output name: of unit length, f32.
func embed(r *gpu.Recorder, name string, pooled *gpu.Tensor) {
	r.Output(name, ops.Normalize(r, pooled))
}
