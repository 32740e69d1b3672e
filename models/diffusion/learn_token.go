package diffusion

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"saccade/models/diffusion/checkpoint"
	"saccade/models/nn"
	"saccade/weights"
)

// Inverter is a pipeline whose text tower learns a token by what its UNet estimates: textual
// inversion (Gal et al. 2022).
type Inverter struct {
	Token string
	ID    int       // of the token
	Begin []float32 // its vector to begin with, the mean of those of its name's tokens
	// Description is of the text tower and the UNet as one module, whose network takes
	// input_ids in place of a prompt's states. Its tensors are the pipeline's.
	Description *nn.Description

	e *encoder
}

// Invert has a pipeline of one text tower learn a token, such as "<mug>", that its tokenizer does
// not know.
func (p *Pipeline) Invert(token string) (*Inverter, error) {
	v, err := p.invert(token)
	if err != nil {
		return nil, fmt.Errorf("token %s: %w", token, err)
	}
	return v, nil
}

func (p *Pipeline) invert(token string) (*Inverter, error) {
	if len(p.encoders) != 1 {
		return nil, fmt.Errorf("%s has %d text towers; a token is learned of one", p.Class, len(p.encoders))
	}
	estimator, err := p.Estimator()
	if err != nil {
		return nil, err
	}
	config, src, err := p.readText()
	if err != nil {
		return nil, err
	}
	e := *p.encoders[0]
	v := &Inverter{Token: token, ID: e.tokens.Size(), e: &e}
	if v.Begin, err = e.meaning(src, token); err != nil {
		return nil, err
	}
	e.groups = maps.Clone(e.groups)
	vector := checkpoint.Vectors{Part: checkpoint.TextEncoder, Count: 1, Width: len(v.Begin), Values: v.Begin}
	if src, err = e.invert(src, &config, inversion{checkpoint.Embedding{Token: token, Vectors: []checkpoint.Vectors{vector}}, map[string]checkpoint.Vectors{checkpoint.TextEncoder: vector}}, checkpoint.TextEncoder); err != nil {
		return nil, err
	}
	v.Description, err = p.together(estimator, &e, config, src)
	return v, err
}

// meaning is the mean of the vectors of a token's name, without what is no letter and no digit.
func (e *encoder) meaning(src weights.Source, token string) ([]float32, error) {
	name := strings.TrimFunc(token, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	ids := e.tokens.EncodePart(name)
	table, ok := src.Tensor("tokens.weight")
	if name == "" || len(ids) == 0 {
		return nil, errors.New("it is named by no word, with which it could begin; give one such as <mug>")
	}
	if !ok || len(table.Shape) != 2 {
		return nil, errors.New("the text tower has no table of tokens")
	}
	width := table.Shape[1]
	mean, scratch := make([]float32, width), make([]float32, width)
	for _, id := range ids {
		row, err := table.Floats(int(id)*width, (int(id)+1)*width, scratch)
		if err != nil {
			return nil, err
		}
		for i, x := range row {
			mean[i] += x / float32(len(ids))
		}
	}
	return mean, nil
}

// IDs are the tokens of a prompt, as many as the tower reads. It must name the token within them.
func (v *Inverter) IDs(prompt string) ([]float32, error) {
	rows, err := v.e.rows(prompt, Plain)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(rows[0].ids, uint32(v.ID)) {
		return nil, fmt.Errorf("the prompt %q does not name %s, or only beyond what is read", prompt, v.Token)
	}
	return v.e.ids(rows[:1]).Data, nil
}
