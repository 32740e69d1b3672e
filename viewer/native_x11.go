//go:build !headless && (linux || freebsd || netbsd || openbsd)

package viewer

import (
	"unsafe"

	"github.com/go-gl/glfw/v3.3/glfw"

	"saccade/gpu"
)

func native(w *glfw.Window) gpu.Native {
	return gpu.Native{XlibDisplay: unsafe.Pointer(glfw.GetX11Display()), XlibWindow: uint32(w.GetX11Window())}
}
