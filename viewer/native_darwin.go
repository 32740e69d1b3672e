//go:build !headless

package viewer

/*
#cgo CFLAGS: -x objective-c
#cgo LDFLAGS: -framework Cocoa -framework QuartzCore
#import <Cocoa/Cocoa.h>
#import <QuartzCore/CAMetalLayer.h>

// A window's view has no layer that Metal draws on until it is given one.
static void *saccade_metal_layer(void *window) {
	NSView *view = [(NSWindow *)window contentView];
	CAMetalLayer *layer = [CAMetalLayer layer];
	[layer setContentsScale:[(NSWindow *)window backingScaleFactor]];
	[view setWantsLayer:YES];
	[view setLayer:layer];
	return layer;
}
*/
import "C"

import (
	"runtime"

	"github.com/go-gl/glfw/v3.3/glfw"

	"saccade/gpu"
)

// Cocoa serves the main thread alone, which the main goroutine runs on only if
// it is locked to it before main starts.
func init() { runtime.LockOSThread() }

func native(w *glfw.Window) gpu.Native {
	return gpu.Native{MetalLayer: C.saccade_metal_layer(w.GetCocoaWindow())}
}
