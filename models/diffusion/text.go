package diffusion

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	"saccade/gpu"
	"saccade/models/clip"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/nn"
	"saccade/tokenizer"
)

// encoder is a text tower with its tokenizer.
type encoder struct {
	*nn.Module
	config clip.TextConfig
	tokens *tokenizer.Tokenizer
	length int // tokens that a prompt is padded to
}

func openEncoder(dev *gpu.Device, precision gpu.DType, c *checkpoint.Pipeline, name, tokens string, inversions []inversion) (*encoder, error) {
	in, err := c.Part(name)
	if err != nil {
		return nil, err
	}
	config, src, err := clip.DescribeText(in.Source, in.Config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	folder, err := c.Part(tokens)
	if err != nil {
		return nil, err
	}
	e := &encoder{}
	if e.tokens, err = tokenizer.Open(folder.FS); err != nil {
		return nil, fmt.Errorf("%s: %w", tokens, err)
	}
	if e.tokens.Size() > config.Vocab {
		return nil, fmt.Errorf("%s has %d tokens and %s a table of %d; they are not of one pipeline", tokens, e.tokens.Size(), name, config.Vocab)
	}
	for _, x := range inversions {
		if src, err = e.invert(src, &config, x, name); err != nil {
			return nil, err
		}
	}
	e.config, e.Module = config, nn.NewModule(dev, name, precision, &nn.Description{Tensors: src, Make: config.Layers})
	e.length = min(config.Length, maxTokens(folder.FS))
	return e, nil
}

// maxTokens is what a tokenizer's config says of the longest text.
func maxTokens(fsys fs.FS) int {
	config := struct {
		Max float64 `json:"model_max_length"` // 1e30 where nobody set it
	}{Max: 1e30}
	data, err := fs.ReadFile(fsys, "tokenizer_config.json")
	if err != nil || json.Unmarshal(data, &config) != nil || config.Max < 2 || config.Max > 1<<20 {
		return 1 << 20
	}
	return int(config.Max)
}

// Embeds are prompts as a UNet takes them.
type Embeds struct {
	Hidden []float32 // [n Tokens Width]
	Pooled []float32 // [n P], SDXL's, or nil
	Tokens int
	Words  [][]Word // of each prompt
	// Truncated is what the text towers did not see of each prompt, "" for most.
	Truncated []string
}

// Word is a word of a prompt and its tokens.
type Word struct {
	Text       string
	First, End int // places among the tokens
}

// hidden is which state of a tower the UNet sees, by its output's name, and whether
// it sees the projection of the pooled token too.
type hidden struct {
	state  string
	pooled bool
}

// wants are the outputs of the tower.
func (h hidden) wants() gpu.Wants {
	w := gpu.Wants{Only: true, Names: []string{h.state}}
	if h.pooled {
		w.Names = append(w.Names, "text_embeds")
	}
	return w
}

// encode gives the hidden states [n T D] of prompts, and the pooled ones [n P].
func (e *encoder) encode(ctx context.Context, prompts []string, h hidden) (states, pooled []float32, err error) {
	var out map[string]nn.Array
	_, err = orInF32(e.Module, func(m *nn.Module) (err error) {
		out, err = m.Forward(ctx, map[string]nn.Array{nn.InputIDs: e.ids(prompts)}, h.wants())
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return out[h.state].Data, out["text_embeds"].Data, nil
}

// ids are the tokens of prompts, padded: [n T].
func (e *encoder) ids(prompts []string) nn.Array {
	ids := nn.Array{Shape: []int{len(prompts), e.length}}
	for _, p := range prompts {
		row, _ := e.tokens.Encode(p, e.length)
		for _, id := range append(row, slices.Repeat([]uint32{e.tokens.Pad()}, e.length-len(row))...) {
			ids.Data = append(ids.Data, float32(id))
		}
	}
	return ids
}

// truncated is the end of a prompt that the tower does not see.
func (e *encoder) truncated(prompt string) string {
	const all = 1 << 20
	row, cut := e.tokens.Encode(prompt, e.length)
	if !cut {
		return ""
	}
	rest, _ := e.tokens.Encode(prompt, all)
	return e.tokens.Decode(rest[len(row)-1:])
}

// words are the words of a prompt that the tower sees, each with its tokens: those
// from the token that ends the one before to the token that ends it.
func (e *encoder) words(prompt string) []Word {
	const end = "</w>" // of a token that ends a word
	var words []Word
	row, _ := e.tokens.Encode(prompt, e.length)
	first := 1 // behind the token that begins a text
	for i := 1; i < len(row)-1; i++ {
		if token := e.tokens.Token(row[i]); len(token) >= len(end) && token[len(token)-len(end):] == end || i == len(row)-2 {
			words = append(words, Word{Text: e.tokens.Decode(row[first : i+1]), First: first, End: i + 1})
			first = i + 1
		}
	}
	return words
}

// Encode makes a UNet's prompts of texts. skip is clip_skip: how many of the last
// blocks of the text towers are left out.
func (p *Pipeline) Encode(ctx context.Context, prompts []string, skip int) (*Embeds, error) {
	if len(p.encoders) == 0 {
		return nil, fmt.Errorf("%s takes no prompt", p.Class)
	}
	out := &Embeds{Tokens: p.encoders[0].length}
	var widths []int
	var states [][]float32
	expanded := make([]string, len(prompts))
	for i, prompt := range prompts {
		expanded[i] = p.encoders[0].tokens.Expand(prompt)
	}
	prompts = expanded
	for i, e := range p.encoders {
		h, err := p.hidden(e, i, skip)
		if err != nil {
			return nil, err
		}
		s, pooled, err := e.encode(ctx, prompts, h)
		if err != nil {
			return nil, err
		}
		if e.length != out.Tokens {
			return nil, fmt.Errorf("%s pads to %d tokens and %s to %d; expected as many", e.Name, e.length, p.encoders[0].Name, out.Tokens)
		}
		states, widths = append(states, s), append(widths, len(s)/len(prompts)/e.length)
		if pooled != nil {
			out.Pooled = pooled
		}
	}
	for row := range len(prompts) * out.Tokens {
		for i, s := range states {
			out.Hidden = append(out.Hidden, s[row*widths[i]:(row+1)*widths[i]]...)
		}
	}
	for _, prompt := range prompts {
		out.Words = append(out.Words, p.encoders[0].words(prompt))
		out.Truncated = append(out.Truncated, p.encoders[0].truncated(prompt))
	}
	return out, nil
}

// hidden is the state of tower i that the UNet sees: with one tower the last,
// normed; with SDXL's two the last but one as it is.
func (p *Pipeline) hidden(e *encoder, i, skip int) (hidden, error) {
	blocks := e.config.Depth - skip
	if p.xl() {
		blocks--
	}
	if skip < 0 || blocks < 0 {
		return hidden{}, requestErrorf("clip-skip %d is out of range; %s has %d blocks", skip, e.Name, e.config.Depth)
	}
	return hidden{clip.HiddenState(blocks, !p.xl()), p.xl() && i == len(p.encoders)-1}, nil
}
