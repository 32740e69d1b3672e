package main

import (
	"saccade/figure"
	"saccade/models/diffusion"
	"saccade/picture"
)

// wordJSON is a word of the prompt and the share of the attention that it got.
type wordJSON struct {
	Word  string  `json:"word"`
	Share float64 `json:"share"` // of all attention, the mean over the picture
}

// explainPrompt draws which word of the prompt drew what, over the first picture.
func (w *painter) explainPrompt(run *diffusion.Run, img *picture.Image) error {
	maps, err := run.WordMaps(0)
	if err != nil {
		return err
	}
	panels := []figure.Panel{{Title: "picture", Picture: img}}
	for _, m := range maps {
		h := figure.NewHeat(figure.Grid{Rows: m.H, Columns: m.W}, m.Values, "attention")
		panels = append(panels, figure.Panel{Title: m.Word, Picture: img, Heat: h})
		var sum float64
		for _, v := range m.Values {
			sum += float64(v)
		}
		w.doc.Words = append(w.doc.Words, wordJSON{m.Word, sum / float64(len(m.Values))})
	}
	w.doc.Explanation, err = w.write(w.explain, figure.Figure{Title: w.prompts[0], Rows: figure.Wrap(panels, even(len(panels), columns)), Side: side(even(len(panels), columns))})
	return err
}
