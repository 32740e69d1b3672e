package picture

import (
	"encoding/json"
	"fmt"
	"math"
)

// timmConfig is the part of timm's pretrained_cfg that is about pictures.
type timmConfig struct {
	InputSize     []int     `json:"input_size"` // [channels, height, width]
	Interpolation string    `json:"interpolation"`
	CropPct       float64   `json:"crop_pct"`
	CropMode      string    `json:"crop_mode"` // center, squash or border
	Mean          []float64 `json:"mean"`
	Std           []float64 `json:"std"`
}

// ParseTimm reads timm's config.json, or its pretrained_cfg alone, and follows
// timm's transforms_imagenet_eval. Absent keys have the defaults of timm's
// resolve_data_config: 224×224, bicubic, 0.875, center, ImageNet's mean and
// standard deviation.
func ParseTimm(data []byte) (*Processor, error) {
	p, err := parseTimm(data)
	if err != nil {
		return nil, fmt.Errorf("timm's pretrained_cfg: %w", err)
	}
	return p, nil
}

func parseTimm(data []byte) (*Processor, error) {
	var outer struct {
		Config json.RawMessage `json:"pretrained_cfg"`
	}
	if err := decode(data, &outer); err != nil {
		return nil, err
	}
	if given(outer.Config) {
		data = outer.Config
	}
	var c timmConfig
	if err := decode(data, &c); err != nil {
		return nil, err
	}
	return c.processor()
}

func (c *timmConfig) processor() (*Processor, error) {
	h, w := 224, 224
	if len(c.InputSize) > 0 {
		if len(c.InputSize) != 3 {
			return nil, fmt.Errorf("input_size: %v; expected [channels, height, width]", c.InputSize)
		}
		h, w = c.InputSize[1], c.InputSize[2]
	}
	if c.CropPct == 0 {
		c.CropPct = 0.875
	}
	if c.CropPct < 0 || c.CropPct > 1 {
		return nil, fmt.Errorf("crop_pct: %g; expected a fraction in (0, 1]", c.CropPct)
	}
	if c.Interpolation == "" {
		c.Interpolation = "bicubic"
	}
	filter, err := ParseFilter(c.Interpolation)
	if err != nil {
		return nil, fmt.Errorf("interpolation: %w", err)
	}
	p := &Processor{Crop: CropRule{H: h, W: w, Even: true}, Rescale: 1.0 / 255, Normalize: true}
	if p.Mean, err = orDefault(c.Mean, ImageNetMean); err != nil {
		return nil, fmt.Errorf("mean: %w", err)
	}
	if p.Std, err = orDefault(c.Std, ImageNetStd); err != nil {
		return nil, fmt.Errorf("std: %w", err)
	}
	scaled := func(n int) int { return int(math.Floor(float64(n) / c.CropPct)) }
	p.Resize = ResizeRule{H: scaled(h), W: scaled(w), Filter: filter}
	if err := c.mode(p); err != nil {
		return nil, err
	}
	return p, p.Check()
}

// mode sets the resize mode and the colour of the border.
func (c *timmConfig) mode(p *Processor) error {
	switch c.CropMode {
	case "squash":
		p.Resize.Mode = Exact
	case "border":
		p.Resize.Mode = Fit
		for i, m := range p.Mean {
			p.Crop.Fill[i] = clip8(int32(math.RoundToEven(255 * m)))
		}
	case "center", "":
		p.Resize.Mode = Shortest
		if p.Resize.H != p.Resize.W {
			p.Resize.Mode = Cover
		}
	default:
		return fmt.Errorf("crop_mode: unknown mode %q; expected center, squash or border", c.CropMode)
	}
	return nil
}

func orDefault(v []float64, otherwise [3]float64) ([3]float64, error) {
	if len(v) == 0 {
		return otherwise, nil
	}
	return triple(v)
}
