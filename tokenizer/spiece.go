package tokenizer

import (
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// spiece is a sentencepiece model of type Unigram, as sentencepiece_model.proto
// describes its file.
type spiece struct {
	parts   []spiecePart
	vocab   *vocabulary
	model   *unigram
	chars   *charsmap
	unigram bool // the model's type
	// What the normalizer does; all three are so where the file does not say.
	dummyPrefix, removeSpaces, escapeSpaces bool
}

// The types of pieces.
const (
	normalPiece  = 1
	unknownPiece = 2
	controlPiece = 3
)

// spiecePart is a message of the file while it is read.
type spiecePart struct {
	text  string
	score float32
	kind  uint64
}

// parseSpiece reads spiece.model.
func parseSpiece(data []byte) (*spiece, error) {
	s := &spiece{chars: &charsmap{}, unigram: true, dummyPrefix: true, removeSpaces: true, escapeSpaces: true}
	err := fields(data, func(number protowire.Number, v value) (err error) {
		switch number {
		case 1:
			p := spiecePart{kind: normalPiece}
			if err = p.read(v.bytes); err == nil {
				s.parts = append(s.parts, p)
			}
		case 2:
			err = s.trainer(v.bytes)
		case 3:
			err = s.normalizer(v.bytes)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !s.unigram {
		return nil, fmt.Errorf("the model is not of type Unigram, others are not supported")
	}
	if !s.escapeSpaces {
		return nil, fmt.Errorf("escape_whitespaces is off, which is not supported")
	}
	return s, s.build(s.parts)
}

func (p *spiecePart) read(data []byte) error {
	return fields(data, func(number protowire.Number, v value) error {
		switch number {
		case 1:
			p.text = string(v.bytes)
		case 2:
			p.score = math.Float32frombits(v.fixed32)
		case 3:
			p.kind = v.varint
		}
		return nil
	})
}

// trainer takes from the trainer's settings what changes the encoding.
func (s *spiece) trainer(data []byte) error {
	return fields(data, func(number protowire.Number, v value) error {
		switch {
		case number == 3:
			s.unigram = v.varint == 1
		case number == 24 && v.varint != 0:
			return fmt.Errorf("treat_whitespace_as_suffix is on, which is not supported")
		case number == 35 && v.varint != 0:
			return fmt.Errorf("byte_fallback is on, which is not supported")
		}
		return nil
	})
}

func (s *spiece) normalizer(data []byte) error {
	return fields(data, func(number protowire.Number, v value) (err error) {
		switch number {
		case 2:
			s.chars, err = newCharsmap(v.bytes)
		case 3:
			s.dummyPrefix = v.varint != 0
		case 4:
			s.removeSpaces = v.varint != 0
		case 5:
			s.escapeSpaces = v.varint != 0
		}
		return err
	})
}

// build numbers the pieces. Only normal ones are found in a text.
func (s *spiece) build(parts []spiecePart) (err error) {
	ids := make(map[string]uint32, len(parts))
	var pieces []piece
	unknown := -1
	for i, p := range parts {
		switch p.kind {
		case normalPiece:
			pieces = append(pieces, piece{p.text, uint32(i), float64(p.score)})
		case unknownPiece:
			unknown = i
		case controlPiece:
		default:
			return fmt.Errorf("piece %d, %q, is of type %d; normal, unknown and control ones are supported (1 to 3)", i, p.text, p.kind)
		}
		if _, ok := ids[p.text]; ok || p.text == "" {
			return fmt.Errorf("piece %d, %q, is empty or there twice", i, p.text)
		}
		ids[p.text] = uint32(i)
	}
	if unknown < 0 || len(pieces) == 0 {
		return fmt.Errorf("of %d pieces none is of type unknown or none is normal; expected both", len(parts))
	}
	s.vocab, err = newVocabulary(ids)
	s.model = newUnigram(pieces, uint32(unknown), true)
	return err
}

// encode normalizes a text and gives its ids.
func (s *spiece) encode(text string) []uint32 {
	return s.model.encode(nil, s.normalize(text))
}

// normalize maps characters, drops spaces at the ends and after another, puts one
// before the text and writes spaces as U+2581.
func (s *spiece) normalize(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/4 + len(space))
	after := s.removeSpaces // a space, or nothing yet
	begun := false
	for len(text) > 0 {
		to, length := s.chars.next(text)
		text = text[length:]
		if !begun && s.removeSpaces && to == " " {
			continue
		}
		if !begun && s.dummyPrefix {
			b.WriteString(space)
		}
		begun = true
		if after {
			to = strings.TrimLeft(to, " ")
		}
		if to != "" {
			b.WriteString(strings.ReplaceAll(to, " ", space))
			after = s.removeSpaces && strings.HasSuffix(to, " ")
		}
	}
	out := b.String()
	for s.removeSpaces && strings.HasSuffix(out, space) {
		out = strings.TrimSuffix(out, space)
	}
	return out
}

// value is a field's, of whichever type it has.
type value struct {
	varint  uint64
	fixed32 uint32
	bytes   []byte
}

// fields walks a protobuf message. The types of known fields are checked by what
// their value then is: a wrong one reads as zero or empty.
func fields(data []byte, see func(protowire.Number, value) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("not a sentencepiece model: %w", protowire.ParseError(n))
		}
		data = data[n:]
		var v value
		switch kind {
		case protowire.VarintType:
			v.varint, n = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			v.fixed32, n = protowire.ConsumeFixed32(data)
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return fmt.Errorf("not a sentencepiece model: field %d: %w", number, protowire.ParseError(n))
		}
		if err := see(number, v); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
