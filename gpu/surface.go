package gpu

import (
	"errors"
	"fmt"
	"image/color"
	"slices"
	"unsafe"

	"saccade/gpu/internal/wgpu"
)

// Native are the handles of a window as its window system gives them: those of one.
type Native struct {
	XlibDisplay unsafe.Pointer // X11's Display*
	XlibWindow  uint32

	MetalLayer unsafe.Pointer // the CAMetalLayer of a Cocoa view

	HInstance, HWND unsafe.Pointer // Win32
}

func (n Native) descriptor() (*wgpu.SurfaceDescriptor, error) {
	switch {
	case n.XlibDisplay != nil:
		return &wgpu.SurfaceDescriptor{XlibWindow: &wgpu.SurfaceSourceXlibWindow{Display: n.XlibDisplay, Window: n.XlibWindow}}, nil
	case n.MetalLayer != nil:
		return &wgpu.SurfaceDescriptor{MetalLayer: &wgpu.SurfaceSourceMetalLayer{Layer: n.MetalLayer}}, nil
	case n.HWND != nil:
		return &wgpu.SurfaceDescriptor{WindowsHWND: &wgpu.SurfaceSourceWindowsHWND{Hinstance: n.HInstance, Hwnd: n.HWND}}, nil
	}
	return nil, errors.New("making a surface: the window has no handle")
}

// ErrNotShown is wrapped by [Surface.Draw] when the window system gives no
// picture to draw on just now, as for a window that is covered or being
// resized: try again later.
var ErrNotShown = errors.New("the window shows nothing now")

// Surface draws to a window. It must be closed before its window is.
type Surface struct {
	d      *Device
	p      *painter
	s      *wgpu.Surface
	config wgpu.SurfaceConfiguration
	chain  *wgpu.SwapChain
}

// NewSurface takes a window's handles.
func (d *Device) NewSurface(n Native, source ViewSource) (*Surface, error) {
	desc, err := n.descriptor()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := d.newPainter(source)
	if err != nil {
		return nil, err
	}
	s := &Surface{d: d, p: p, s: d.inst.CreateSurface(desc)}
	caps := s.s.GetCapabilities(d.adapter)
	if len(caps.Formats) == 0 || len(caps.PresentModes) == 0 {
		s.release()
		return nil, fmt.Errorf("showing a window on %s: this adapter can't draw to windows of this display; choose another with -adapter (run -list-devices)", d.info)
	}
	s.config = wgpu.SurfaceConfiguration{
		Usage:       wgpu.TextureUsageRenderAttachment,
		Format:      formatOf(caps.Formats),
		PresentMode: presentModeOf(caps.PresentModes),
	}
	return s, nil
}

// formatOf prefers formats that store what the shader computes.
func formatOf(formats []wgpu.TextureFormat) wgpu.TextureFormat {
	for _, f := range []wgpu.TextureFormat{wgpu.TextureFormatBGRA8Unorm, wgpu.TextureFormatRGBA8Unorm,
		wgpu.TextureFormatBGRA8UnormSrgb, wgpu.TextureFormatRGBA8UnormSrgb} {
		if slices.Contains(formats, f) {
			return f
		}
	}
	return formats[0]
}

// presentModeOf prefers not to wait for the display: the device is locked meanwhile.
func presentModeOf(modes []wgpu.PresentMode) wgpu.PresentMode {
	if slices.Contains(modes, wgpu.PresentModeMailbox) {
		return wgpu.PresentModeMailbox
	}
	return wgpu.PresentModeFifo
}

// Draw shows quads over a ground in a window whose pixels are w×h now; of a
// window without pixels it does nothing. It returns when they are drawn. An
// error that wraps [ErrNotShown] passes by itself.
func (s *Surface) Draw(w, h int, ground color.RGBA, quads []Quad) error {
	if w < 1 || h < 1 {
		return nil
	}
	s.d.mu.lockInTurn()
	defer s.d.mu.Unlock()
	view, err := s.acquire(w, h)
	if err != nil {
		return err
	}
	// What was acquired must be presented, or the next swap chain can't be made.
	defer s.chain.Present()
	defer view.Release()
	err = s.p.draw(target{view, s.config.Format, w, h}, ground, quads, nil)
	s.d.settle() // so that drawings never pile up, and take no time from what is measured
	return err
}

// acquire gives the next picture of the swap chain, which is made anew when the
// window's size changed and when the window system took it away.
func (s *Surface) acquire(w, h int) (*wgpu.TextureView, error) {
	most := s.d.maxTexture()
	width, height := min(uint32(w), most), min(uint32(h), most)
	fresh := s.chain == nil || s.config.Width != width || s.config.Height != height
	for {
		if fresh {
			if err := s.configure(width, height); err != nil {
				return nil, err
			}
		}
		view, err := s.chain.GetCurrentTextureView()
		if err == nil {
			return view, nil
		}
		if fresh {
			s.releaseChain()
			return nil, fmt.Errorf("%w: %s", ErrNotShown, oneLine(err))
		}
		fresh = true
	}
}

// configure makes a swap chain. The surface is asked before whether it is
// there: the binding ends the process when it is not.
func (s *Surface) configure(w, h uint32) error {
	s.releaseChain()
	if caps := s.s.GetCapabilities(s.d.adapter); !slices.Contains(caps.Formats, s.config.Format) {
		return fmt.Errorf("%w: its surface is lost", ErrNotShown)
	}
	s.d.settle()
	s.config.Width, s.config.Height = w, h
	var err error
	s.chain, err = wgpu.CreateSwapChain(s.d.dev, s.s, &s.config)
	if err != nil {
		return fmt.Errorf("making a swap chain of %d×%d pixels: %s", w, h, oneLine(err))
	}
	return nil
}

func (s *Surface) releaseChain() {
	if s.chain != nil {
		s.chain.Release()
		s.chain = nil
	}
}

func (s *Surface) release() {
	s.releaseChain()
	s.p.release()
	s.s.Release()
}

// Close frees the surface; its window is closed after it.
func (s *Surface) Close() {
	s.d.mu.lockInTurn()
	defer s.d.mu.Unlock()
	s.d.settle()
	s.release()
}
