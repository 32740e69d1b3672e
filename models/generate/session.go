package generate

import (
	"context"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// sizes are what programs depend on.
type sizes struct {
	items, beams, room int
	feed               string // shapes of the decoder's inputs
	ranges, times      int    // of the rule
}

// rows are the texts that are written at once.
func (z sizes) rows() int { return z.items * z.beams }

// session is the programs and states of texts of one size.
type session struct {
	*Generator
	sizes
	least, greatest int
	begun           int // tokens that the texts begin with
	first           int // length of a text before its first token of its own

	memory  []*gpu.Tensor // states of what the texts are about
	caches  []*gpu.Tensor // states of keys and values, a layer each
	reader  *program      // fills memory
	writers map[writing]*program
	shown   []uint32 // of the tokens that each item's text begins with, or nil

	kept [][]uint32 // the texts of rows whose tokens are in the caches
	read nn.Feed    // what the texts are about
}

// writing is what tells writers apart: how many tokens they take, and whether some show
// memory.
type writing struct {
	n     int
	shown bool
}

// program is a recording, which becomes a program when it is first run.
type program struct {
	*gpu.Program
	r *gpu.Recorder
}

// newSession records what is read of the inputs and finds the states that it fills. It
// takes no memory of the device.
func newSession(g *Generator, z sizes, about *nn.Network, feed nn.Feed) (*session, error) {
	if _, err := g.Module.Layers(); err != nil {
		return nil, err
	}
	s := &session{Generator: g, sizes: z, writers: map[writing]*program{}}
	dev, precision := g.Module.Device(), g.Module.Precision
	r := dev.Record(precision)
	r.Want(gpu.Wants{Only: true})
	for i, x := range g.Decoder.Remember(r, feed.Declare(r)) {
		if r.Err() != nil {
			break
		}
		state, err := dev.ReserveState(fmt.Sprintf("memory.%d", i), x.Type, x.Groups, x.Shape...)
		if err != nil {
			return nil, err
		}
		s.memory = append(s.memory, state)
		ops.Keep(r, state, x)
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%s: inputs %s: %w", g.Module.Name, z.feed, err)
	}
	s.reader = &program{r: r}
	c := g.Decoder.Caches
	for i := range c.Layers {
		state, err := dev.ReserveState(fmt.Sprintf("cache.%d", i), precision, 2*c.Heads, z.rows(), z.room, 2*c.Width)
		if err != nil {
			return nil, err
		}
		s.caches = append(s.caches, state)
	}
	return s, nil
}

// allocate takes the memory of the states.
func (s *session) allocate() error {
	for _, t := range append(append([]*gpu.Tensor{}, s.memory...), s.caches...) {
		if t.Uploaded() {
			continue
		}
		if err := t.Allocate(); err != nil {
			return fmt.Errorf("%s: %d texts of %d tokens: %w", s.Module.Name, s.rows(), s.room, err)
		}
	}
	return nil
}

func (s *session) close() {
	for _, p := range s.writers {
		p.close()
	}
	s.reader.close()
	for _, t := range append(s.memory, s.caches...) {
		t.Release()
	}
}

func (p *program) close() {
	if p.Program != nil {
		p.Program.Close()
	}
}

// ready makes a program of a recording.
func (s *session) ready(p *program) error {
	if p.Program != nil {
		return nil
	}
	if err := s.allocate(); err != nil {
		return err
	}
	var err error
	if p.Program, err = s.Module.Program(p.r); err != nil {
		return fmt.Errorf("%s: %w", s.Module.Name, err)
	}
	return nil
}

// begin reads what the texts are about.
func (s *session) begin(ctx context.Context, in map[string]nn.Array) error {
	feed, err := s.Decoder.About().Prepare(in)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Module.Name, err)
	}
	if s.kept, s.read = nil, feed; len(s.memory) == 0 {
		return nil
	}
	if err := s.ready(s.reader); err != nil {
		return err
	}
	_, err = s.reader.Run(ctx, feed.Values())
	return err
}

// The inputs of a writer.
const (
	inIDs       = "ids"
	inPositions = "positions"
	inShown     = "shown"
	inAt        = "at"
	inLengths   = "lengths"
	inDraws     = "draws"
	inRepeated  = "repeated"
	inBanned    = "banned"
	inRanges    = "ranges"
	inParents   = "parents"
	inScores    = "scores"
)

// chosen is the output of a writer: of rows [R, 2], an id and its log-probability; of
// beams [N, K, 3], a score, an id and a parent.
const chosen = "chosen"

// writing is that of n tokens behind at others.
func (s *session) writing(at, n int) writing {
	return writing{n, at == 0 && s.Decoder.Shown != nil && len(s.memory) > 0}
}

// writer records n tokens behind those in the caches and the choice of the next: one
// program for every length, and one for the prompt.
func (s *session) writer(w writing) (*program, error) {
	if p := s.writers[w]; p != nil {
		return p, nil
	}
	d, rows, n := s.Decoder, s.rows(), w.n
	r := s.Module.Device().Record(s.Module.Precision)
	step := nn.Step{
		IDs: r.Input(inIDs, gpu.U32, rows, n), Positions: r.Input(inPositions, gpu.U32, rows, n), Memory: s.memory,
		Cache: &ops.Cache{States: s.caches, At: r.Input(inAt, gpu.U32, 1), Lengths: r.Input(inLengths, gpu.U32, rows)},
	}
	if w.shown {
		step.Shown = r.Input(inShown, gpu.U32, rows, n)
	}
	if s.beams > 1 {
		parents := r.Input(inParents, gpu.U32, rows)
		for _, state := range s.caches {
			ops.Reorder(r, state, parents, step.Cache.At, s.beams)
		}
	}
	r.Want(gpu.Wants{Only: true, Names: append([]string{chosen}, s.watched...)})
	x := ops.Mean(r, d.States(r, step), n-1, n) // [R D]
	logits := d.Logits(r, x)
	r.Tap("logits", logits)
	r.Output(chosen, s.choice(r, logits))
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Module.Name, err)
	}
	p := &program{r: r}
	s.writers[w] = p
	return p, nil
}

// choice records how the next tokens come of logits [R, V].
func (s *session) choice(r *gpu.Recorder, logits *gpu.Tensor) *gpu.Tensor {
	c, rows := s.Config, s.rows()
	if s.beams > 1 {
		logits = ops.LogSoftmax(r, logits)
	}
	var p ops.Penalties
	if c.repeats() {
		p.Repetition, p.Repeated = c.Repetition, r.Input(inRepeated, gpu.U32, rows, s.room)
	}
	if n := c.bans(s.room); n > 0 {
		p.Banned = r.Input(inBanned, gpu.U32, rows, n)
	}
	if c.Rule != nil {
		p.Ranges = r.Input(inRanges, gpu.U32, rows, c.Rule.Most, 2)
	}
	if p != (ops.Penalties{}) {
		logits = ops.Penalize(r, logits, p)
	}
	if c.Rule != nil && c.Rule.Times > 0 {
		logits = ops.Timestamps(r, logits, c.Rule.Times)
	}
	switch {
	case s.beams > 1:
		return ops.Beams(r, logits, r.Input(inScores, gpu.F32, rows), s.beams, s.candidates())
	case c.Sample:
		return ops.Sample(r, logits, r.Input(inDraws, gpu.F32, rows), c.sampling())
	}
	return ops.Greedy(r, logits)
}

// sampling is what tokens are drawn from.
func (c Config) sampling() ops.Sampling {
	topK := DefaultTopK
	if c.TopK != nil {
		topK = *c.TopK
	}
	s := ops.Sampling{Temperature: c.Temperature, TopK: topK, MinP: c.MinP}
	if c.TopP < 1 {
		s.TopP = c.TopP
	}
	return s
}

// run writes n tokens of each row behind at others and gives what was chosen.
func (s *session) run(ctx context.Context, texts [][]uint32, at int, more map[string]any) ([]float32, error) {
	n := len(texts[0]) - at
	p, err := s.writer(s.writing(at, n))
	if err == nil {
		err = s.ready(p)
	}
	if err != nil {
		return nil, err
	}
	in := s.inputs(texts, at)
	for name, v := range more {
		in[name] = v
	}
	if s.before != nil {
		if err := s.before(p.Program, in, at+n); err != nil {
			return nil, err
		}
	}
	out, err := p.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	if at > 0 && n > 1 { // of a length that hardly comes again
		defer s.drop(s.writing(at, n))
	}
	if s.after != nil {
		s.after(out)
	}
	if gpu.Finite(out[chosen]) && !s.impossible(out[chosen]) {
		return out[chosen], nil
	}
	return nil, s.nonFinite(ctx, p, in, at+n)
}

// nonFinite says why the token behind so many is none: NaN or Inf in an input, made of
// what was read, or by the writer p, whose inputs are in; or that none may be chosen.
func (s *session) nonFinite(ctx context.Context, p *program, in map[string]any, length int) (err error) {
	e := &nn.NonFiniteError{What: fmt.Sprintf("token %d: its log-probability is NaN or Inf", length), Input: s.read.NonFinite(), F16: s.Module.Precision == gpu.F16}
	if e.Input == "" && len(s.memory) > 0 {
		e.Op, err = s.reader.FindNonFinite(ctx, s.read.Values())
	}
	if e.Input == "" && e.Op == "" && err == nil {
		e.Op, err = p.FindNonFinite(ctx, in)
	}
	switch {
	case err != nil:
		return err
	case e.Input == "" && e.Op == "":
		return fmt.Errorf("token %d: every one is suppressed; relax the generation config", length)
	}
	return e
}

// impossible says that there is an item of which no token may be chosen, or none that is
// a number.
func (s *session) impossible(got []float32) bool {
	stride, value := 2, 1
	if s.beams > 1 {
		stride, value = 3*s.candidates(), 0
	}
	for i := value; i < len(got); i += stride {
		if got[i] < ops.LeastPossible {
			return true
		}
	}
	return false
}

// inputs are those of a writer for the tokens of texts behind at.
func (s *session) inputs(texts [][]uint32, at int) map[string]any {
	rows, n := s.rows(), len(texts[0])-at
	var ids []uint32
	lengths := make([]uint32, rows)
	for i, text := range texts {
		ids = append(ids, text[at:]...)
		lengths[i] = uint32(at + n)
	}
	in := map[string]any{inIDs: ids, inPositions: s.Decoder.Place(texts, at), inAt: []uint32{uint32(at)}, inLengths: lengths}
	if s.writing(at, n).shown {
		in[inShown] = s.shownOf(rows, n)
	}
	if s.Config.repeats() {
		in[inRepeated] = s.lists(texts, s.room, occurred)
	}
	if n := s.Config.bans(s.room); n > 0 {
		in[inBanned] = s.lists(texts, n, s.banned)
	}
	if s.Config.Rule != nil {
		in[inRanges] = s.ranges(texts)
	}
	return in
}

// shownOf are what the tokens show that rows of n begin with, those of an item's beams
// the same.
func (s *session) shownOf(rows, n int) []uint32 {
	all := make([]uint32, 0, rows*n)
	for i := range rows {
		item := i / s.beams
		all = append(all, s.shown[item*n:(item+1)*n]...)
	}
	return all
}

// drop closes a writer.
func (s *session) drop(w writing) {
	s.writers[w].close()
	delete(s.writers, w)
}

// lists are a list of each text, filled up to n.
func (s *session) lists(texts [][]uint32, n int, of func(text []uint32) []uint32) []uint32 {
	all := make([]uint32, 0, len(texts)*n)
	for _, text := range texts {
		list := of(text)
		all = append(all, list...)
		for range n - len(list) {
			all = append(all, ops.NoRow)
		}
	}
	return all
}

// plan is the memory of texts that begin with so many tokens, of which so many others are
// read later.
func (s *session) plan(begun int, later []int) (Plan, error) {
	p := Plan{Tokens: s.greatest}
	for _, t := range s.caches {
		p.Caches += t.Bytes()
	}
	for _, t := range s.memory {
		p.Memory += t.Bytes()
	}
	kept := []writing{s.writing(0, begun), s.writing(1, 1)}
	programs := []*program{s.reader}
	for _, w := range slices.Compact(kept) {
		r, err := s.writer(w)
		if err != nil {
			return Plan{}, err
		}
		programs = append(programs, r)
	}
	for _, w := range programs {
		n, err := w.planned()
		if err != nil {
			return Plan{}, err
		}
		p.Programs += n
	}
	var most int64
	for _, n := range later {
		if n == 1 {
			continue
		}
		w, err := s.writer(s.writing(1, n))
		if err != nil {
			return Plan{}, err
		}
		bytes, err := w.planned()
		if err != nil {
			return Plan{}, err
		}
		most = max(most, bytes)
		s.drop(s.writing(1, n))
	}
	p.Programs += most
	return p, nil
}

// planned is the memory that a program will take.
func (p *program) planned() (int64, error) {
	m, err := p.r.Plan()
	return m.Arena + m.IO, err
}
