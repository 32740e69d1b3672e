package ppocr

import (
	"fmt"

	"saccade/models/nn"
	"saccade/ops"
)

// The published mobile networks of version 5: of a page, and of a line of it.
const (
	standardPage = "ppocr_page"
	standardLine = "ppocr_line"
)

// lineStages are those of the published recogniser, which keep a line's length.
const lineStages = `{"backbone_config": {"model_type": "pp_lcnet_v3", "scale": 0.95, "divisor": 16, "out_indices": [2, 3, 4, 5], "block_configs":
	[[[3,16,32,1,false]], [[3,32,64,1,false],[3,64,64,1,false]], [[3,64,128,[2,1],false],[3,128,128,1,false]],
	[[3,128,256,[1,2],false],[5,256,256,1,false],[5,256,256,1,false],[5,256,256,1,false],[5,256,256,1,false]],
	[[5,256,512,[2,1],true],[5,512,512,1,true],[5,512,512,[2,1],false],[5,512,512,1,false]]]}}`

func standard(name string) (nn.Make, error) {
	if name == standardPage {
		c, err := parseDetector(nil, kinds["pp_ocrv5_mobile_det"], []byte(`{}`))
		return c.layers, err
	}
	c, err := parseRecogniser(nil, kinds["pp_ocrv5_mobile_rec"], []byte(lineStages))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return func(b *ops.Builder) (*nn.Layers, error) { return c.layers(b) }, nil
}
