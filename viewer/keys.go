package viewer

// Action is what a key does.
type Action int

// What sessions do.
const (
	Pause         Action = iota // or go on
	SingleStep                  // make one step more, and pause
	Back                        // show the step before
	Forward                     // show the step after
	ShowStep                    // show a step of the strip, which was clicked
	Restart                     // with the same seed
	NewSeed                     // restart with another
	MoreGuidance                // from the next step on
	LessGuidance                //
	NextScheduler               // restart with it
	Save                        // what is shown, as PNG
	ToggleHeat                  // heat maps over the pictures
	NextHeat                    // the next heat map: another word, another head
	Mark                        // mark the cell that was clicked
	MarkOutside                 // mark it as one beside what is meant: a click with Shift
	Frame                       // frame the cells that the pointer was dragged over
	TakeBack                    // the last mark or frame
	NextMask                    // show another of the masks that the marks may mean
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
)

// Key is a key with what it does.
type Key struct {
	Keys   []rune // any of them: the letter that it types, or a Key constant
	Name   string // as people read it
	Action Action
	Does   string
	// Instead is what sessions that know it take the letters for; zero: none does.
	Instead Action
}

// Keys lists all, in the order of the overlay.
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
		{Name: "Z", Action: TakeBack, Does: "take the last back"},
		{Keys: []rune{'h', 'H'}, Name: "H", Action: ToggleHeat, Does: "heat maps on, off"},
		{Keys: []rune{'w', 'W'}, Name: "W", Action: NextHeat, Does: "next heat map: word, head"},
		{Keys: []rune{'z', 'Z'}, Name: "Z, wheel", Action: zoomIn, Does: "zoom in; drag to move", Instead: TakeBack},
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
	for _, a := range known {
		if a == k.Action {
			return true
		}
	}
	return k.Action >= zoomIn
}

// actionOf finds what a key does.
func actionOf(pressed rune) (Key, bool) {
	for _, k := range Keys() {
		for _, r := range k.Keys {
			if r == pressed {
				return k, true
			}
		}
	}
	return Key{}, false
}
