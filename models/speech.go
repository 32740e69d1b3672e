package models

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"saccade/models/generate"
	"saccade/models/nn"
	"saccade/models/whisper"
	"saccade/sound"
)

// ErrHearsNone is wrapped where a model that hears no sounds is asked to listen.
var ErrHearsNone = errors.New("the model hears no sounds")

// hearing is what a model that hears has besides its network.
type hearing struct {
	whisper.Listener
	features whisper.Features
}

// hearing makes what listens with a checkpoint's decoder, whose writer it changes to what
// the files say of Whispers alone.
func (f *files) hearing(w *generate.Generator) (*hearing, error) {
	var found [3][]byte
	for i, name := range []string{"generation_config.json", "preprocessor_config.json", "processor_config.json"} {
		if f.fsys == nil {
			break
		}
		var err error
		if found[i], err = optional(f.fsys, name); err != nil {
			return nil, err
		}
	}
	h := &hearing{Listener: whisper.Listener{Writer: w}}
	var err error
	if h.Speech, err = whisper.ParseSpeech(found[0], f.config); err != nil {
		return nil, err
	}
	if found[0] == nil {
		c, err := whisper.GenerationOf(f.config)
		if err != nil {
			return nil, err
		}
		*w = *generate.New(w.Module, w.Decoder, c)
	}
	h.features, err = whisper.FeaturesOf(found[1], found[2], w.Decoder.Inputs[0])
	return h, err
}

// SoundRate is the samples a second of the sounds that the model hears, 0 if it hears none.
func (m *Model) SoundRate() int {
	switch {
	case m.hearing != nil:
		return m.hearing.features.Rate
	case m.sounds != nil:
		return m.sounds.Rate
	}
	return 0
}

// Listening is what is asked of a speech.
type Listening struct {
	Language string // by name or code; "": the checkpoint's, else it is found out
	Task     string // transcribe or translate; "": the checkpoint's
	Times    bool   // the text has times; that of a sound of more than a window has them anyway
	Seed     uint64
	// Each is called with each token as it is chosen and all words so far, of what one
	// window takes without times, but not of beams. Part is called with each segment as its
	// window ends.
	Each func(id uint32, words string)
	Part func(HeardSegment)
}

// PlanListen is the memory that [Model.Listen] takes at most, without the weights.
func (m *Model) PlanListen() (generate.Plan, error) {
	if m.hearing == nil {
		return generate.Plan{}, fmt.Errorf("%s: %w", m.Name, ErrHearsNone)
	}
	dims := m.writer.Decoder.Inputs[0].Dims
	silence := Array{Shape: []int{1, dims[1].Size, dims[2].Size}, Data: make([]float32, dims[1].Size*dims[2].Size)}
	return m.writer.Plan(generate.Request{In: map[string]Array{whisper.InputFeatures: silence}, Begin: [][]uint32{make([]uint32, whisper.MostBegun)}})
}

// Heard is what was said.
type Heard struct {
	Words    string // without times
	Tokens   []uint32
	Segments []HeardSegment
	Timed    bool             // the segments' times were written with them
	Stopped  generate.Stopped // of the last window
}

// HeardSegment is a part of it.
type HeardSegment struct {
	Start, End float64 // seconds
	Words      string
	Tokens     []uint32
}

// Listen writes what is said in a sound, which is of the model's [Model.SoundRate].
func (m *Model) Listen(ctx context.Context, s *sound.Sound, a Listening) (Heard, error) {
	switch {
	case m.hearing == nil:
		return Heard{}, fmt.Errorf("%s: %w", m.Name, ErrHearsNone)
	case s.Rate != m.SoundRate():
		return Heard{}, fmt.Errorf("the sound has %d samples a second; expected %d", s.Rate, m.SoundRate())
	case len(s.Samples) == 0:
		return Heard{}, errors.New("the sound has no samples: 0 seconds")
	}
	if _, err := m.tokenize(); err != nil {
		return Heard{}, err
	}
	features := m.hearing.features.Of(s.Samples)
	in := Array{Shape: []int{1, m.hearing.features.Bins, len(features) / m.hearing.features.Bins}, Data: features}
	ask := whisper.Ask{Language: a.Language, Task: a.Task, Times: a.Times, Seed: a.Seed}
	heard := Heard{Timed: a.Times || m.hearing.Times || len(s.Samples) > m.hearing.features.Chunk}
	if a.Each != nil && !heard.Timed {
		var so []uint32
		ask.Each = func(id uint32) {
			so = append(so, id)
			a.Each(id, m.spoken(so))
		}
	}
	ask.Part = func(s whisper.Segment) {
		part := HeardSegment{s.Start, s.End, m.spoken(s.Tokens), s.Tokens}
		if heard.Segments = append(heard.Segments, part); a.Part != nil {
			a.Part(part)
		}
	}
	all, err := m.hearing.Hear(ctx, in, ask)
	if err != nil {
		return Heard{}, err
	}
	heard.Words, heard.Tokens, heard.Stopped = m.spoken(all[0].Tokens), all[0].Tokens, all[0].Stopped
	return heard, nil
}

// spoken are the words of tokens, without times. The tokenizer must have been opened.
func (m *Model) spoken(ids []uint32) string {
	t, err := m.tokenize()
	if err != nil {
		return ""
	}
	if none := m.hearing.NoTimes; none != nil {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool { return id > *none })
	}
	return t.Decode(ids)
}

// ListenRaw writes what is said in raw spectrograms, whose texts begin with the ids among
// them if there are any, as transformers' generate gives it: without what texts begin with
// and what ends them.
func (m *Model) ListenRaw(ctx context.Context, in map[string]Array, a Listening, by Draws) (Array, []generate.Text, error) {
	d := m.writer.Decoder
	ask := whisper.Ask{Language: a.Language, Task: a.Task, Times: a.Times, Seed: by.Seed, Draw: by.Numbers}
	if ids, given := in[d.IDs]; given {
		rows, err := nn.TokenIDs(ids, d.Vocab)
		if err != nil {
			return Array{}, nil, fmt.Errorf("%s: %w", d.IDs, err)
		}
		ask.Begin = rows
	}
	for name := range in {
		if name != whisper.InputFeatures && name != d.IDs {
			return Array{}, nil, fmt.Errorf("found an input %s; texts are written of %s, and of %s that they begin with", name, whisper.InputFeatures, d.IDs)
		}
	}
	all, err := m.hearing.Hear(ctx, in[whisper.InputFeatures], ask)
	if err != nil {
		return Array{}, nil, err
	}
	rows, texts := make([][]uint32, len(all)), make([]generate.Text, len(all))
	for i, heard := range all {
		rows[i], texts[i] = heard.Tokens, generate.Text{IDs: heard.Tokens, Stopped: heard.Stopped}
	}
	return m.Padded(rows), texts, nil
}
