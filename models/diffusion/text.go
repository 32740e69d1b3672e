package diffusion

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"

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
	length int            // tokens that a prompt is padded to
	groups map[uint32]int // how many tokens of a textual inversion follow each other from one on
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

// encode gives the hidden states [n T D] of rows, and the pooled ones [n P].
func (e *encoder) encode(ctx context.Context, rows []row, h hidden) (states, pooled []float32, err error) {
	var out map[string]nn.Array
	_, err = orInF32(e.Module, func(m *nn.Module) (err error) {
		out, err = m.Forward(ctx, map[string]nn.Array{nn.InputIDs: e.ids(rows)}, h.wants())
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	states, pooled = out[h.state].Data, out["text_embeds"].Data
	for i, size := 0, len(states)/len(rows); i < len(rows); i++ {
		rows[i].emphasize(states[i*size : (i+1)*size])
	}
	return states, pooled, nil
}

// ids are the tokens of rows: [n T].
func (e *encoder) ids(rows []row) nn.Array {
	ids := nn.Array{Shape: []int{len(rows), e.length}}
	for _, r := range rows {
		for _, id := range r.ids {
			ids.Data = append(ids.Data, float32(id))
		}
	}
	return ids
}

// Reading says how prompts are read and encoded.
type Reading struct {
	Syntax   Syntax // "" is [Plain]
	ClipSkip int    // how many of the last blocks of the text towers are left out (clip_skip)
	// Chunks is how many chunks of tokens the prompts are padded to at least, each as
	// many as the towers see at once.
	Chunks int
}

// chunks is how many chunks of tokens the longest of some prompts takes.
func (p *Pipeline) chunks(prompts []string, s Syntax) (int, error) {
	most := 1
	for _, e := range p.encoders {
		for _, prompt := range prompts {
			rows, err := e.rows(prompt, s)
			if err != nil {
				return 0, err
			}
			most = max(most, len(rows))
		}
	}
	return most, nil
}

// Encode makes a UNet's prompts of texts.
func (p *Pipeline) Encode(ctx context.Context, prompts []string, how Reading) (*Embeds, error) {
	if len(p.encoders) == 0 {
		return nil, fmt.Errorf("%s takes no prompt", p.Class)
	}
	chunks, err := p.chunks(prompts, how.Syntax)
	if err != nil {
		return nil, err
	}
	chunks = max(chunks, how.Chunks)
	out := &Embeds{Tokens: chunks * p.encoders[0].length}
	var widths []int
	var states [][]float32
	for i, e := range p.encoders {
		h, err := p.hidden(e, i, how.ClipSkip)
		if err != nil {
			return nil, err
		}
		rows, err := e.batch(prompts, how.Syntax, chunks)
		if err != nil {
			return nil, err
		}
		s, pooled, err := e.encode(ctx, rows, h)
		if err != nil {
			return nil, err
		}
		if e.length != p.encoders[0].length {
			return nil, fmt.Errorf("%s pads to %d tokens and %s to %d; expected as many", e.Name, e.length, p.encoders[0].Name, p.encoders[0].length)
		}
		states, widths = append(states, s), append(widths, len(s)/len(rows)/e.length)
		for row := 0; pooled != nil && row < len(rows); row += chunks { // of each prompt's first chunk
			size := len(pooled) / len(rows)
			out.Pooled = append(out.Pooled, pooled[row*size:(row+1)*size]...)
		}
		if i == 0 {
			for at := 0; at < len(rows); at += chunks {
				out.Words = append(out.Words, e.words(rows[at:at+chunks]))
			}
		}
	}
	for row := range len(prompts) * out.Tokens {
		for i, s := range states {
			out.Hidden = append(out.Hidden, s[row*widths[i]:(row+1)*widths[i]]...)
		}
	}
	for _, prompt := range prompts {
		rest := ""
		if how.Syntax != A1111 {
			rest = p.encoders[0].truncated(prompt)
		}
		out.Truncated = append(out.Truncated, rest)
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
