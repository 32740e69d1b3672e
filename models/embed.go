package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync/atomic"
	"time"

	"saccade/picture"
	"saccade/weights"
)

// EmbedPictures gives the vector of unit length that stands for each of n
// pictures ([Model.Embedding]), read and reported as [Model.Each] does. whole has
// every forward pass take a whole batch, the last filled up with copies: then a
// vector does not depend on how many pictures there are, not by a bit.
func (m *Model) EmbedPictures(ctx context.Context, n, batch int, whole bool, open func(i int) (*picture.Image, error), report func(i int, v []float32, err error) error) error {
	return m.each(ctx, n, batching{size: batch, whole: whole}, m.loader(open), func(r Result) error {
		if r.Err != nil {
			return report(r.Index, nil, r.Err)
		}
		v, err := m.Embedding(r.Outputs)
		if err != nil && !errors.Is(err, ErrNoDirection) {
			return err
		}
		return report(r.Index, v, err)
	})
}

// loader reads and preprocesses pictures.
func (m *Model) loader(open func(i int) (*picture.Image, error)) func(i int) (input, error) {
	return m.preparing(open, new(atomic.Int64))
}

// preparing is loader that adds up the nanoseconds of preprocessing.
func (m *Model) preparing(open func(i int) (*picture.Image, error), took *atomic.Int64) func(i int) (input, error) {
	return func(i int) (input, error) {
		img, err := open(i)
		if err != nil {
			return input{}, err
		}
		began := time.Now()
		pixels, h, w, err := m.Preprocess(img)
		took.Add(int64(time.Since(began)))
		if err != nil {
			return input{}, err
		}
		return input{pixels: pixels, size: [3]int{len(pixels) / (h * w), h, w}}, nil
	}
}

// sampled is how many bytes of each tensor Fingerprint reads at either end.
const sampled = 4096

// Fingerprint tells weights from others: a hash of the names and shapes of all
// tensors and of the bytes at both ends of each.
func (m *Model) Fingerprint() (print string, err error) {
	err = weights.Guard(func() error {
		print, err = m.fingerprint()
		return err
	})
	return print, err
}

func (m *Model) fingerprint() (string, error) {
	h := sha256.New()
	err := fingerprint(h, m.checkpoint)
	for _, a := range m.adapters {
		fmt.Fprint(h, "LoRA", a.scale)
		err = errors.Join(err, fingerprint(h, a))
	}
	if err != nil {
		return "", fmt.Errorf("fingerprint: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// fingerprint hashes tensors.
func fingerprint(h hash.Hash, src weights.Source) error {
	names := src.Names()
	slices.Sort(names)
	for _, name := range names {
		t, ok := src.Tensor(name)
		if !ok {
			return fmt.Errorf("tensor %s can't be read", name)
		}
		data := t.Bytes()
		fmt.Fprint(h, name, t.Shape, t.DType, len(data))
		h.Write(data[:min(sampled, len(data))])
		h.Write(data[max(0, len(data)-sampled):])
	}
	return nil
}

// MeanVector is the mean of vectors of unit length, of unit length itself: the
// embedding of a text in several templates.
func MeanVector(vectors [][]float32) []float32 {
	sum := make([]float32, len(vectors[0]))
	for _, v := range vectors {
		for i, x := range v {
			sum[i] += x
		}
	}
	return unit(sum)
}
