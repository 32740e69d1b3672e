package scheduler

import "strings"

// Overrules are keys, a JSON object for [Set], that a pipeline of diffusers sets
// whatever its scheduler's config says; mask says that it paints a part anew, and controlled
// that ControlNets steer it, which other pipelines of the library do than those for
// whole pictures.
func Overrules(pipeline string, mask, controlled bool) string {
	switch {
	case controlled:
		return "{}"
	case strings.HasPrefix(pipeline, "StableDiffusionXL") || !strings.HasPrefix(pipeline, "StableDiffusion"):
		return "{}"
	case mask || strings.HasSuffix(pipeline, "InpaintPipeline"):
		return `{"steps_offset": 1, "skip_prk_steps": true}`
	}
	return `{"steps_offset": 1, "clip_sample": false}`
}

// StrengthOfOriginal says whether a pipeline's strength is as
// [Config.StrengthOfOriginal] has it.
func StrengthOfOriginal(pipeline string) bool {
	return strings.HasPrefix(pipeline, "LatentConsistencyModel")
}
