// Package diffusion makes pictures from noise with the pipelines of diffusers:
// Stable Diffusion 1, 2 and XL, the unconditional DDPM and DDIM, and videos by
// AnimateDiff and ModelScope's text-to-video.
//
// A [Pipeline] holds the parts of a checkpoint. [Pipeline.Start] encodes the
// prompt and the pictures of a [Request] and gives a [Run], whose latents stay
// on the device from step to step:
//
//	run, err := pipeline.Start(ctx, diffusion.Request{Prompts: []string{"a red apple"}})
//	for run.Next() {
//		err = run.Step(ctx)
//	}
//	result, err := run.Result(ctx)
//
// Nothing is read back between the steps. A step stops between two submits when
// its context ends; the run can then be dropped or go on.
//
// Networks are packages unet, vae and clip; schedulers, checkpoints of pipelines
// and LoRA are packages of their own below this one. This package reads no
// picture files and prints nothing.
package diffusion
