package viewer

import (
	"image"
	"time"

	"saccade/gpu"
)

// Session is what a window shows and steers. Its methods are called from
// several goroutines.
type Session interface {
	// View is what is to be seen now. It should return at once: it must not wait
	// for the device. Tensors in it may be written and released at any time;
	// what a program writes them with should be a single dispatch.
	View() View

	// Actions are those that Do knows: keys for others do nothing.
	Actions() []Action

	// Do carries out a command, or sees to it that it will be. Commands come one
	// after the other, from a goroutine of their own.
	Do(Command)

	// Point tells the cell of View's grid under the mouse pointer, counted from
	// the top left; ok is false when it is over none. Called as Do is.
	Point(cell image.Point, ok bool)

	// Changed has something to receive when View may answer differently. Its
	// buffer is of one; sends to it must not block.
	Changed() <-chan struct{}
}

// View is what there is to see.
type View struct {
	Name  string    // of what is shown: a prompt, a file
	Shown []Picture // side by side: the pictures of a batch; none yet if empty

	// Grid is how many cells a picture has, across and down, under which the
	// pointer is told; zero for none.
	Grid image.Point

	Strip []Picture // the steps made, the oldest first
	At    int       // which of the strip is shown

	Step, Steps int // made and to be made, for the progress bar
	StepTime    time.Duration
	Paused      bool
	Facts       []string // of the line below: seed, scheduler, guidance
	Notice      string   // over the picture: what was saved, what went wrong
}

// Picture is one on the device, or one of the host.
type Picture struct {
	Tensor    *gpu.Tensor // [N H W C] with one or three channels
	Index     int         // which of the N
	Low, High float32     // become black and full; both zero: -1 and 1
	Image     *image.RGBA // if Tensor is nil; must not change
	Heat      *gpu.Heat   // over it
	Label     string      // under it, in the strip
}

// size is that in pixels; none for a picture that isn't there.
func (p Picture) size() image.Point {
	switch {
	case p.Tensor != nil && len(p.Tensor.Shape) == 4:
		return image.Pt(p.Tensor.Shape[2], p.Tensor.Shape[1])
	case p.Image != nil:
		return p.Image.Rect.Size()
	}
	return image.Point{}
}

// quad shows a part of the picture; all of it if part is empty.
func (p Picture) quad(at image.Rectangle, part gpu.Rect, smooth bool) gpu.Quad {
	return gpu.Quad{At: at, Picture: p.Tensor, Index: p.Index, Low: p.Low, High: p.High, Image: p.Image, Heat: p.Heat, Part: part, Smooth: smooth}
}

// Command is what a person asks of a session.
type Command struct {
	Action Action
	Step   int // of ShowStep: its place in the strip
	// Area is, of Mark and MarkOutside, the cell of the view's grid that was clicked, of
	// Frame the cells that were dragged over.
	Area image.Rectangle
}
