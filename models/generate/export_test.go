package generate

import "saccade/gpu"

// Watch has f called with the logits of every step.
func (g *Generator) Watch(f func(logits []float32)) {
	g.Close()
	g.watched, g.after = []string{"logits"}, func(out map[string][]float32) { f(out["logits"]) }
}

// Before has f called before a program runs with the length of the texts then.
func (g *Generator) Before(f func(length int)) {
	g.before = func(_ *gpu.Program, _ map[string]any, length int) error { f(length); return nil }
}
