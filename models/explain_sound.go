package models

import (
	"context"
	"fmt"
	"math"

	"saccade/models/nn"
	"saccade/picture"
	"saccade/sound"
)

// spectrogram is that of the model's sounds, nil of a network that has no patches of one.
func (m *Model) spectrogram() *nn.Spectrogram {
	if m.sounds == nil {
		return nil
	}
	return m.sounds.Spectrogram
}

// Hears is what becomes of a sound before the network: the picture of its spectrogram, time
// from the left and the highest frequency at the top, of which Pixels are the values.
func (m *Model) Hears(s *sound.Sound) (*Seen, error) {
	in, err := m.SoundInputs(s)
	if err != nil {
		return nil, err
	}
	at := m.spectrogram()
	if at == nil {
		return nil, fmt.Errorf("patches of %s: %w", m.Name, ErrNoMap)
	}
	upright := at.Upright(in[at.Input].Data)
	return &Seen{View: drawnGrey(upright, at), Pixels: Array{Shape: []int{1, 1, at.Bins, at.Frames}, Data: upright}, H: at.Bins, W: at.Frames}, nil
}

// drawnGrey draws a spectrogram, its least value black and its largest white, bins high enough
// that it is at most four times as wide as high.
func drawnGrey(upright []float32, at *nn.Spectrogram) *picture.Image {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range upright {
		low, high = min(low, float64(v)), max(high, float64(v))
	}
	times := max(1, at.Frames/(4*at.Bins))
	img := picture.New(at.Frames, at.Bins*times)
	for i := range img.Pix {
		pixel := i / 3
		y, x := pixel/at.Frames/times, pixel%at.Frames
		if high > low {
			img.Pix[i] = uint8(255 * (float64(upright[y*at.Frames+x]) - low) / (high - low))
		}
	}
	return img
}

// SpectrogramInputs are the network's inputs of the pixels of [Model.Hears].
func (m *Model) SpectrogramInputs(pixels Array) map[string]Array {
	at := m.spectrogram()
	one, n := at.Bins*at.Frames, pixels.Shape[0]
	in := Array{Shape: []int{n, at.Frames, at.Bins}, Data: make([]float32, 0, n*one)}
	for i := range n {
		in.Data = append(in.Data, at.Turned(pixels.Data[i*one:][:one])...)
	}
	return map[string]Array{at.Input: in}
}

// heard is the map of a network's patches over its spectrogram, which they may overlap: at
// each value the mean of the patches that hold it. A map of images stays as it is.
func (m *Model) heard(at Map) Map {
	s := m.spectrogram()
	if s == nil {
		return at
	}
	sums, counts := make([]float64, s.Bins*s.Frames), make([]float64, s.Bins*s.Frames)
	for i, v := range at.Values {
		bin, frame := i/at.Columns*s.Stride[0], i%at.Columns*s.Stride[1]
		for b := bin; b < bin+s.Patch; b++ {
			for f := frame; f < frame+s.Patch; f++ {
				k := (s.Bins-1-b)*s.Frames + f
				sums[k], counts[k] = sums[k]+float64(v), counts[k]+1
			}
		}
	}
	out := Map{Rows: s.Bins, Columns: s.Frames, Height: 1, Width: 1, Values: make([]float32, len(sums))}
	for i, v := range sums {
		out.Values[i] = float32(v / max(1, counts[i]))
	}
	return out
}

// The cells of a spectrogram whose shorter side is that of the bins: 5×20 of a long one take
// 127 forward passes, of so many spectrograms at a time.
const (
	soundCells = 5
	soundBatch = 4
)

// occludeSound is [Model.Occlude] of the pixels of [Model.Hears].
func (m *Model) occludeSound(ctx context.Context, pixels Array, class int, report func(done, total int)) (Map, error) {
	at := m.spectrogram()
	switch {
	case len(pixels.Data) != at.Bins*at.Frames:
		return Map{}, fmt.Errorf("occlusion: found %d values, expected %d bins of %d frames", len(pixels.Data), at.Bins, at.Frames)
	case class < 0 || class >= m.classes:
		return Map{}, fmt.Errorf("occlusion of %s: class %d of %d: %w", m.Name, class, m.classes, ErrNoClasses)
	}
	o := newOccluder(pixels, soundCells)
	total := 1 + o.windows()
	var scores []float64
	for len(scores) < total {
		n := min(soundBatch, total-len(scores))
		some := Array{Shape: []int{n, 1, at.Bins, at.Frames}}
		for i := range n {
			some.Data = append(some.Data, o.hidden(len(scores)+i-1)...)
		}
		out, err := m.Forward(ctx, m.SpectrogramInputs(some), "logits")
		if err != nil {
			return Map{}, err
		}
		logits := out["logits"].Data
		for i := range n {
			scores = append(scores, m.score(logits[i*m.classes:][:m.classes], class))
		}
		if report != nil {
			report(len(scores), total)
		}
	}
	return o.drops(scores), nil
}
