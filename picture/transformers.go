package picture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// processorClass holds what a transformers image processor does where its
// config says nothing (transformers 5.23; golden/picture compares them). Sizes
// and flags are JSON as in a config.
type processorClass struct {
	resample  Filter
	size      string // JSON
	square    bool   // a size that is one number means both sides, not the shorter
	crop      string // crop_size, JSON; "" = none
	doCrop    bool
	pad       string // pad_size, JSON; "" = do_pad is not known
	pillow    bool   // the pictures are those of its Pillow variant, where the two differ
	mean, std [3]float64
	raw       bool // do_normalize is false
	multiple  int  // of sides, 0: any
	smooth    bool // OWLv2's way to resize, of which do_pad is a part
	pads      bool // do_pad, which fills up pictures of a batch to one size, is taken
}

const (
	square224  = `{"height":224,"width":224}`
	square256  = `{"height":256,"width":256}`
	shortest   = `{"shortest_edge":224}`
	shortest56 = `{"shortest_edge":256}`
	bounded    = `{"shortest_edge":800,"longest_edge":1333}`
)

// classes are the processors of classifiers and picture encoders, by the name
// before "ImageProcessor". Fast and Pil variants and FeatureExtractors of old
// configs are the same. (DINOv3's resizes after rescaling: the same to within the
// rounding to 8 bits.)
var classes = map[string]processorClass{
	"Beit":        {resample: Bicubic, size: square224, square: true, crop: square224, mean: HalfMean, std: HalfStd},
	"Bit":         {resample: Bicubic, size: shortest, crop: square224, doCrop: true, mean: CLIPMean, std: CLIPStd},
	"Blip":        {resample: Bicubic, size: `{"height":384,"width":384}`, square: true, mean: CLIPMean, std: CLIPStd},
	"ChineseCLIP": {resample: Bicubic, size: shortest, crop: square224, doCrop: true, mean: CLIPMean, std: CLIPStd},
	"CLIP":        {resample: Bicubic, size: shortest, crop: square224, doCrop: true, mean: CLIPMean, std: CLIPStd},
	"ConvNext":    {resample: Bicubic, size: `{"shortest_edge":384}`, mean: HalfMean, std: HalfStd},
	"DeiT":        {resample: Bicubic, size: square256, square: true, crop: square224, doCrop: true, mean: HalfMean, std: HalfStd},
	"Detr":        {resample: Bilinear, pillow: true, size: bounded, mean: ImageNetMean, std: ImageNetStd, pads: true},
	"DPT":         {resample: Bicubic, pillow: true, size: `{"height":384,"width":384}`, square: true, mean: HalfMean, std: HalfStd},
	"DINOv3ViT":   {resample: Bilinear, size: square224, square: true, mean: ImageNetMean, std: ImageNetStd},
	"EfficientNet": {resample: Bicubic, size: `{"height":346,"width":346}`, square: true, crop: `{"height":289,"width":289}`,
		mean: HalfMean, std: HalfStd},
	"Levit":       {resample: Bicubic, size: shortest, crop: square224, doCrop: true, mean: ImageNetMean, std: ImageNetStd},
	"MobileNetV1": {resample: Bilinear, size: shortest56, crop: square224, doCrop: true, mean: HalfMean, std: HalfStd},
	"MobileNetV2": {resample: Bilinear, size: shortest56, crop: square224, doCrop: true, mean: HalfMean, std: HalfStd},
	"OwlViT":      {resample: Bicubic, pillow: true, size: `{"height":768,"width":768}`, square: true, crop: `{"height":768,"width":768}`, mean: CLIPMean, std: CLIPStd},
	"Owlv2":       {resample: Bilinear, pillow: true, size: `{"height":960,"width":960}`, square: true, mean: CLIPMean, std: CLIPStd, pads: true, smooth: true},
	"PoolFormer":  {resample: Bicubic, size: shortest, crop: square224, doCrop: true, mean: ImageNetMean, std: ImageNetStd},
	"Pvt":         {resample: Bicubic, size: square224, square: true, mean: ImageNetMean, std: ImageNetStd},
	"Sam": {resample: Bilinear, size: `{"longest_edge":1024}`, square: true, pad: `{"height":1024,"width":1024}`, pillow: true,
		mean: ImageNetMean, std: ImageNetStd},
	"RTDetr":    {resample: Bilinear, pillow: true, size: `{"height":640,"width":640}`, mean: ImageNetMean, std: ImageNetStd, raw: true},
	"Segformer": {resample: Bilinear, pillow: true, size: `{"height":512,"width":512}`, square: true, mean: ImageNetMean, std: ImageNetStd},
	"Siglip":    {resample: Bicubic, size: square224, mean: HalfMean, std: HalfStd},
	"ViT":       {resample: Bilinear, size: square224, square: true, mean: HalfMean, std: HalfStd},
	"Yolos":     {resample: Bilinear, pillow: true, size: bounded, mean: ImageNetMean, std: ImageNetStd, pads: true, multiple: 16},
	"Sam2":      {resample: Bilinear, size: `{"height":1024,"width":1024}`, square: true, mean: ImageNetMean, std: ImageNetStd},
}

// classOfModel is the processor of a model_type, for configs that name none.
var classOfModel = map[string]string{
	"conditional_detr": "Detr", "d_fine": "RTDetr", "deformable_detr": "Detr", "depth_anything": "DPT", "detr": "Detr", "dpt": "DPT", "owlvit": "OwlViT", "owlv2": "Owlv2", "rt_detr": "RTDetr", "rt_detr_v2": "RTDetr", "segformer": "Segformer", "yolos": "Yolos",
	"beit": "Beit", "bit": "Bit", "blip": "Blip", "clip": "CLIP", "clip_vision_model": "CLIP", "chinese_clip": "ChineseCLIP",
	"convnext": "ConvNext", "convnextv2": "ConvNext", "data2vec-vision": "Beit", "deit": "DeiT", "dinat": "ViT",
	"dinov2": "Bit", "dinov2_with_registers": "Bit", "dinov3_vit": "DINOv3ViT", "dinov3_convnext": "DINOv3ViT",
	"efficientnet": "EfficientNet", "focalnet": "Bit", "groupvit": "CLIP", "hiera": "Bit", "ijepa": "ViT",
	"levit": "Levit", "metaclip_2": "CLIP", "mobilenet_v1": "MobileNetV1", "mobilenet_v2": "MobileNetV2",
	"poolformer": "PoolFormer", "pvt": "Pvt", "pvt_v2": "Pvt", "regnet": "ConvNext", "resnet": "ConvNext", "sam": "Sam", "sam2": "Sam2", "sam2_video": "Sam2",
	"siglip": "Siglip", "siglip_vision_model": "Siglip", "swiftformer": "ViT", "swin": "ViT", "swinv2": "ViT", "upernet": "Segformer", "vit": "ViT",
	"vit_mae": "ViT", "vit_msn": "ViT",
}

// classAliases are processors that do as another with pictures.
var classAliases = map[string]string{"ConditionalDetr": "Detr", "DeformableDetr": "Detr"}

// hfConfig is a preprocessor_config.json. Absent keys and nulls are defaults.
type hfConfig struct {
	Type          string `json:"image_processor_type"`
	ExtractorType string `json:"feature_extractor_type"`

	DoResize      *bool           `json:"do_resize"`
	Size          json.RawMessage `json:"size"`
	ToSquare      *bool           `json:"default_to_square"`
	Resample      json.RawMessage `json:"resample"`
	CropPct       *float64        `json:"crop_pct"`
	DoCenterCrop  *bool           `json:"do_center_crop"`
	CropSize      json.RawMessage `json:"crop_size"`
	DoRescale     *bool           `json:"do_rescale"`
	RescaleFactor *float64        `json:"rescale_factor"`
	RescaleOffset *bool           `json:"rescale_offset"`
	DoNormalize   *bool           `json:"do_normalize"`
	IncludeTop    *bool           `json:"include_top"`
	Mean          json.RawMessage `json:"image_mean"`
	Std           json.RawMessage `json:"image_std"`

	KeepAspect *bool `json:"keep_aspect_ratio"` // of DPT, as is the next
	Multiple   *int  `json:"ensure_multiple_of"`

	DoPad       *bool           `json:"do_pad"`
	PadSize     json.RawMessage `json:"pad_size"`
	OldPad      *bool           `json:"pad_and_return_pixel_mask"` // of DETR's, as is the next
	MaxSize     *int            `json:"max_size"`
	DoFlip      *bool           `json:"do_flip_channel_order"`
	DoGrayscale *bool           `json:"do_grayscale"`
}

// inert are keys that change nothing of one picture's numbers: where and in which
// layout they are made, masks' labels, and pad_size and size_divisor, which do_pad alone
// looks at.
// do_convert_rgb is obeyed in that all pictures are RGB here, and each is a batch of its
// own, which needs no filling up.
var inert = []string{
	"do_convert_rgb", "data_format", "input_data_format", "device", "return_tensors", "disable_grouping", "image_seq_length", "do_reduce_labels", "pad_size", "size_divisor", "mask_size", "mask_pad_size",
	"format", "do_convert_annotations", "return_segmentation_masks", "masks_path", "annotations", "segmentation_maps",
}

// ParsePreprocessor reads transformers' preprocessor_config.json. modelType is
// "model_type" of the model's config.json: it chooses the defaults where the file
// names no processor; it may be empty otherwise. Where transformers' two back ends
// differ, the result is that of torchvision's, its default.
func ParsePreprocessor(data []byte, modelType string) (*Processor, error) {
	p, err := parseHF(data, modelType)
	if err != nil {
		return nil, fmt.Errorf("preprocessor_config.json: %w", err)
	}
	return p, nil
}

// ParseProcessor reads the image_processor in transformers' processor_config.json,
// which goes before a preprocessor_config.json beside it; nil where it has none.
func ParseProcessor(data []byte, modelType string) (*Processor, error) {
	var c struct {
		Nested json.RawMessage `json:"image_processor"`
	}
	err := decode(data, &c)
	if err == nil && !given(c.Nested) {
		return nil, nil
	}
	var p *Processor
	if err == nil {
		p, err = parseHF(c.Nested, modelType)
	}
	if err != nil {
		return nil, fmt.Errorf("processor_config.json: image_processor: %w", err)
	}
	return p, nil
}

// DefaultProcessor is the processor of a transformers model_type that comes
// without a preprocessor_config.json.
func DefaultProcessor(modelType string) (*Processor, error) {
	if classOfModel[modelType] == "" {
		return nil, fmt.Errorf("no preprocessor_config.json, and no default for model_type %q", modelType)
	}
	return ParsePreprocessor([]byte("{}"), modelType)
}

func parseHF(data []byte, modelType string) (*Processor, error) {
	var c hfConfig
	if err := decode(data, &c); err != nil {
		return nil, err
	}
	name := className(&c, modelType)
	class, ok := classes[name]
	if !ok {
		return nil, fmt.Errorf("image_processor_type %q (model_type %q) is not supported; expected one of %s",
			c.Type+c.ExtractorType, modelType, strings.Join(slices.Sorted(maps.Keys(classes)), ", "))
	}
	if class.pads && !class.smooth && or(c.DoPad, or(c.OldPad, true)) && given(c.PadSize) {
		return nil, fmt.Errorf("pad_size is %s; pictures are filled up to no size, expected null", c.PadSize)
	}
	pads := c.DoPad
	if class.pads || class.pad != "" {
		pads = nil
	}
	for flag, set := range map[string]*bool{"do_pad": pads, "do_flip_channel_order": c.DoFlip, "do_grayscale": c.DoGrayscale} {
		if or(set, false) {
			return nil, fmt.Errorf("%s is not supported", flag)
		}
	}
	return build(name, class, &c)
}

// className finds the key of classes; "" if nothing says it.
func className(c *hfConfig, modelType string) string {
	name := c.Type
	if name == "" {
		name = c.ExtractorType
	}
	if name == "" {
		return classOfModel[modelType]
	}
	for _, suffix := range []string{"Fast", "Pil", "ImageProcessor", "FeatureExtractor"} {
		name = strings.TrimSuffix(name, suffix)
	}
	if own, ok := classAliases[name]; ok {
		return own
	}
	if name == "Image" { // of files without a word of the class, which mean this one
		return "ViT"
	}
	return name
}

// given reports a key that is there and not null.
func given(v json.RawMessage) bool { return len(v) > 0 && !bytes.Equal(v, []byte("null")) }

func or[T any](v *T, otherwise T) T {
	if v == nil {
		return otherwise
	}
	return *v
}

func build(name string, class processorClass, c *hfConfig) (*Processor, error) {
	p := &Processor{}
	if err := c.geometry(p, name, class); err != nil {
		return nil, err
	}
	if or(c.DoRescale, true) {
		p.Rescale = or(c.RescaleFactor, 1.0/255)
		if p.Rescale == 0 {
			return nil, errors.New("rescale_factor is 0")
		}
	}
	if name == "EfficientNet" {
		if p.Rescale != 0 && or(c.RescaleOffset, false) {
			p.Offset = -1
		}
		p.IncludeTop = or(c.IncludeTop, true)
	}
	if class.smooth {
		if p.Smoothing = (&Smoothing{Square: or(c.DoPad, true)}); p.Resize.Filter != Bilinear {
			return nil, fmt.Errorf("resample is %s, which the class takes for something else; 2 is expected", c.Resample)
		}
	}
	p.Normalize = or(c.DoNormalize, !class.raw)
	var err error
	if p.Mean, err = numbers(c.Mean, class.mean); err != nil {
		return nil, fmt.Errorf("image_mean: %w", err)
	}
	if p.Std, err = numbers(c.Std, class.std); err != nil {
		return nil, fmt.Errorf("image_std: %w", err)
	}
	return p, p.Check()
}

// geometry fills in the resize and crop steps.
func (c *hfConfig) geometry(p *Processor, name string, class processorClass) error {
	size, err := parseSize(c.Size, class.size, or(c.ToSquare, class.square))
	if err == nil {
		size, err = c.bounds(name, size)
	}
	if err == nil && (size.mode == Longest) != (class.pad != "") {
		err = fmt.Errorf("%s is of no rule that the class has", c.Size)
	}
	if err != nil {
		return fmt.Errorf("size: %w", err)
	}
	p.Resize.Filter = class.resample
	if !class.pillow {
		p.Resize.Order = RowsFirst
	}
	if err := c.padding(p, class); err != nil {
		return err
	}
	if given(c.Resample) {
		if p.Resize.Filter, err = parseResample(c.Resample); err != nil {
			return err
		}
	}
	if or(c.DoResize, true) {
		if err := c.resize(p, name, size); err != nil {
			return err
		}
	}
	if !or(c.DoCenterCrop, class.doCrop) {
		return nil
	}
	crop, err := parseSize(c.CropSize, class.crop, true)
	if err != nil {
		return fmt.Errorf("crop_size: %w", err)
	}
	if crop.mode != Exact {
		return errors.New("crop_size: expected a number, or height and width")
	}
	if p.Crop.H > 0 && (p.Crop.H != crop.h || p.Crop.W != crop.w) {
		return fmt.Errorf("crops to %d×%d and then to %d×%d; expected one crop", p.Crop.H, p.Crop.W, crop.h, crop.w)
	}
	p.Crop.H, p.Crop.W = crop.h, crop.w
	return nil
}

// padding fills in the last step.
func (c *hfConfig) padding(p *Processor, class processorClass) error {
	if class.pad == "" || !or(c.DoPad, true) {
		return nil
	}
	size, err := parseSize(c.PadSize, class.pad, true)
	if err != nil {
		return fmt.Errorf("pad_size: %w", err)
	}
	if size.mode != Exact {
		return errors.New("pad_size: expected a number, or height and width")
	}
	p.Pad = PadRule{H: size.h, W: size.w}
	return nil
}

// parseResample reads one of Pillow's numbers, or a name.
func parseResample(v json.RawMessage) (Filter, error) {
	var number int
	var name string
	if json.Unmarshal(v, &number) == nil {
		return Filter(number), nil
	}
	if json.Unmarshal(v, &name) != nil {
		return 0, fmt.Errorf("resample is %s; expected a number of 0 to 5 or a name, one of %v", v, filterNames)
	}
	f, err := ParseFilter(strings.ToLower(name))
	if err != nil {
		return 0, fmt.Errorf("resample: %w", err)
	}
	return f, nil
}

// resize applies the class's own rules for the resize step.
func (c *hfConfig) resize(p *Processor, name string, size hfSize) error {
	p.Resize.Mode, p.Resize.H, p.Resize.W = size.mode, size.h, size.w
	switch name {
	case "ConvNext": // resize to size/crop_pct and crop, or from 384 on, stretch
		if size.mode != Shortest {
			return errors.New("size: expected shortest_edge, as ConvNextImageProcessor does")
		}
		return c.convNext(p, size.h)
	case "Levit":
		if size.mode == Shortest {
			ratio := 256.0 / 224.0
			p.Resize.H = int(float64(size.h) * ratio)
			p.Resize.W = p.Resize.H
		}
	case "PoolFormer":
		return p.poolFormer(or(c.CropPct, 0.9))
	case "DPT":
		return c.dpt(p, size)
	case "Yolos":
		if size.mode == Bounded {
			p.Resize.Multiple = classes[name].multiple
		}
	}
	return nil
}

// dpt has sides be multiples of a number, in proportion if it is asked for.
func (c *hfConfig) dpt(p *Processor, size hfSize) error {
	p.Resize.Multiple = or(c.Multiple, 1)
	if size.mode != Exact || p.Resize.Multiple < 1 {
		return fmt.Errorf("size and ensure_multiple_of: found %s and %d; expected height and width, and 1 or more", c.Size, p.Resize.Multiple)
	}
	if p.Resize.Mode = Closest; or(c.KeepAspect, false) {
		return nil
	}
	p.Resize.Mode, p.Resize.H, p.Resize.W = Exact, p.Resize.multiple(float64(size.h)), p.Resize.multiple(float64(size.w))
	p.Resize.Multiple = 0
	return nil
}

// bounds are what detectors' processors make of sizes: of one number, the shorter side
// with the longer bounded by max_size.
func (c *hfConfig) bounds(name string, size hfSize) (hfSize, error) {
	detector := name == "Detr" || name == "Yolos" || name == "RTDetr"
	if !detector && (size.mode == Bounded || size.mode == Within) {
		return size, fmt.Errorf("%s; expected a number, [height, width], {height, width} or {shortest_edge}", c.Size)
	}
	if detector && size.mode == Shortest {
		if c.Size[0] == '{' {
			return size, fmt.Errorf("%s; expected a longest_edge beside shortest_edge", c.Size)
		}
		return hfSize{Bounded, size.h, or(c.MaxSize, 1333)}, nil
	}
	return size, nil
}

func (c *hfConfig) convNext(p *Processor, edge int) error {
	ratio := 224.0 / 256.0
	pct := or(c.CropPct, ratio)
	if pct <= 0 || pct > 1 {
		return fmt.Errorf("crop_pct: %g; expected a fraction in (0, 1]", pct)
	}
	p.WarpFrom, p.CropPct = 384, pct
	if edge >= p.WarpFrom {
		p.Resize.Mode = Exact
		return nil
	}
	p.Resize.H = int(float64(edge) / pct)
	p.Resize.W = p.Resize.H
	p.Crop.H, p.Crop.W = edge, edge
	return nil
}

// poolFormer resizes to size/crop_pct. A size of two different sides is taken as
// it is after the division.
func (p *Processor) poolFormer(pct float64) error {
	if pct <= 0 || pct > 1 {
		return fmt.Errorf("crop_pct: %g; expected a fraction in (0, 1]", pct)
	}
	if p.Resize.H == p.Resize.W {
		p.Resize.Mode = Shortest
	}
	p.Resize.H, p.Resize.W = int(float64(p.Resize.H)/pct), int(float64(p.Resize.W)/pct)
	return nil
}

// hfSize is a size or crop_size.
type hfSize struct {
	mode ResizeMode // Exact, Shortest, Longest, Bounded or Within
	h, w int
}

// parseSize reads a number, a list [height, width] or an object.
func parseSize(v json.RawMessage, otherwise string, square bool) (hfSize, error) {
	if !given(v) {
		if otherwise == "" {
			return hfSize{}, errors.New("missing")
		}
		v = json.RawMessage(otherwise)
	}
	var n int
	if json.Unmarshal(v, &n) == nil {
		if square {
			return hfSize{Exact, n, n}, nil
		}
		return hfSize{Shortest, n, n}, nil
	}
	var list []int
	if json.Unmarshal(v, &list) == nil && len(list) == 2 {
		return hfSize{Exact, list[0], list[1]}, nil
	}
	var keys map[string]*int
	if json.Unmarshal(v, &keys) == nil {
		for k, n := range keys {
			if n == nil {
				delete(keys, k) // written by newer versions
			}
		}
		h, w, edge, longest := keys["height"], keys["width"], keys["shortest_edge"], keys["longest_edge"]
		maxH, maxW := keys["max_height"], keys["max_width"]
		switch {
		case len(keys) == 1 && longest != nil:
			return hfSize{Longest, *longest, *longest}, nil
		case len(keys) == 2 && edge != nil && longest != nil:
			return hfSize{Bounded, *edge, *longest}, nil
		case len(keys) == 2 && maxH != nil && maxW != nil:
			return hfSize{Within, *maxH, *maxW}, nil
		case len(keys) == 2 && h != nil && w != nil:
			return hfSize{Exact, *h, *w}, nil
		case len(keys) == 1 && edge != nil:
			return hfSize{Shortest, *edge, *edge}, nil
		}
	}
	return hfSize{}, fmt.Errorf("%s; expected a number, [height, width], {height, width}, {shortest_edge} or {longest_edge}", v)
}

// numbers reads one number or three.
func numbers(v json.RawMessage, otherwise [3]float64) ([3]float64, error) {
	if !given(v) {
		return otherwise, nil
	}
	var one float64
	if json.Unmarshal(v, &one) == nil {
		return triple([]float64{one})
	}
	var list []float64
	if err := json.Unmarshal(v, &list); err != nil {
		return [3]float64{}, fmt.Errorf("%s; expected numbers", v)
	}
	return triple(list)
}
