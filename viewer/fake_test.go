package viewer

import (
	"fmt"
	"image"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// fake is a session that remembers what it was told.
type fake struct {
	mu       sync.Mutex
	view     View
	commands []Command
	points   []point
	told     []time.Time // when each command came
	changed  chan struct{}
	known    []Action // nil: those of a run and of masks
}

func newFake() *fake { return &fake{changed: make(chan struct{}, 1)} }

func (f *fake) View() View {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view
}

func (f *fake) Actions() []Action {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known != nil {
		return f.known
	}
	return []Action{Pause, SingleStep, Back, Forward, ShowStep, Restart, NewSeed, MoreGuidance, LessGuidance, NextScheduler, Save, ToggleHeat, NextHeat, NextMask}
}

// knows changes what the session knows; nil is the usual.
func (f *fake) knows(actions ...Action) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = actions
}

func (f *fake) Do(c Command) {
	f.mu.Lock()
	f.commands, f.told = append(f.commands, c), append(f.told, time.Now())
	f.mu.Unlock()
	f.change(func(v *View) { v.Notice = fmt.Sprintf("command %d", c.Action) })
}

func (f *fake) Point(cell image.Point, ok bool) {
	f.mu.Lock()
	f.points = append(f.points, point{cell, ok})
	f.mu.Unlock()
	f.change(func(v *View) {
		if len(v.Shown) == 0 || v.Grid == (image.Point{}) {
			return
		}
		shown := v.Shown[0]
		shown.Heat = nil
		if ok {
			shown.Heat = &gpu.Heat{Rows: v.Grid.Y, Columns: v.Grid.X, High: 1, Values: make([]float32, v.Grid.X*v.Grid.Y)}
			shown.Heat.Values[cell.Y*v.Grid.X+cell.X] = 1
		}
		v.Shown = []Picture{shown}
	})
}

func (f *fake) Changed() <-chan struct{} { return f.changed }

func (f *fake) change(by func(*View)) {
	f.mu.Lock()
	by(&f.view)
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *fake) got() []Command {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Command{}, f.commands...)
}

// on makes a picture on the device, of colours that f gives from -1 to 1.
func on(t *testing.T, d *gpu.Device, w, h int, f func(x, y float64) [3]float64) *gpu.Tensor {
	t.Helper()
	x := d.Reserve("picture", []int{1, h, w, 3}, gpu.F16, int64(w*h*3*2))
	require.NoError(t, x.Upload(func(dst []byte) error {
		values := make([]float32, 0, w*h*3)
		for row := range h {
			for column := range w {
				for _, v := range f((float64(column)+0.5)/float64(w), (float64(row)+0.5)/float64(h)) {
					values = append(values, float32(v))
				}
			}
		}
		gpu.PutFloats(dst, gpu.F16, values)
		return nil
	}))
	t.Cleanup(x.Release)
	return x
}

// apple is a red disc with a leaf, under noise of a given share.
func apple(share float64) func(x, y float64) [3]float64 {
	seed := uint32(1)
	noise := func() float64 {
		seed = seed*1664525 + 1013904223
		return float64(seed>>8)/float64(1<<23) - 1
	}
	return func(x, y float64) [3]float64 {
		c := [3]float64{0.9, 0.9, 0.85}
		if dx, dy := x-0.5, y-0.58; dx*dx+dy*dy < 0.1 {
			c = [3]float64{0.8 - dx, -0.6 - dy, -0.5}
		}
		if dx, dy := x-0.6, (y-0.2)*2; dx*dx+dy*dy < 0.02 {
			c = [3]float64{-0.6, 0.5, -0.5}
		}
		for i := range c {
			c[i] = (1-share)*c[i] + share*noise()
		}
		return c
	}
}

// run of diffusion, in its middle.
func middleOfRun(t *testing.T, d *gpu.Device) View {
	v := View{
		Name: "a red apple", Step: 12, Steps: 20, At: 11, StepTime: 843 * time.Millisecond,
		Facts: []string{"seed 1234", "dpm++ 2m karras", "guidance 7.5"},
	}
	for i := range 12 {
		x := on(t, d, 64, 64, apple(1-float64(i+1)/20))
		v.Strip = append(v.Strip, Picture{Tensor: x, Label: fmt.Sprint(i + 1)})
	}
	v.Shown = []Picture{{Tensor: v.Strip[11].Tensor}}
	return v
}
