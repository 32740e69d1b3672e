package models

import (
	"errors"
	"fmt"

	"saccade/sound"
)

// TakesSounds says that the model's inputs are made of sounds, as others' of images.
func (m *Model) TakesSounds() bool { return m.sounds != nil }

// SoundInputs are the network's inputs of a sound, which is of the model's
// [Model.SoundRate]: a batch of one.
func (m *Model) SoundInputs(s *sound.Sound) (map[string]Array, error) {
	switch {
	case m.sounds == nil:
		return nil, fmt.Errorf("%s: %w", m.Name, ErrHearsNone)
	case s.Rate != m.sounds.Rate:
		return nil, fmt.Errorf("the sound has %d samples a second; expected %d", s.Rate, m.sounds.Rate)
	case len(s.Samples) == 0:
		return nil, errors.New("the sound has no samples: 0 seconds")
	}
	return m.sounds.Features(s.Samples)
}

// SoundPreprocessing says how inputs are made of sounds, "" of a model that takes none.
func (m *Model) SoundPreprocessing() string {
	if m.sounds == nil {
		return ""
	}
	return m.sounds.About
}
