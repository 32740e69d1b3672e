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
)

// Key is a key with what it does.
type Key struct {
	Keys   []rune // any of them: the letter that it types, or a Key constant
	Name   string // as people read it
	Action Action
	Does   string
}

// Keys lists all, in the order of the overlay.
func Keys() []Key {
	return []Key{
		{[]rune{' '}, "Space", Pause, "pause, go on"},
		{[]rune{'.'}, ".", SingleStep, "one step more"},
		{[]rune{KeyLeft}, "←", Back, "the step before"},
		{[]rune{KeyRight}, "→", Forward, "the step after"},
		{[]rune{'r', 'R'}, "R", Restart, "restart, same seed"},
		{[]rune{'n', 'N'}, "N", NewSeed, "restart, new seed"},
		{[]rune{'+', '='}, "+", MoreGuidance, "more guidance"},
		{[]rune{'-', '_'}, "-", LessGuidance, "less guidance"},
		{[]rune{'c', 'C'}, "C", NextScheduler, "next scheduler"},
		{[]rune{'s', 'S'}, "S", Save, "save as PNG"},
		{[]rune{'h', 'H'}, "H", ToggleHeat, "heat maps on, off"},
		{[]rune{'w', 'W'}, "W", NextHeat, "next heat map: word, head"},
		{[]rune{'z', 'Z'}, "Z, wheel", zoomIn, "zoom in; drag to move"},
		{[]rune{'x', 'X'}, "X", zoomOut, "zoom out"},
		{[]rune{'0'}, "0", zoomFit, "whole picture"},
		{[]rune{'l', 'L'}, "L", toggleSmooth, "nearest, linear"},
		{[]rune{'f', 'F', KeyF11}, "F, F11", fullScreen, "full screen on, off"},
		{[]rune{'?'}, "?", toggleHelp, "this list on, off"},
		{[]rune{KeyEscape}, "Esc", escape, "close the list; leave full screen; quit"},
		{[]rune{'q', 'Q'}, "Q", quit, "quit"},
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
