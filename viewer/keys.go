package viewer

import "slices"

// Action is what a key does.
type Action int

// What sessions do.
const (
	Pause          Action = iota // or go on
	SingleStep                   // make one step more, and pause
	Back                         // show the step before
	Forward                      // show the step after
	ShowStep                     // show a step of the strip, which was clicked
	Restart                      // with the same seed
	NewSeed                      // restart with another
	MoreGuidance                 // from the next step on
	LessGuidance                 //
	NextScheduler                // restart with it
	Save                         // what is shown, as PNG
	ToggleHeat                   // heat maps over the pictures
	NextHeat                     // the next heat map: another word, another head
	Mark                         // mark the cell that was clicked
	MarkOutside                  // mark it as one beside what is meant: a click with Shift
	Frame                        // frame the cells that the pointer was dragged over
	TakeBack                     // the last mark or frame
	NextMask                     // show another of the masks that the marks may mean
	PlayFrames                   // play the frames of a video, or show them side by side
	MoreControl                  // weight of a picture of hints, from the next step on
	LessControl                  //
	NextControl                  // the picture of hints whose weight they change
	Walk                         // let what is drawn change into others, or stand still
	NextLayers                   // the next of the ranges of layers that have a style of their own
	SeedBefore                   // give the range the style of the seed before
	SeedAfter                    // give it that of the seed after
	MoreLayers                   // let the range reach further, into the next
	FewerLayers                  //
	OtherSeed                    // another one in place of the range's
	MoreTruncation               // draw styles nearer to their mean
	LessTruncation               //
	Keep                         // write what was learned so far
	Stop                         // end what goes on, such as a training, as if it were all
)

// What windows do themselves.
const (
	zoomIn Action = 100 + iota
	zoomOut
	zoomFit
	toggleSmooth
	fullScreen
	toggleHelp
	escape
	quit
)

// Keys without a letter, in Unicode's private area.
const (
	KeyLeft = '\uE000' + iota
	KeyRight
	KeyEscape
	KeyF11
	KeyTab
	KeyUp
	KeyDown
)

// Key is a key with what it does.
type Key struct {
	Keys   []rune // any of them: the letter that it types, or a Key constant
	Name   string // as people read it
	Action Action
	Does   string
}

// Keys lists all, in the order of the overlay. Where several have a letter it means the first
// that the session knows.
func Keys() []Key {
	return []Key{
		{Keys: []rune{' '}, Name: "Space", Action: Pause, Does: "pause, go on"},
		{Keys: []rune{'.'}, Name: ".", Action: SingleStep, Does: "one step more"},
		{Keys: []rune{KeyLeft}, Name: "←", Action: Back, Does: "the step before"},
		{Keys: []rune{KeyRight}, Name: "→", Action: Forward, Does: "the step after"},
		{Keys: []rune{'r', 'R'}, Name: "R", Action: Restart, Does: "restart, same seed"},
		{Keys: []rune{'n', 'N'}, Name: "N", Action: NewSeed, Does: "restart, new seed"},
		{Keys: []rune{'+', '='}, Name: "+", Action: MoreGuidance, Does: "more guidance"},
		{Keys: []rune{'-', '_'}, Name: "-", Action: LessGuidance, Does: "less guidance"},
		{Keys: []rune{'c', 'C'}, Name: "C", Action: NextScheduler, Does: "next scheduler"},
		{Keys: []rune{'s', 'S'}, Name: "S", Action: Save, Does: "save as PNG"},
		{Name: "click", Action: Mark, Does: "a point of what is meant"},
		{Name: "Shift click", Action: MarkOutside, Does: "a point beside it"},
		{Name: "drag", Action: Frame, Does: "a box around it"},
		{Keys: []rune{KeyTab}, Name: "Tab", Action: NextMask, Does: "the next mask that it may be"},
		{Keys: []rune{'z', 'Z'}, Name: "Z", Action: TakeBack, Does: "take the last back"},
		{Keys: []rune{' '}, Name: "Space", Action: Walk, Does: "walk to other images, stand still"},
		{Keys: []rune{KeyTab}, Name: "Tab", Action: NextLayers, Does: "the next range of layers"},
		{Keys: []rune{KeyLeft}, Name: "←", Action: SeedBefore, Does: "style of the seed before, for the range"},
		{Keys: []rune{KeyRight}, Name: "→", Action: SeedAfter, Does: "style of the seed after; or click it"},
		{Keys: []rune{KeyUp}, Name: "↑", Action: MoreLayers, Does: "one layer more in the range"},
		{Keys: []rune{KeyDown}, Name: "↓", Action: FewerLayers, Does: "one layer fewer"},
		{Keys: []rune{'n', 'N'}, Name: "N", Action: OtherSeed, Does: "another seed in place of the range's"},
		{Keys: []rune{'+', '='}, Name: "+", Action: LessTruncation, Does: "styles farther from their mean"},
		{Keys: []rune{'-', '_'}, Name: "-", Action: MoreTruncation, Does: "styles nearer to their mean"},
		{Keys: []rune{']'}, Name: "]", Action: MoreControl, Does: "more weight of the hints"},
		{Keys: []rune{'['}, Name: "[", Action: LessControl, Does: "less weight of the hints"},
		{Keys: []rune{KeyTab}, Name: "Tab", Action: NextControl, Does: "the next picture of hints"},
		{Keys: []rune{'p', 'P'}, Name: "P", Action: PlayFrames, Does: "play the frames, show all"},
		{Keys: []rune{'k', 'K'}, Name: "K", Action: Keep, Does: "keep what was learned so far"},
		{Keys: []rune{'e', 'E'}, Name: "E", Action: Stop, Does: "end it here"},
		{Keys: []rune{'h', 'H'}, Name: "H", Action: ToggleHeat, Does: "heat maps on, off"},
		{Keys: []rune{'w', 'W'}, Name: "W", Action: NextHeat, Does: "next heat map: word, head"},
		{Keys: []rune{'z', 'Z'}, Name: "Z, wheel", Action: zoomIn, Does: "zoom in; drag to move"},
		{Keys: []rune{'x', 'X'}, Name: "X", Action: zoomOut, Does: "zoom out"},
		{Keys: []rune{'0'}, Name: "0", Action: zoomFit, Does: "whole picture"},
		{Keys: []rune{'l', 'L'}, Name: "L", Action: toggleSmooth, Does: "nearest, linear"},
		{Keys: []rune{'f', 'F', KeyF11}, Name: "F, F11", Action: fullScreen, Does: "full screen on, off"},
		{Keys: []rune{'?'}, Name: "?", Action: toggleHelp, Does: "this list on, off"},
		{Keys: []rune{KeyEscape}, Name: "Esc", Action: escape, Does: "close the list; leave full screen; quit"},
		{Keys: []rune{'q', 'Q'}, Name: "Q", Action: quit, Does: "quit"},
	}
}

// offers says whether a key does something in a session that knows so many actions.
func (k Key) offers(known []Action) bool {
	return k.Action >= zoomIn || slices.Contains(known, k.Action)
}

// actionOf finds what a key does in a session that knows so many actions.
func actionOf(pressed rune, known []Action) (Action, bool) {
	for _, k := range Keys() {
		if k.offers(known) && slices.Contains(k.Keys, pressed) {
			return k.Action, true
		}
	}
	return 0, false
}
