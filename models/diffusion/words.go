package diffusion

// WordMap is where in the latents a word of the prompt drew: [h w], the mean of the
// attention that each place paid to its tokens, over heads, layers and steps.
type WordMap struct {
	Word   string
	Values []float32
	H, W   int
}

// WordMaps are the maps of the words of an item's prompt, of a request that asked to
// watch (Tang et al. 2022, "What the DAAM"). Each layer's map is brought to the
// latents' size first.
func (r *Run) WordMaps(item int) ([]WordMap, error) {
	l := r.loop
	mean, err := r.attention(item)
	if err != nil {
		return nil, err
	}
	var maps []WordMap
	for _, word := range r.Words[min(item, len(r.Words)-1)] {
		m := WordMap{Word: word.Text, Values: make([]float32, l.h*l.w), H: l.h, W: l.w}
		for i := range m.Values {
			for t := word.First; t < word.End; t++ {
				m.Values[i] += float32(mean[i*l.tokens+t] / float64((word.End-word.First)*max(1, r.step)))
			}
		}
		maps = append(maps, m)
	}
	return maps, nil
}

// attention is the sum over the steps of an item's attention to the tokens, [h w
// tokens], the mean over heads and layers.
func (r *Run) attention(item int) ([]float64, error) {
	l := r.loop
	if len(l.watched) == 0 || len(r.Words) == 0 {
		return nil, requestErrorf("the run did not watch the words of a prompt")
	}
	mean := make([]float64, l.h*l.w*l.tokens)
	for _, x := range l.watched {
		sum, err := x.sum.Read()
		if err != nil {
			return nil, err
		}
		heads := x.sum.Shape[1]
		one := sum[item*heads*x.h*x.w*l.tokens:][:heads*x.h*x.w*l.tokens]
		addLayer(mean, one, heads, x, l)
	}
	return mean, nil
}

// addLayer adds a layer's mean over its heads, [heads h·w tokens], interpolated
// bilinearly to the latents' size.
func addLayer(mean []float64, sum []float32, heads int, x watched, l *loop) {
	share := 1 / float64(heads*len(l.watched))
	for y := range l.h {
		y0, y1, fy := between(y, l.h, x.h)
		for c := range l.w {
			c0, c1, fx := between(c, l.w, x.w)
			corners := [4]struct {
				at     int
				weight float64
			}{{y0*x.w + c0, (1 - fy) * (1 - fx)}, {y0*x.w + c1, (1 - fy) * fx}, {y1*x.w + c0, fy * (1 - fx)}, {y1*x.w + c1, fy * fx}}
			out := mean[(y*l.w+c)*l.tokens:][:l.tokens]
			for _, p := range corners {
				for h := range heads {
					for t, v := range sum[(h*x.h*x.w+p.at)*l.tokens:][:l.tokens] {
						out[t] += share * p.weight * float64(v)
					}
				}
			}
		}
	}
}

// between finds the two of n cells around cell i of m, and the part of the way from
// the first to the second.
func between(i, m, n int) (lo, hi int, part float64) {
	at := max(0, (float64(i)+0.5)*float64(n)/float64(m)-0.5)
	lo = min(int(at), n-1)
	return lo, min(lo+1, n-1), at - float64(int(at))
}
