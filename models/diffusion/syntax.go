package diffusion

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Syntax is how the texts of prompts are read.
type Syntax string

// The syntaxes.
const (
	// Plain takes a text as it stands, up to what the text towers see at once.
	Plain Syntax = "plain"
	// A1111 is that of AUTOMATIC1111's web UI: weights, BREAK, and texts of any
	// length: see [ParseWeights].
	A1111 Syntax = "a1111"
)

// Syntaxes lists them.
func Syntaxes() []Syntax { return []Syntax{Plain, A1111} }

// Weighted is a piece of a prompt and its weight. BREAK with the weight −1 ends a
// chunk of tokens.
type Weighted struct {
	Text   string
	Weight float64
}

// breakWord ends a chunk of tokens.
const breakWord = "BREAK"

func (w Weighted) ends() bool { return w.Text == breakWord && w.Weight == -1 }

// bracketWeight is what a pair of round brackets without a number weighs; square ones
// divide by it.
const bracketWeight = 1.1

// ParseWeights reads (a), [a], (a:1.5) and BREAK as AUTOMATIC1111 does
// (prompt_parser.parse_prompt_attention): a pair of round brackets multiplies the
// weight of what is in it by 1.1 or by its number, a pair of square ones divides it by
// 1.1. A backslash takes the meaning from a bracket. Brackets that are not closed reach
// to the end, others that have no partner are text. Neighbours of one weight are one
// piece.
func ParseWeights(prompt string) ([]Weighted, error) {
	p := weightParser{rest: prompt}
	for p.rest != "" {
		if err := p.next(); err != nil {
			return nil, err
		}
	}
	for _, at := range p.round {
		p.multiply(at, bracketWeight)
	}
	for _, at := range p.square {
		p.multiply(at, 1/bracketWeight)
	}
	return p.merged(), nil
}

// weightParser is a prompt that is read so far.
type weightParser struct {
	rest          string
	pieces        []Weighted
	round, square []int // the first pieces in brackets that are open
}

// weightNumber is what closes a round bracket and weighs it.
var weightNumber = regexp.MustCompile(`^:[\s\v]*([+-]?[.\d]+)[\s\v]*\)`)

// next reads a token.
func (p *weightParser) next() error {
	switch c := p.rest[0]; c {
	case '\\':
		n := 1
		if len(p.rest) > 1 && strings.IndexByte(`()[]\`, p.rest[1]) >= 0 {
			n = 2
		}
		p.add(p.take(n)[1:])
	case '(':
		p.take(1)
		p.round = append(p.round, len(p.pieces))
	case '[':
		p.take(1)
		p.square = append(p.square, len(p.pieces))
	case ')':
		p.close(&p.round, bracketWeight, p.take(1))
	case ']':
		p.close(&p.square, 1/bracketWeight, p.take(1))
	case ':':
		m := weightNumber.FindStringSubmatch(p.rest)
		if m == nil {
			p.add(p.take(1))
			return nil
		}
		if len(p.round) == 0 {
			p.text(p.take(len(m[0])))
			return nil
		}
		weight, err := strconv.ParseFloat(m[1], 64)
		if err != nil || math.IsInf(weight, 0) {
			return requestErrorf("the prompt's weight %q is no number; expected such as (red:1.5)", m[1])
		}
		p.close(&p.round, weight, p.take(len(m[0])))
	default:
		n := strings.IndexAny(p.rest, `\()[]:`)
		if n < 0 {
			n = len(p.rest)
		}
		p.text(p.take(n))
	}
	return nil
}

// take removes the first n bytes of what is left.
func (p *weightParser) take(n int) string {
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

func (p *weightParser) add(text string) { p.pieces = append(p.pieces, Weighted{text, 1}) }

// text adds a text, in which BREAK stands for itself.
func (p *weightParser) text(s string) {
	for {
		before, after, found := cutBreak(s)
		p.add(before)
		if !found {
			return
		}
		p.pieces = append(p.pieces, Weighted{breakWord, -1})
		s = after
	}
}

// close weighs what is in the innermost open bracket; without one, the token is text.
func (p *weightParser) close(open *[]int, weight float64, token string) {
	n := len(*open)
	if n == 0 {
		p.add(token)
		return
	}
	p.multiply((*open)[n-1], weight)
	*open = (*open)[:n-1]
}

func (p *weightParser) multiply(from int, weight float64) {
	for i := from; i < len(p.pieces); i++ {
		p.pieces[i].Weight *= weight
	}
}

// merged are the pieces, of which neighbours of one weight are one.
func (p *weightParser) merged() []Weighted {
	out := []Weighted{}
	for _, w := range p.pieces {
		if n := len(out); n > 0 && out[n-1].Weight == w.Weight {
			out[n-1].Text += w.Text
			continue
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		out = append(out, Weighted{"", 1})
	}
	return out
}

// cutBreak cuts a text around the first BREAK that is a word, without the white space
// around it.
func cutBreak(s string) (before, after string, found bool) {
	before, after, found = cutWord(s, breakWord)
	if found {
		before, after = strings.TrimRightFunc(before, unicode.IsSpace), strings.TrimLeftFunc(after, unicode.IsSpace)
	}
	return before, after, found
}

// cutWord is strings.Cut around a whole word.
func cutWord(s, word string) (before, after string, found bool) {
	inWord := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }
	for from := 0; ; {
		at := strings.Index(s[from:], word)
		if at < 0 {
			return s, "", false
		}
		from += at + len(word)
		left, _ := utf8.DecodeLastRuneInString(s[:from-len(word)])
		right, _ := utf8.DecodeRuneInString(s[from:])
		if !inWord(left) && !inWord(right) {
			return s[:from-len(word)], s[from:], true
		}
	}
}

// checkA1111 refuses what AUTOMATIC1111 reads besides weights: what changes from step
// to step, prompts joined by AND, which it looks for in what is to be drawn alone, and
// networks.
func checkA1111(prompt string, negative bool) error {
	if m := extraNetwork.FindString(prompt); m != "" {
		return requestErrorf("the prompt asks for the network %s, which is merged when the pipeline is opened, by the prompt of what to draw; leave it out here", short(m))
	}
	if _, _, found := cutWord(prompt, "AND"); found && !negative {
		return requestErrorf("the prompt has AND, which a1111 reads as several prompts at once, which pipelines here do not draw; write it small, or leave it out")
	}
	type bracket struct {
		at, colon int
		bar       bool
	}
	var open []bracket
	for i := 0; i < len(prompt); i++ {
		n := len(open)
		inSquare := n > 0 && prompt[open[n-1].at] == '['
		switch c := prompt[i]; {
		case c == '\\':
			i++
		case c == '(' || c == '[':
			open = append(open, bracket{at: i})
		case c == ':' && n > 0:
			open[n-1].colon = i
		case c == '|' && inSquare:
			open[n-1].bar = true
		case c == ')' && n > 0 && !inSquare:
			open = open[:n-1]
		case c == ']' && inSquare:
			b := open[n-1]
			open = open[:n-1]
			if b.bar || b.colon > 0 && isNumber(prompt[b.colon+1:i]) {
				return requestErrorf("the prompt has %s, which a1111 reads as words that change from step to step, which pipelines here do not draw; escape its brackets, or leave it out", short(prompt[b.at:i+1]))
			}
		}
	}
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return err == nil
}

// short is a text for a message, quoted, its middle left out where it is long.
func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most/2]) + "…" + string(r[len(r)-most/2:])
	}
	return strconv.Quote(s)
}

// Network is a LoRA that a prompt asks for: <lora:name:1>.
type Network struct {
	Name  string
	Scale float64
}

// extraNetwork is what asks for one.
var extraNetwork = regexp.MustCompile(`<([\pL\pN_]+):([^>]+)>`)

// Networks takes the networks from a prompt as AUTOMATIC1111 writes them, of which
// there are LoRAs here.
func Networks(prompt string) (rest string, found []Network, err error) {
	for _, m := range extraNetwork.FindAllStringSubmatch(prompt, -1) {
		n, err := parseNetwork(m[1], m[2])
		if err != nil {
			return "", nil, fmt.Errorf("the prompt's %s: %w", short(m[0]), err)
		}
		found = append(found, n)
	}
	return extraNetwork.ReplaceAllString(prompt, ""), found, nil
}

func parseNetwork(kind, text string) (Network, error) {
	if kind != "lora" && kind != "lyco" {
		return Network{}, requestErrorf("networks of the kind %s are not supported; expected <lora:name:1>, or leave it out", short(kind))
	}
	args := strings.Split(text, ":")
	n := Network{Name: args[0], Scale: 1}
	for i, arg := range args[1:] {
		scale, err := strconv.ParseFloat(strings.TrimSpace(arg), 64)
		if err != nil || math.IsInf(scale, 0) || math.IsNaN(scale) {
			return n, requestErrorf("%q is no weight; expected <lora:name:1>", arg)
		}
		if i > 0 && scale != n.Scale {
			return n, requestErrorf("it has one weight for the text towers and another for the UNet; expected one for both, <lora:name:1>")
		}
		n.Scale = scale
	}
	return n, nil
}

// LooksWeighted is a part of a plain text that [A1111] would read otherwise, "" where
// there is none that people write for it.
func LooksWeighted(prompt string) string {
	if m := extraNetwork.FindString(prompt); m != "" {
		return m
	}
	if _, _, found := cutWord(prompt, breakWord); found {
		return breakWord
	}
	return weighted.FindString(prompt)
}

// weighted is (red:1.5), or brackets in brackets.
var weighted = regexp.MustCompile(`\([^()]*:\s*[+-]?[.\d]+\s*\)|\(\([^()]+\)\)|\[\[[^][]+\]\]`)
