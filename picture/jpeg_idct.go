package picture

// inverseDCT writes the samples of a block of coefficients. It is the integer transform of libjpeg's
// jidctint.c (after Loeffler, Ligtenberg & Moschytz 1989), which rounds otherwise
// than Go's: 13 bits of fraction and two more between the passes. Damaged files
// have coefficients that overflow; these wrap and saturate at 16 bits where
// libjpeg-turbo's vector code does.
func (c *jpegComponent) inverseDCT(x, y int, b *[64]int16) {
	out := c.plane[8*y*c.line+8*x:]
	if oneRow(b) {
		var means [8]int16
		var samples [8]uint8
		for u := range means {
			means[u] = b[u] * c.steps[u] << 2
		}
		rowDCT(&samples, &means)
		for row := range 8 {
			*(*[8]uint8)(out[row*c.line:]) = samples
		}
		return
	}
	var columns [64]int16
	for u := range 8 {
		columnDCT((*[57]int16)(columns[u:]), (*[57]int16)(b[u:]), (*[57]int16)(c.steps[u:]))
	}
	for row := range 8 {
		rowDCT((*[8]uint8)(out[row*c.line:]), (*[8]int16)(columns[8*row:]))
	}
}

// oneRow reports a block whose rows are all alike.
func oneRow(b *[64]int16) bool {
	return [56]int16(b[8:]) == [56]int16{}
}

// Constants of the transform, with 13 bits of fraction.
const (
	fix0298 = 2446  // 0.298631336
	fix0390 = 3196  // 0.390180644
	fix0541 = 4433  // 0.541196100
	fix0765 = 6270  // 0.765366865
	fix0899 = 7373  // 0.899976223
	fix1175 = 9633  // 1.175875602
	fix1501 = 12299 // 1.501321110
	fix1847 = 15137 // 1.847759065
	fix1961 = 16069 // 1.961570560
	fix2053 = 16819 // 2.053119869
	fix2562 = 20995 // 2.562915447
	fix3072 = 25172 // 3.072711026
)

// columnDCT transforms a column; its values stand at multiples of 8, the results
// have two bits of fraction.
func columnDCT(out, in, steps *[57]int16) {
	if in[8]|in[16]|in[24]|in[32]|in[40]|in[48]|in[56] == 0 {
		v := saturate(int32(in[0]*steps[0]) << 2)
		out[0], out[8], out[16], out[24] = v, v, v, v
		out[32], out[40], out[48], out[56] = v, v, v, v
		return
	}
	in0, in2, in4, in6 := in[0]*steps[0], in[16]*steps[16], in[32]*steps[32], in[48]*steps[48]
	z := (int32(in2) + int32(in6)) * fix0541
	even2, even3 := z-int32(in6)*fix1847, z+int32(in2)*fix0765
	even0, even1 := int32(in0+in4)<<13+1<<10, int32(in0-in4)<<13+1<<10
	e0, e3 := even0+even3, even0-even3
	e1, e2 := even1+even2, even1-even2

	in1, in3, in5, in7 := in[8]*steps[8], in[24]*steps[24], in[40]*steps[40], in[56]*steps[56]
	o0, o1, o2, o3 := oddDCT(in1, in3, in5, in7)

	out[0], out[56] = saturate((e0+o0)>>11), saturate((e0-o0)>>11)
	out[8], out[48] = saturate((e1+o1)>>11), saturate((e1-o1)>>11)
	out[16], out[40] = saturate((e2+o2)>>11), saturate((e2-o2)>>11)
	out[24], out[32] = saturate((e3+o3)>>11), saturate((e3-o3)>>11)
}

// rowDCT transforms a row of columnDCT's results to samples.
func rowDCT(out *[8]uint8, in *[8]int16) {
	in2, in6 := int32(in[2]), int32(in[6])
	z := (in2 + in6) * fix0541
	even2, even3 := z-in6*fix1847, z+in2*fix0765
	even0, even1 := int32(in[0]+in[4])<<13+1<<17, int32(in[0]-in[4])<<13+1<<17
	e0, e3 := even0+even3, even0-even3
	e1, e2 := even1+even2, even1-even2
	o0, o1, o2, o3 := oddDCT(in[1], in[3], in[5], in[7])

	const middle = 128
	out[0], out[7] = clip8((e0+o0)>>18+middle), clip8((e0-o0)>>18+middle)
	out[1], out[6] = clip8((e1+o1)>>18+middle), clip8((e1-o1)>>18+middle)
	out[2], out[5] = clip8((e2+o2)>>18+middle), clip8((e2-o2)>>18+middle)
	out[3], out[4] = clip8((e3+o3)>>18+middle), clip8((e3-o3)>>18+middle)
}

// oddDCT is the odd half of eight values' transform.
func oddDCT(in1, in3, in5, in7 int16) (o0, o1, o2, o3 int32) {
	z3, z4 := int32(in7+in3), int32(in5+in1)
	z5 := (z3 + z4) * fix1175
	z3, z4 = z5-z3*fix1961, z5-z4*fix0390
	z1, z2 := (int32(in7)+int32(in1))*-fix0899, (int32(in5)+int32(in3))*-fix2562
	return int32(in1)*fix1501 + z1 + z4, int32(in3)*fix3072 + z2 + z3,
		int32(in5)*fix2053 + z2 + z4, int32(in7)*fix0298 + z1 + z3
}

// saturate limits v to 16 bits.
func saturate(v int32) int16 {
	if v != int32(int16(v)) {
		return int16(v>>31) ^ 0x7fff
	}
	return int16(v)
}
