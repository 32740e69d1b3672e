package diffusion

// channelsLast brings maps [n C h w] to [n h w C], as the device has them.
func channelsLast(x []float32, channels, pixels int) []float32 {
	out := make([]float32, len(x))
	for i := range len(x) / (channels * pixels) {
		at := i * channels * pixels
		for c := range channels {
			for p := range pixels {
				out[at+p*channels+c] = x[at+c*pixels+p]
			}
		}
	}
	return out
}

// channelsFirst brings maps [n h w C] to [n C h w], as PyTorch has them.
func channelsFirst(x []float32, channels, pixels int) []float32 {
	return channelsLast(x, pixels, channels)
}

// repeat is x n times, or x itself where it is of n items already.
func repeat(x []float32, n, size int) []float32 {
	if len(x) == n*size {
		return x
	}
	out := make([]float32, 0, n*size)
	for range n {
		out = append(out, x...)
	}
	return out
}

// scaled is (x − shift)·scale.
func scaled(x []float32, scale, shift float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32((float64(v) - shift) * scale)
	}
	return out
}

// nearest takes a map [h w] to another size as torch's interpolate does by default.
func nearest(x []float32, h, w, toH, toW int) []float32 {
	out := make([]float32, 0, toH*toW)
	for y := range toH {
		for c := range toW {
			out = append(out, x[y*h/toH*w+c*w/toW])
		}
	}
	return out
}

// spread gives each value of a map to all of so many channels: [h w] to [h w c].
func spread(x []float32, channels int) []float32 {
	out := make([]float32, 0, len(x)*channels)
	for _, v := range x {
		for range channels {
			out = append(out, v)
		}
	}
	return out
}

// beside puts the channel a [n h w] before the channels b [n h w c].
func beside(a, b []float32, channels int) []float32 {
	out := make([]float32, 0, len(a)+len(b))
	for i, v := range a {
		out = append(append(out, v), b[i*channels:(i+1)*channels]...)
	}
	return out
}

// masked is pictures [n C H W] without what is painted anew.
func masked(pictures, mask []float32) []float32 {
	out := make([]float32, len(pictures))
	for i, v := range pictures {
		if mask[i%len(mask)] < 0.5 {
			out[i] = v
		}
	}
	return out
}
