//go:build !headless

package viewer

/*
#include <windows.h>

static void *saccade_module(void) { return GetModuleHandleW(NULL); }
*/
import "C"

import (
	"unsafe"

	"github.com/go-gl/glfw/v3.3/glfw"

	"saccade/gpu"
)

func native(w *glfw.Window) gpu.Native {
	return gpu.Native{HInstance: C.saccade_module(), HWND: unsafe.Pointer(w.GetWin32Window())}
}
