package whisper

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"saccade/models/generate"
	"saccade/models/nn"
)

// Listener writes what is said in spectrograms with a checkpoint's decoder.
type Listener struct {
	Speech
	Writer *generate.Generator
}

// Heard is what was said.
type Heard struct {
	Tokens   []uint32 // of all segments, without those that windows begin with and what ends them
	Segments []Segment
	Stopped  generate.Stopped // of the last window
}

// Hear writes what is said in spectrograms [N, bins, frames]. Those of more frames than
// the encoder reads are read window by window, each where the last whole segment of the
// one before ended, by times: the sequential way of transformers' generate, which a text
// of N = 1 takes alone.
func (l *Listener) Hear(ctx context.Context, spectrograms nn.Array, a Ask) ([]Heard, error) {
	d, bins := l.Writer.Decoder.Inputs[0].Dims, 0
	if len(spectrograms.Shape) == 3 {
		bins = spectrograms.Shape[1]
	}
	if bins != d[1].Size || spectrograms.Shape[0]*bins*spectrograms.Shape[2] != len(spectrograms.Data) || len(spectrograms.Data) == 0 {
		return nil, fmt.Errorf("%s: found shape %v with %d values, expected [N %d frames]", InputFeatures, spectrograms.Shape, len(spectrograms.Data), d[1].Size)
	}
	n, frames := spectrograms.Shape[0], spectrograms.Shape[2]
	if frames > d[2].Size {
		if n > 1 {
			return nil, fmt.Errorf("%s: found %d spectrograms of %d frames; those of more than %d are taken one by one", InputFeatures, n, frames, d[2].Size)
		}
		a.Times = true
	}
	a.Times = a.Times || l.Times
	if a.Times && l.NoTimes == nil {
		return nil, fmt.Errorf("times: generation_config.json has no no_timestamps_token_id, which tells their tokens; give its folder, or sound of at most %d frames without times", d[2].Size)
	}
	if a.Times && len(l.Writer.Config.End) == 0 {
		return nil, errors.New("times: neither generation_config.json nor config.json has an eos_token_id, which may follow a time")
	}
	all := make([]Heard, n)
	for i := range all {
		one := nn.Array{Shape: []int{1, bins, frames}, Data: spectrograms.Data[i*bins*frames : (i+1)*bins*frames]}
		var err error
		ask := a
		if a.Begin != nil {
			if len(a.Begin) != n {
				return nil, fmt.Errorf("found the beginnings of %d texts and %d spectrograms; expected as many", len(a.Begin), n)
			}
			ask.Begin = a.Begin[i : i+1]
		}
		if all[i], err = l.hear(ctx, one, d[2].Size, ask); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// hear does one spectrogram, by windows of so many frames.
func (l *Listener) hear(ctx context.Context, spectrogram nn.Array, most int, a Ask) (Heard, error) {
	begin, err := l.begin(ctx, cut(spectrogram, window{0, min(most, spectrogram.Shape[2])}, most), a)
	if err != nil {
		return Heard{}, err
	}
	config := l.Writer.Config
	defer func() { l.Writer.Config = config }()
	if a.Times {
		l.Writer.Config.Rule = l.times(config.End[0])
	}
	first := uint32(toEnd) // no token is a time
	if l.NoTimes != nil {
		first = *l.NoTimes + 1
	}
	heard := Heard{Stopped: generate.AtEnd}
	for seek := 0; seek < spectrogram.Shape[2]; {
		w := window{seek, min(most, spectrogram.Shape[2]-seek)}
		l.grow(len(begin))
		q := generate.Request{In: map[string]nn.Array{InputFeatures: cut(spectrogram, w, most)}, Begin: [][]uint32{begin}, Draw: a.Draw, Seed: a.Seed + uint64(seek)}
		if a.Each != nil {
			q.Each = func(_ int, id uint32) { a.Each(id) }
		}
		texts, err := l.Writer.Write(ctx, q)
		if err != nil {
			return Heard{}, fmt.Errorf("at %.2f seconds: %w", w.start(), err)
		}
		tokens := texts[0].IDs[texts[0].Begun:]
		if n := len(tokens); n > 0 && slices.Contains(config.End, tokens[n-1]) {
			tokens = tokens[:n-1]
		}
		segments, advance := w.segments(tokens, first)
		if advance <= 0 { // a time of 0 ends the last segment: it would be heard for ever
			advance = w.frames
		}
		for _, s := range segments {
			if heard.Segments, heard.Tokens = append(heard.Segments, s), append(heard.Tokens, s.Tokens...); a.Part != nil {
				a.Part(s)
			}
		}
		heard.Stopped = texts[0].Stopped
		seek += advance
	}
	return heard, nil
}

// grow adds what a window begins with to max_length, each time anew as transformers does.
func (l *Listener) grow(begun int) {
	c, context := &l.Writer.Config, l.Writer.Decoder.Context
	if c.MaxTokens == 0 && c.MaxLength > 0 {
		c.MaxLength = min(c.MaxLength+min(begun, context/2-1), context)
	}
}

// cut is a window of a spectrogram [1, bins, frames], with zeros behind it up to as many
// frames as the encoder reads.
func cut(spectrogram nn.Array, w window, most int) nn.Array {
	bins, frames := spectrogram.Shape[1], spectrogram.Shape[2]
	a := nn.Array{Shape: []int{1, bins, most}, Data: make([]float32, bins*most)}
	for b := range bins {
		copy(a.Data[b*most:], spectrogram.Data[b*frames+w.seek:][:w.frames])
	}
	return a
}

// begin are the tokens that a text begins with, in the language of its first window.
func (l *Listener) begin(ctx context.Context, first nn.Array, a Ask) ([]uint32, error) {
	if a.Begin != nil {
		return a.Begin[0], nil
	}
	start, err := l.start(a)
	if err != nil {
		return nil, err
	}
	ids := make([]uint32, len(start))
	for i, id := range start {
		if id == nil {
			if ids[i], err = l.detect(ctx, first); err != nil {
				return nil, fmt.Errorf("finding out the language: %w", err)
			}
			continue
		}
		ids[i] = *id
	}
	return ids, nil
}

// detect is the token of the language that the first token is most probably.
func (l *Listener) detect(ctx context.Context, spectrogram nn.Array) (uint32, error) {
	g := generate.New(l.Writer.Module, l.Writer.Decoder, generate.Config{MaxTokens: 1, Rule: l.detection()})
	defer g.Close()
	texts, err := g.Write(ctx, generate.Request{In: map[string]nn.Array{InputFeatures: spectrogram}, Begin: [][]uint32{{l.Start}}})
	if err != nil {
		return 0, err
	}
	return texts[0].IDs[1], nil
}
