package diffusion

import (
	"regexp"

	"saccade/weights"
)

// Names are the rules from diffusers' names to those of this package's layers,
// which are the same but for what is joined: the projections of q, k and v of
// self-attention, under the names of diffusers and those of before 2023.
var Names = []weights.Rule{
	{From: "**.downsamplers.0.conv.*", To: "**.down.*"},
	{From: "**.upsamplers.0.conv.*", To: "**.up.*"},
	{From: "**.attn2.to_out.0.*", To: "**.attn2.to_out.*"},
	{From: "**.attn2.*.*", To: "**.attn2.*.*"},
	{From: "**.to_q.*", To: "**.qkv.*#0"},
	{From: "**.to_k.*", To: "**.qkv.*#1"},
	{From: "**.to_v.*", To: "**.qkv.*#2"},
	{From: "**.to_out.0.*", To: "**.to_out.*"},
	{From: "**.query.*", To: "**.qkv.*#0"},
	{From: "**.key.*", To: "**.qkv.*#1"},
	{From: "**.value.*", To: "**.qkv.*#2"},
	{From: "**.proj_attn.*", To: "**.to_out.*"},
}

// projections are the weights that some checkpoints hold as 1×1 convolutions and
// others as matrices.
var projections = regexp.MustCompile(`\.(proj_in|proj_out|query|key|value|proj_attn|to_[qkv]|to_out\.0)\.weight$`)

// Renamed shows a checkpoint of diffusers under the names of this package, and
// projections that are 1×1 convolutions as the matrices that they are.
func Renamed(src weights.Source) weights.Source {
	var matrices []*weights.Tensor
	for _, name := range src.Names() {
		if !projections.MatchString(name) {
			continue
		}
		if t, ok := src.Tensor(name); ok && len(t.Shape) == 4 && t.Shape[2] == 1 && t.Shape[3] == 1 {
			t.Shape = t.Shape[:2]
			matrices = append(matrices, t)
		}
	}
	return weights.Rename(weights.With(src, matrices...), Names)
}
