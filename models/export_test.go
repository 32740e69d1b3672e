package models

import "saccade/models/nn"

// AddStandardDecoder has a name stand for a decoder.
func AddStandardDecoder(name string, make nn.Make, begin, tokens int) {
	standardDecoders = append(standardDecoders, struct {
		name          string
		make          nn.Make
		begin, tokens int
	}{name, make, begin, tokens})
}
