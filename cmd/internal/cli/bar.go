package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Bar is a bar of progress on the terminal; without one it does nothing.
type Bar struct {
	To    io.Writer // nil: no terminal
	drawn time.Time
	last  int // characters on the line
}

// NewBar is a bar on stderr if that is a terminal.
func NewBar(stderr io.Writer) Bar {
	if !IsTerminal(stderr) {
		return Bar{}
	}
	return Bar{To: stderr}
}

const barWidth = 30 // characters

// Draw shows done of total, ten times a second; a total that is not positive is unknown.
func (p *Bar) Draw(what string, done, total int64, amount string) {
	if p.To == nil || time.Since(p.drawn) < 100*time.Millisecond && done != total {
		return
	}
	p.drawn = time.Now()
	bar := ""
	if total > 0 {
		full := int(min(done, total) * barWidth / total)
		bar = "[" + strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full) + "] "
	}
	if runes := []rune(what); len(runes) > 28 {
		what = "…" + string(runes[len(runes)-27:])
	}
	line := fmt.Sprintf("%s %s%s", what, bar, amount)
	fmt.Fprintf(p.To, "\r%s%s", line, strings.Repeat(" ", max(0, p.last-len(line))))
	p.last = len(line)
}

// Clear takes the bar away.
func (p *Bar) Clear() {
	if p.To != nil && p.last > 0 {
		fmt.Fprintf(p.To, "\r%s\r", strings.Repeat(" ", p.last))
		p.last = 0
	}
}
