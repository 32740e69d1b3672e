package picture_test

import (
	"fmt"
	"log"

	"saccade/picture"
)

// A picture becomes the input of a network that wants torchvision's ImageNet
// transform.
func Example() {
	m, err := picture.Open("../golden/picture/src/wide.png", picture.DecodeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	p := picture.ImageNet(256, 224, picture.Bilinear)
	pixels, h, w, err := p.Apply(m)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d×%d pixels become %d values, 3×%d×%d\n", m.W, m.H, len(pixels), h, w)
	// Output: 219×146 pixels become 150528 values, 3×224×224
}

// A checkpoint's own config decides, and a user's wish goes over it.
func ExampleParsePreprocessor() {
	p, err := picture.ParsePreprocessor([]byte(`{"image_processor_type": "DeiTImageProcessor", "size": 256, "crop_size": 224}`), "deit")
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Override(picture.Override{Size: "384"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Resize.H, p.Crop.H, p.Resize.Filter)
	// Output: 438 384 bicubic
}
