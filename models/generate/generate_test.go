package generate_test

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/models/generate"
	"saccade/models/nn"
	"saccade/models/verify"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// open opens a golden's model, with its inputs but for the text's ids.
func open(t *testing.T, d *gpu.Device, name string, precision gpu.DType) (*models.Model, map[string]models.Array) {
	t.Helper()
	c, err := golden.Find(name)
	require.NoError(t, err)
	g, err := golden.Load(c)
	require.NoError(t, err)
	m, err := verify.Open(t.Context(), d, g, nn.Options{Precision: precision})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	in := verify.Inputs(g)
	delete(in, m.Writer().Decoder.IDs)
	delete(in, m.Writer().Decoder.Mask)
	return m, in
}

// request is texts that begin with n ids each.
func request(m *models.Model, in map[string]models.Array, n int) generate.Request {
	q := generate.Request{In: in}
	for i := range in[m.Writer().Decoder.Inputs[0].Name].Shape[0] {
		ids := make([]uint32, n)
		for j := range ids {
			ids[j] = uint32(4 + (7*i+5*j)%50)
		}
		q.Begin = append(q.Begin, ids)
	}
	return q
}

// A step with the keys and values of earlier ones gives the logits of a pass over the
// whole text, and the tokens are those that the pass would choose.
func TestCachedEqualsWhole(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, name := range []string{"blip_caption", "blip_answer_gelu_new", "trocr", "trocr_sinusoidal", "whisper_heads"} {
		for _, begun := range []int{1, 5} {
			t.Run(fmt.Sprint(name, " ", begun), func(t *testing.T) {
				m, in := open(t, d, name, gpu.F32)
				w := m.Writer()
				w.Config.End, w.Config.MaxTokens = nil, 9
				var steps [][]float32
				w.Watch(func(logits []float32) { steps = append(steps, logits) })
				texts, err := w.Write(t.Context(), request(m, in, begun))
				require.NoError(t, err)
				require.Len(t, steps, 9)

				whole := map[string]models.Array{}
				for k, v := range in {
					whole[k] = v
				}
				ids := models.Array{Shape: []int{len(texts), begun + 8}}
				for _, text := range texts {
					for _, id := range text.IDs[:begun+8] {
						ids.Data = append(ids.Data, float32(id))
					}
				}
				whole[w.Decoder.IDs] = ids
				out, err := m.Forward(t.Context(), whole, "logits")
				require.NoError(t, err)
				vocab := w.Decoder.Vocab
				for i, text := range texts {
					for s := range steps {
						want := out["logits"].Data[(i*(begun+8)+begun-1+s)*vocab:][:vocab]
						assert.LessOrEqual(t, nmse(steps[s][i*vocab:][:vocab], want), 1e-12, "text %d step %d", i, s)
						assert.Equal(t, largest(want), int(text.IDs[begun+s]))
					}
				}
			})
		}
	}
}

func nmse(got, want []float32) float64 {
	var off, all float64
	for i, w := range want {
		off += math.Pow(float64(got[i])-float64(w), 2)
		all += float64(w) * float64(w)
	}
	return off / all
}

func largest(v []float32) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

// Behind the first step nothing is recorded and no buffer is made; what is read back is
// a token and its log-probability for each text, of beams the candidates' parents too.
func TestStepsMakeNothing(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, beams := range []int{1, 3} {
		m, in := open(t, d, "blip_caption", gpu.F16)
		w := m.Writer()
		w.Config.End, w.Config.MaxTokens, w.Config.Beams = nil, 12, beams
		var before []gpu.Stats
		w.Before(func(int) { before = append(before, d.Stats()) })
		_, err := w.Write(t.Context(), request(m, in, 1))
		require.NoError(t, err)
		require.Len(t, before, 12)
		rows := len(in[nn.PixelValues].Data) / (3 * 20 * 20)
		values := map[int]int{1: 8 * rows, 3: 8 * 6 * rows}[beams] // in rows of eight
		for i := 2; i < len(before); i++ {
			assert.Equal(t, before[1].Created, before[i].Created)
			assert.Equal(t, before[i-1].Readbacks+1, before[i].Readbacks)
			assert.LessOrEqual(t, before[i].ReadBytes-before[i-1].ReadBytes, int64(4*(values+16*8)), "beams %d", beams)
		}

		made := d.Stats().Created
		_, err = w.Write(t.Context(), request(m, in, 1))
		require.NoError(t, err)
		assert.Equal(t, made, d.Stats().Created, "another text of the size makes nothing either")
	}
}

// A decoder's operations are right at several lengths, of beams and drawn too.
func TestVerify(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
		for _, way := range []string{`{}`, `{"num_beams": 3, "repetition_penalty": 1.3}`, `{"do_sample": true, "top_k": 7, "no_repeat_ngram_size": 2}`} {
			m, in := open(t, d, "blip_caption", precision)
			c, err := generate.ParseConfig([]byte(way))
			require.NoError(t, err)
			w := generate.New(m.Writer().Module, m.Writer().Decoder, c)
			checks, err := w.Verify(t.Context(), request(m, in, 3), []int{4, 7, 17}, false)
			require.NoError(t, err)
			w.Close()
			appends := 0
			for _, c := range checks {
				assert.NoError(t, c.Err, "%s %s", way, c.Label)
				if c.Op == "append" {
					appends++
				}
			}
			assert.Equal(t, 4*2, appends, "four programs of two layers")
		}
	}
}

// So it is of texts that show images, whose tokens are read with what they begin with, and
// of texts that go on from those that were written.
func TestCachedEqualsWholeOfImages(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, name := range []string{"smolvlm_2", "smolvlm_idefics3", "smolvlm_defaults"} {
		c, err := golden.Find(name)
		require.NoError(t, err)
		g, err := golden.Load(c)
		require.NoError(t, err)
		m, in := open(t, d, name, gpu.F32)
		w := m.Writer()
		w.Config.End, w.Config.MaxTokens = nil, 6
		ids := verify.Inputs(g)[w.Decoder.IDs]
		q := generate.Request{In: in, Room: ids.Shape[1] + 16}
		q.Begin, err = nn.TokenIDs(ids, w.Decoder.Vocab)
		require.NoError(t, err)
		var steps [][]float32
		w.Watch(func(logits []float32) { steps = append(steps, logits) })
		texts, err := w.Write(t.Context(), q)
		require.NoError(t, err)

		q.Continue = true
		more := models.Array{Shape: []int{len(texts), ids.Shape[1] + 14}}
		for i, text := range texts {
			q.Begin[i] = append(text.IDs, 7, 9, 8) // three, read at once
		}
		read := 0
		w.Before(func(length int) { read++; assert.Greater(t, length, len(texts[0].IDs)) })
		texts, err = w.Write(t.Context(), q)
		require.NoError(t, err)
		assert.Equal(t, 6, read, "what was read is not read again")
		for _, text := range texts {
			for _, id := range text.IDs[:more.Shape[1]] {
				more.Data = append(more.Data, float32(id))
			}
		}
		whole := map[string]models.Array{w.Decoder.IDs: more}
		for k, v := range in {
			whole[k] = v
		}
		out, err := m.Forward(t.Context(), whole, "logits")
		require.NoError(t, err)
		vocab, begun := w.Decoder.Vocab, ids.Shape[1]
		require.Len(t, steps, 12)
		for i := range texts {
			for s, logits := range steps {
				at := begun - 1 + s
				if s >= 6 {
					at += 3 // the tokens between
				}
				want := out["logits"].Data[(i*more.Shape[1]+at)*vocab:][:vocab]
				assert.LessOrEqual(t, nmse(logits[i*vocab:][:vocab], want), 1e-12, "%s text %d step %d", name, i, s)
			}
		}
	}
}

// A config that is changed between two texts counts from the next on, also where programs
// of the last are there.
func TestSetConfig(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	m, in := open(t, d, "blip_caption", gpu.F32)
	w := m.Writer()
	w.Config.End = nil
	write := func(change func(c *generate.Config)) []uint32 {
		c := w.Config
		change(&c)
		w.SetConfig(c)
		texts, err := w.Write(t.Context(), request(m, in, 1))
		require.NoError(t, err)
		return texts[0].IDs
	}
	greedy := write(func(c *generate.Config) { c.MaxTokens = 9 })
	assert.Len(t, greedy, 10)
	assert.Equal(t, greedy[:6], write(func(c *generate.Config) { c.MaxTokens = 5 }))
	drawn := write(func(c *generate.Config) { c.MaxTokens, c.Sample, c.Temperature = 9, true, 5 })
	assert.NotEqual(t, greedy, drawn)
	assert.Equal(t, greedy, write(func(c *generate.Config) { c.Sample = false }))
	assert.NotContains(t, write(func(c *generate.Config) { c.Suppress = greedy[1:2] })[1:], greedy[1])
}
