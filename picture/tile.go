package picture

// Tile puts pictures of one size beside each other, so many in a row, with a white
// gap in pixels between them.
func Tile(images []*Image, columns, gap int) *Image {
	w, h := images[0].W, images[0].H
	rows := (len(images) + columns - 1) / columns
	out := New(columns*(w+gap)-gap, rows*(h+gap)-gap)
	for i := range out.Pix {
		out.Pix[i] = 255
	}
	for i, img := range images {
		x, y := i%columns*(w+gap), i/columns*(h+gap)
		for row := range h {
			copy(out.Pix[3*((y+row)*out.W+x):], img.Pix[3*row*w:3*(row+1)*w])
		}
	}
	return out
}
