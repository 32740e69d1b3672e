package models

import (
	"fmt"
	"slices"

	"saccade/models/alexnet"
	"saccade/models/anomaly"
	"saccade/models/bert"
	"saccade/models/blip"
	"saccade/models/clip"
	"saccade/models/controlnet"
	"saccade/models/convnext"
	"saccade/models/cutout"
	"saccade/models/depth"
	"saccade/models/detect"
	"saccade/models/diffusion"
	"saccade/models/efficientnet"
	"saccade/models/gan"
	"saccade/models/mobilenet"
	"saccade/models/nn"
	"saccade/models/owl"
	"saccade/models/ppocr"
	"saccade/models/resnet"
	"saccade/models/sam"
	"saccade/models/segment"
	"saccade/models/smolvlm"
	"saccade/models/sounds"
	"saccade/models/squeezenet"
	"saccade/models/swin"
	"saccade/models/trocr"
	"saccade/models/unet"
	"saccade/models/upscale"
	"saccade/models/vae"
	"saccade/models/vgg"
	"saccade/models/vit"
	"saccade/models/whisper"
)

// families in the order in which they are listed.
var families = []nn.Family{
	vit.Family, resnet.Family, vgg.Family, alexnet.Family, squeezenet.Family, efficientnet.Family, mobilenet.V2, mobilenet.V3, convnext.V1, convnext.V2, swin.V1, swin.V2, vit.DINO, vit.DINOv2, clip.Family, clip.SigLIP, clip.TextEncoder, bert.Family, ppocr.Family, ppocr.DetectorFamily, ppocr.RecogniserFamily, blip.Family, smolvlm.Family, trocr.Family, whisper.Family, sounds.Family,
	sam.Family, detect.Family, owl.Family, depth.Family, segment.Family, cutout.Family, upscale.Family, anomaly.Family,
	diffusion.Family, diffusion.Unconditional, diffusion.Video, gan.Family, unet.Family, controlnet.Family, vae.Family,
}

// Families lists what can be loaded.
func Families() []nn.Family { return slices.Clone(families) }

// Names are all names of models, families first. One that is the name of both
// is there once.
func Names() []string {
	var names, architectures []string
	for _, f := range families {
		names = append(names, f.Name)
		for _, a := range f.Architectures {
			if a != f.Name {
				architectures = append(architectures, a)
			}
		}
	}
	return append(names, architectures...)
}

// FindFamily is the family that a name is of, its own or an architecture's.
func FindFamily(name string) (nn.Family, error) {
	for _, f := range families {
		if f.Name == name || slices.Contains(f.Architectures, name) {
			return f, nil
		}
	}
	return nn.Family{}, &UnknownModelError{Name: name, Nearest: Nearest(name, Names())}
}

// UnknownModelError is a name that no model has.
type UnknownModelError struct{ Name, Nearest string }

func (e *UnknownModelError) Error() string {
	return fmt.Sprintf("model %q is unknown; the nearest is %q (-list-models lists all)", e.Name, e.Nearest)
}

// Nearest is the one of names with the least edit distance from name, for
// messages about unknown names.
func Nearest(name string, names []string) string {
	best, least := "", 1<<30
	for _, n := range names {
		if d := editDistance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
