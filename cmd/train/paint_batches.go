package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"saccade/models"
	"saccade/models/diffusion"
	"saccade/models/learn"
	"saccade/models/nn"
	"saccade/models/unet"
)

// stored are a file's batches for a UNet, in order and again.
type stored struct {
	batches []learn.Batch
	print   string
}

// Batch implements [fit.Batches].
func (s *stored) Batch(_ context.Context, micro int) (learn.Batch, error) {
	return s.batches[micro%len(s.batches)], nil
}

func (s *stored) perEpoch() int    { return len(s.batches) }
func (s *stored) identity() string { return s.print }

// The names of what a batch of a file has, before its number.
const (
	latentsName = "latents"
	noiseName   = "noise"
)

// storedBatches makes batches of a file's tensors: latents.N of unit variance, noise.N of their
// shape, timestep.N [B], and input_ids.N or encoder_hidden_states.N.
func (a *app) storedBatches(ctx context.Context, p *diffusion.Pipeline, all map[string]models.Array) (*stored, error) {
	noising, err := p.Noising()
	if err != nil {
		return nil, err
	}
	s, hash, read := &stored{}, sha256.New(), 0
	for ; ; read++ {
		of := func(name string) (models.Array, bool) { v, ok := all[fmt.Sprintf("%s.%d", name, read)]; return v, ok }
		latents, ok := of(latentsName)
		if !ok {
			break
		}
		noise, _ := of(noiseName)
		times, _ := of(unet.Timestep)
		if len(latents.Shape) != 4 || !slices.Equal(noise.Shape, latents.Shape) || len(times.Data) != latents.Shape[0] {
			return nil, fmt.Errorf("data %s: latents.%d is %v, noise.%d %v and timestep.%d %v; expected [B, C, h, w], the same and [B]", a.dataPath, read, latents.Shape, read, noise.Shape, read, times.Shape)
		}
		prompts, ok := of(unet.Context)
		if ids, has := of(nn.InputIDs); a.readsIDs() && has && !ok {
			prompts = ids
		} else if has && !ok {
			if prompts, err = p.EncodeIDs(ctx, ids); err != nil {
				return nil, fmt.Errorf("data %s: input_ids.%d: %w", a.dataPath, read, err)
			}
		} else if has == ok || a.readsIDs() {
			what := fmt.Sprintf("input_ids.%d or encoder_hidden_states.%d, one of the two", read, read)
			if a.readsIDs() {
				what = fmt.Sprintf("input_ids.%d, which the text tower that is trained reads, and no encoder_hidden_states.%d", read, read)
			}
			return nil, fmt.Errorf("data %s: expected %s", a.dataPath, what)
		}
		sample, target := models.Array{Shape: latents.Shape, Data: make([]float32, len(latents.Data))}, models.Array{Shape: latents.Shape, Data: make([]float32, len(latents.Data))}
		size := len(latents.Data) / latents.Shape[0]
		for k, t := range times.Data {
			if t < 0 || int(t) >= noising.Steps() || t != float32(int(t)) {
				return nil, fmt.Errorf("data %s: timestep.%d has %g; expected whole numbers of 0 to %d", a.dataPath, read, t, noising.Steps()-1)
			}
			noising.Noised(sample.Data[k*size:(k+1)*size], target.Data[k*size:(k+1)*size], latents.Data[k*size:(k+1)*size], noise.Data[k*size:(k+1)*size], int(t))
		}
		times.Shape = []int{len(times.Data)}
		told := unet.Context
		if a.readsIDs() {
			told = nn.InputIDs
		}
		s.batches = append(s.batches, learn.Batch{Inputs: map[string]nn.Array{unet.Sample: sample, unet.Timestep: times, told: prompts}, Target: target})
		fmt.Fprint(hash, sample.Data, times.Data, prompts.Data)
	}
	s.print = hex.EncodeToString(hash.Sum(nil)[:8])
	if read == 0 {
		return nil, fmt.Errorf("data %s: there is no latents.0; its tensors begin with %s", a.dataPath, first(all))
	}
	for name := range all {
		kind, number, _ := strings.Cut(name, ".")
		if i, err := strconv.Atoi(number); err != nil || i < 0 || i >= read || !slices.Contains([]string{latentsName, noiseName, unet.Timestep, unet.Context, nn.InputIDs}, kind) {
			return nil, fmt.Errorf("data %s: %s is none of latents.N, noise.N, timestep.N, input_ids.N and encoder_hidden_states.N of its %d batches, and is not read", a.dataPath, name, read)
		}
	}
	return s, nil
}
