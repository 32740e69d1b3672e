package ops

import (
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// choice records the operations that choose a token.
func (g *goldenCase) choice() {
	switch g.Op {
	case "logsoftmax":
		g.r.Output("y", LogSoftmax(g.r, g.activation("x", 1)))
	case "penalize":
		var p struct{ Penalty float64 }
		require.NoError(g.t, g.Params(&p))
		g.r.Output("y", Penalize(g.r, g.activation("x", 1), g.penalties(p.Penalty)))
		g.split = func(out map[string][]float32) {
			banned := make([]float32, len(out["y"]))
			for i, v := range out["y"] {
				if v <= LeastPossible {
					out["y"][i], banned[i] = 0, 1
				}
			}
			out["out"] = banned
		}
	case "choose":
		g.choose()
	case "beams":
		var p struct {
			Beams, Best int
			Penalty     float64
		}
		require.NoError(g.t, g.Params(&p))
		x := Penalize(g.r, LogSoftmax(g.r, g.activation("x", 1)), g.penalties(p.Penalty))
		g.r.Output("beams", Beams(g.r, x, g.input("scores"), p.Beams, p.Best))
		g.split = columns("beams", "sums", "ids", "parents")
	case "reorder":
		g.reorder()
	}
}

func (g *goldenCase) penalties(repetition float64) Penalties {
	return Penalties{Repetition: repetition, Repeated: g.words("repeated"), Banned: g.words("banned")}
}

func (g *goldenCase) choose() {
	var p struct {
		Temperature float64
		TopK        int     `json:"top_k"`
		TopP        float64 `json:"top_p"`
		MinP        float64 `json:"min_p"`
	}
	require.NoError(g.t, g.Params(&p))
	x, s := g.activation("x", 1), Sampling{Temperature: p.Temperature, TopK: p.TopK, TopP: p.TopP, MinP: p.MinP}
	g.r.Output("probabilities", Probabilities(g.r, x, s))
	if _, drawn := g.Inputs["u"]; drawn {
		g.r.Output("choice", Sample(g.r, x, g.input("u"), s))
	} else {
		g.r.Output("choice", Greedy(g.r, x))
	}
	g.split = columns("choice", "ids", "log_p")
}

func (g *goldenCase) reorder() {
	var p struct{ Beams, Filled int }
	require.NoError(g.t, g.Params(&p))
	before := g.activation("state", 1)
	state, err := g.b.State("cache", before.Type, 1, before.Shape...)
	require.NoError(g.t, err)
	Keep(g.r, state, before)
	g.in["filled"] = []uint32{uint32(p.Filled)}
	Reorder(g.r, state, g.words("parents"), g.r.Input("filled", gpu.U32, 1), p.Beams)
	g.r.Output("y", state)
}

// columns makes outputs of the columns of one.
func columns(output string, names ...string) func(out map[string][]float32) {
	return func(out map[string][]float32) {
		for i, v := range out[output] {
			name := names[i%len(names)]
			out[name] = append(out[name], v)
		}
		delete(out, output)
	}
}
