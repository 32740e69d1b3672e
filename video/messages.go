package video

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// messages is what ffmpeg says, of which the rate and what went wrong are kept.
type messages struct {
	mu     sync.Mutex
	part   string // of a line that has not ended
	fps    float64
	wrong  string // the first line of an error
	volume int    // bytes so far
}

// streamRate finds the rate in what ffmpeg says of the input's video.
var streamRate = regexp.MustCompile(`Stream #0.*: Video: .* ([0-9.]+)(k?) (?:fps|tbr)\b`)

// mostSaid is how much is read of what ffmpeg says.
const mostSaid = 1 << 20

// Write implements [io.Writer].
func (m *messages) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.volume += len(b); m.volume > mostSaid {
		return len(b), nil
	}
	lines := strings.Split(m.part+string(b), "\n")
	m.part = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		m.line(line)
	}
	return len(b), nil
}

func (m *messages) line(line string) {
	if f := streamRate.FindStringSubmatch(line); f != nil && m.fps == 0 {
		m.fps, _ = strconv.ParseFloat(f[1], 64)
		if f[2] == "k" {
			m.fps *= 1000
		}
	}
	for _, level := range []string{"[error] ", "[fatal] ", "[panic] "} {
		if i := strings.Index(line, level); i >= 0 && m.wrong == "" {
			m.wrong = line[i+len(level):]
		}
	}
}

func (m *messages) rate() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fps
}

// failure is what went wrong, "" if nothing did, cut where it is long.
func (m *messages) failure() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	const most = 120
	wrong := []rune(strings.ToValidUTF8(strings.TrimSpace(m.wrong), "?"))
	if len(wrong) > most {
		return string(wrong[:most]) + "…"
	}
	return string(wrong)
}
