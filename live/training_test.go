package live

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/picture"
	"saccade/viewer"
)

// step is one of some training.
func step(n int) TrainingStep {
	return TrainingStep{Number: n, Loss: 2 / float64(n), Held: math.NaN(), Took: time.Millisecond}
}

// A training is shown with its curve and its probe, and a person pauses it, has it make one step,
// keeps what was learned and ends it.
func TestTraining(t *testing.T) {
	looked, kept := 0, make(chan int, 8)
	s := NewTraining(TrainingOptions{
		Name: "vit", Steps: 100, Every: 2,
		Look: func(context.Context) (*picture.Image, error) { looked++; return noise(300, 200), nil },
		Keep: func(step int) (string, error) {
			kept <- step
			if step == 5 {
				return "", errors.New("the disk is full")
			}
			return fmt.Sprint("step-", step), nil
		},
	})
	ctx := t.Context()
	require.NoError(t, s.Begin(ctx))
	assert.Len(t, s.View().Shown, 2)
	assert.Equal(t, 1, looked)
	require.NoError(t, s.Made(ctx, step(1)))
	require.NoError(t, s.Made(ctx, step(2)))
	assert.Equal(t, 2, looked)
	v := s.View()
	assert.Equal(t, []string{"0", "2"}, []string{v.Strip[0].Label, v.Strip[1].Label})
	assert.Equal(t, v.Shown[0].Image.Rect, v.Shown[1].Image.Rect, "side by side, of one size")
	assert.Equal(t, "loss 1", v.Facts[0])

	s.Do(viewer.Command{Action: viewer.Pause})
	made := make(chan error)
	go func() { made <- s.Made(ctx, step(3)) }()
	until(t, s, func(v viewer.View) bool { return v.Step == 3 && v.Paused })
	s.Do(viewer.Command{Action: viewer.Keep})
	assert.Equal(t, 3, <-kept)
	until(t, s, func(v viewer.View) bool { return v.Notice == "kept in step-3" })
	select {
	case <-made:
		t.Fatal("it went on")
	default:
	}
	s.Do(viewer.Command{Action: viewer.SingleStep})
	require.NoError(t, <-made)
	go func() { made <- s.Made(ctx, step(4)) }()
	until(t, s, func(v viewer.View) bool { return v.Step == 4 && v.Paused && len(v.Strip) == 3 })
	s.Do(viewer.Command{Action: viewer.Back})
	assert.Equal(t, 1, s.View().At)
	s.Do(viewer.Command{Action: viewer.ShowStep, Step: 7})
	assert.Equal(t, 2, s.View().At)
	s.Do(viewer.Command{Action: viewer.Pause})
	require.NoError(t, <-made)

	s.Do(viewer.Command{Action: viewer.Keep})
	require.NoError(t, s.Made(ctx, step(5)))
	assert.Equal(t, "the disk is full", s.View().Notice)
	s.Do(viewer.Command{Action: viewer.Stop})
	require.ErrorIs(t, s.Made(ctx, step(6)), ErrStopped)
	s.End("done: mine")
	assert.Equal(t, "done: mine", s.View().Notice)
}

// Nobody waits for a window that is gone, and a training that ends leaves its pause.
func TestTrainingLeft(t *testing.T) {
	s := NewTraining(TrainingOptions{Steps: 9})
	assert.NotContains(t, s.Actions(), viewer.Keep)
	s.Do(viewer.Command{Action: viewer.Pause})
	made := make(chan error)
	go func() { made <- s.Made(t.Context(), step(1)) }()
	until(t, s, func(v viewer.View) bool { return v.Paused })
	s.Leave()
	require.NoError(t, <-made)

	s = NewTraining(TrainingOptions{Steps: 9})
	s.Do(viewer.Command{Action: viewer.Pause})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { made <- s.Made(ctx, step(1)) }()
	cancel()
	require.ErrorIs(t, <-made, context.Canceled)

	failing := NewTraining(TrainingOptions{Steps: 9, Look: func(context.Context) (*picture.Image, error) { return nil, errors.New("it is no picture") }})
	require.EqualError(t, failing.Begin(t.Context()), "probe: it is no picture")
}

// The curve of more than one loss has more of its colour than the legend, whatever they are.
func TestCurve(t *testing.T) {
	for name, losses := range map[string][]float64{
		"none": nil, "one": {1}, "flat": {3, 3}, "negative": {-1, -2}, "not finite": {math.NaN(), math.Inf(1)}, "many": slices.Repeat([]float64{2}, 50000),
	} {
		c := curve{}
		for i, l := range losses {
			c.add(TrainingStep{Number: i + 1, Loss: l, Held: math.NaN()})
		}
		m, err := c.draw(NewTraining(TrainingOptions{}).size(), len(losses))
		require.NoError(t, err, name)
		blue := 0
		for y := range m.Rect.Dy() {
			for x := range m.Rect.Dx() {
				if p := m.RGBAAt(x, y); p == (color.RGBA{0x00, 0x72, 0xb2, 0xff}) {
					blue++
				}
			}
		}
		assert.Equal(t, len(c.losses) > 1, blue > 100, "%s: %d", name, blue)
	}
}

// Of many looks those at even distances stay, the last among them.
func TestLooksAreBounded(t *testing.T) {
	s := NewTraining(TrainingOptions{Steps: 1000, Look: func(context.Context) (*picture.Image, error) { return noise(128, 128), nil }})
	for i := range mostLooks + 3 {
		require.NoError(t, s.look(t.Context(), i))
	}
	v := s.View()
	assert.Less(t, len(v.Strip), mostLooks)
	assert.Equal(t, fmt.Sprint(mostLooks+2), v.Strip[len(v.Strip)-1].Label)
	assert.Equal(t, len(v.Strip)-1, v.At)
}
