package diffusion

import "slices"

// row is what a text tower sees at once: tokens between those that begin and end a
// text, padded to its length.
type row struct {
	ids     []uint32
	used    int       // of ids, without the padding
	weights []float64 // of each token, nil: 1
}

// rows are those of a prompt: one, cut at the tower's length, or in the syntax of
// AUTOMATIC1111 as many as it takes.
func (e *encoder) rows(prompt string, s Syntax) ([]row, error) {
	if s == A1111 {
		return e.chunks(prompt)
	}
	ids, _ := e.tokens.Encode(e.tokens.Expand(prompt), e.length)
	return []row{e.pad(row{ids: ids})}, nil
}

// pad fills a row up.
func (e *encoder) pad(r row) row {
	r.used = len(r.ids)
	r.ids = append(r.ids, slices.Repeat([]uint32{e.tokens.Pad()}, e.length-len(r.ids))...)
	if r.weights != nil {
		r.weights = append(r.weights, slices.Repeat([]float64{1}, e.length-len(r.weights))...)
	}
	return r
}

// batch is the rows of prompts, each padded by those of an empty prompt to so many.
func (e *encoder) batch(prompts []string, s Syntax, chunks int) ([]row, error) {
	empty, err := e.rows("", s)
	if err != nil {
		return nil, err
	}
	var all []row
	for _, prompt := range prompts {
		rows, err := e.rows(prompt, s)
		if err != nil {
			return nil, err
		}
		all = append(append(all, rows...), slices.Repeat(empty, chunks-len(rows))...)
	}
	return all, nil
}

// everything is more tokens than prompts have.
const everything = 1 << 20

// plainIDs are the tokens of a text without those that begin and end it.
func (e *encoder) plainIDs(text string) []uint32 {
	ids, _ := e.tokens.Encode(e.tokens.Expand(text), everything)
	return ids[1 : len(ids)-1]
}

// commaReach is how many tokens before the end of a chunk a comma may stand for what
// follows it to go into the next chunk: AUTOMATIC1111's comma_padding_backtrack.
const commaReach = 20

// chunks reads a prompt as AUTOMATIC1111 does: the pieces of one weight are encoded
// each on its own, and their tokens go into chunks of as many as the tower sees. BREAK
// begins a chunk; a chunk that is full is cut at its last comma if that is near.
func (e *encoder) chunks(prompt string) ([]row, error) {
	pieces, err := ParseWeights(prompt)
	if err != nil {
		return nil, err
	}
	comma := e.plainIDs(",")
	c := chunker{room: e.length - 2, comma: -1}
	for _, piece := range pieces {
		if piece.ends() {
			c.end(len(c.ids))
			continue
		}
		for _, id := range e.plainIDs(piece.Text) {
			isComma := len(comma) == 1 && id == comma[0]
			c.add(id, piece.Weight, isComma, e.groups[id])
		}
	}
	if len(c.ids) > 0 || len(c.done) == 0 {
		c.end(len(c.ids))
	}
	ends, _ := e.tokens.Encode("", e.length)
	for i, r := range c.done {
		c.done[i] = e.pad(row{ids: slices.Concat(ends[:1], r.ids, ends[1:]), weights: slices.Concat([]float64{1}, r.weights)})
	}
	return c.done, nil
}

// chunker puts tokens into chunks.
type chunker struct {
	room  int
	done  []row
	row       // the chunk that is being filled
	comma int // the last one in it, -1: none
}

// add adds a token, with which a textual inversion of a number of tokens may begin.
func (c *chunker) add(id uint32, weight float64, comma bool, group int) {
	switch n := len(c.ids); {
	case comma:
		c.comma = n
	case n == c.room && c.comma >= 0 && n-c.comma <= commaReach:
		c.end(c.comma + 1)
	}
	if len(c.ids) == c.room || len(c.ids) > 0 && len(c.ids)+group > c.room {
		c.end(len(c.ids))
	}
	c.ids, c.weights = append(c.ids, id), append(c.weights, weight)
}

// end ends the chunk behind n tokens; the others begin the next.
func (c *chunker) end(n int) {
	rest := row{ids: slices.Clone(c.ids[n:]), weights: slices.Clone(c.weights[n:])}
	c.done = append(c.done, row{ids: c.ids[:n], weights: c.weights[:n]})
	c.row, c.comma = rest, -1
}

// emphasize multiplies the states of a row [T D] by the weights of its tokens, and all
// of them so that their mean is as before: AUTOMATIC1111's emphasis "Original".
func (r row) emphasize(states []float32) {
	if !slices.ContainsFunc(r.weights, func(w float64) bool { return w != 1 }) {
		return
	}
	var before, after float64
	width := len(states) / len(r.weights)
	for i, v := range states {
		before += float64(v)
		states[i] = v * float32(r.weights[i/width])
		after += float64(states[i])
	}
	for i := range states {
		states[i] *= float32(before / after)
	}
}

// truncated is the end of a plain prompt that the tower does not see.
func (e *encoder) truncated(prompt string) string {
	prompt = e.tokens.Expand(prompt)
	row, cut := e.tokens.Encode(prompt, e.length)
	if !cut {
		return ""
	}
	rest, _ := e.tokens.Encode(prompt, everything)
	return e.tokens.Decode(rest[len(row)-1:])
}

// words are the words of a prompt that the tower sees, each with its tokens: those
// from the token that ends the one before to the token that ends it.
func (e *encoder) words(rows []row) []Word {
	const end = "</w>" // of a token that ends a word
	var words []Word
	for n, r := range rows {
		first := 1 // behind the token that begins a text
		for i := 1; i < r.used-1; i++ {
			if token := e.tokens.Token(r.ids[i]); len(token) >= len(end) && token[len(token)-len(end):] == end || i == r.used-2 {
				words = append(words, Word{Text: e.tokens.Decode(r.ids[first : i+1]), First: n*e.length + first, End: n*e.length + i + 1})
				first = i + 1
			}
		}
	}
	return words
}
