package gpu

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"saccade/gpu/internal/wgpu"
)

// Canvas draws as a [Surface] does, but to pictures of the host: for machines
// without a display, and for tests.
type Canvas struct {
	d       *Device
	p       *painter
	texture *wgpu.Texture
	view    *wgpu.TextureView
	staging *buffer
	w, h    int
}

const canvasFormat = wgpu.TextureFormatRGBA8Unorm

// NewCanvas makes a canvas.
func (d *Device) NewCanvas(source ViewSource) (*Canvas, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, err := d.newPainter(source)
	if err != nil {
		return nil, err
	}
	return &Canvas{d: d, p: p}, nil
}

// Draw draws quads over a ground and reads the w×h pixels back.
func (c *Canvas) Draw(w, h int, ground color.RGBA, quads []Quad) (*image.RGBA, error) {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	if most := int(c.d.maxTexture()); w < 1 || h < 1 || w > most || h > most {
		return nil, fmt.Errorf("drawing %d×%d pixels: the adapter draws from 1×1 to %d×%d", w, h, most, most)
	}
	if err := c.resize(w, h); err != nil {
		return nil, fmt.Errorf("making a canvas of %d×%d pixels: %s", w, h, oneLine(err))
	}
	row := canvasRow(w)
	err := c.p.draw(target{c.view, canvasFormat, w, h}, ground, quads, func(e *wgpu.CommandEncoder) error {
		return e.CopyTextureToBuffer(&wgpu.TexelCopyTextureInfo{Texture: c.texture, Aspect: wgpu.TextureAspectAll},
			&wgpu.TexelCopyBufferInfo{Buffer: c.staging.b, Layout: wgpu.TexelCopyBufferLayout{BytesPerRow: uint32(row), RowsPerImage: uint32(h)}},
			&wgpu.Extent3D{Width: uint32(w), Height: uint32(h), DepthOrArrayLayers: 1})
	})
	if err != nil {
		return nil, err
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	err = c.staging.mapRead(int64(row*h), func(raw []byte) {
		for y := range h {
			copy(m.Pix[y*m.Stride:(y+1)*m.Stride], raw[y*row:])
		}
	})
	return m, err
}

// canvasRow is the bytes of a row in a buffer that a texture is copied to.
func canvasRow(w int) int { return (4*w + 255) &^ 255 }

func (d *Device) maxTexture() uint32 { return wgpu.LimitsOf(d.adapter).MaxTextureDimension2D }

// resize makes the texture and its staging buffer anew where their size changes.
func (c *Canvas) resize(w, h int) (err error) {
	if c.view != nil && c.w == w && c.h == h {
		return nil
	}
	c.releaseTexture()
	c.w, c.h = w, h
	if c.texture, err = c.d.dev.CreateTexture(&wgpu.TextureDescriptor{
		Label: "canvas", Usage: wgpu.TextureUsageRenderAttachment | wgpu.TextureUsageCopySrc, Dimension: wgpu.TextureDimension2D,
		Size: wgpu.Extent3D{Width: uint32(w), Height: uint32(h), DepthOrArrayLayers: 1}, Format: canvasFormat, MipLevelCount: 1, SampleCount: 1,
	}); err != nil {
		return err
	}
	if c.view, err = wgpu.CreateView(c.texture); err != nil {
		return err
	}
	c.staging, err = c.d.newBuffer("canvas", int64(canvasRow(w)*h), wgpu.BufferUsageMapRead|wgpu.BufferUsageCopyDst)
	return err
}

func (c *Canvas) releaseTexture() {
	c.staging.releaseLocked()
	if c.view != nil {
		c.view.Release()
		c.view = nil
	}
	if c.texture != nil {
		c.texture.Destroy()
		c.texture.Release()
		c.texture = nil
	}
}

// Close frees the canvas.
func (c *Canvas) Close() {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	c.releaseTexture()
	c.p.release()
}

// toLinear undoes sRGB's curve.
func toLinear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}
