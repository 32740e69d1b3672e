//go:build headless

package viewer

import (
	"context"
	"fmt"

	"saccade/gpu"
)

// Run says that this build has no windows.
func (v *Viewer) Run(context.Context, *gpu.Device) error { return Available() }

// Available says so too.
func Available() error {
	return fmt.Errorf("%w: this program was built with -tags headless; build it without (that takes X11's headers), or write the run with -record out.gif, out.png or a folder", ErrNoWindow)
}
