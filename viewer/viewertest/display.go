//go:build linux

// Package viewertest gives tests a display without a screen, and real keys and pointers.
package viewertest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Display is an X server without a screen; what it shows is a file.
type Display struct {
	T    *testing.T
	file string
}

// Open starts one of w×h pixels at so many dots an inch, and makes it this process's display.
func Open(t *testing.T, w, h, dpi int) *Display {
	t.Helper()
	path := program(t, "Xvfb", "xvfb")
	r, out, err := os.Pipe()
	require.NoError(t, err)
	dir := t.TempDir()
	x := exec.Command(path, "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", w, h), "-nolisten", "tcp", "-noreset", "-fbdir", dir)
	x.ExtraFiles = []*os.File{out}
	require.NoError(t, x.Start())
	require.NoError(t, out.Close())
	t.Cleanup(func() {
		require.NoError(t, x.Process.Kill())
		_ = x.Wait() // says that it was killed
		require.NoError(t, r.Close())
	})
	number, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err, "Xvfb did not start")
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(number))
	t.Setenv("WAYLAND_DISPLAY", "")
	if dpi != 96 {
		set, err := exec.Command(program(t, "xprop", "x11-utils"), "-root", "-f", "RESOURCE_MANAGER", "8s",
			"-set", "RESOURCE_MANAGER", fmt.Sprintf("Xft.dpi:\t%d\n", dpi)).CombinedOutput()
		require.NoError(t, err, string(set))
	}
	return &Display{t, filepath.Join(dir, "Xvfb_screen0")}
}

// program finds a program of a package, without which the test is skipped, but
// never in CI.
func program(t *testing.T, name, pack string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("CI needs %s: install %s", name, pack)
	} else if err != nil {
		t.Skipf("no %s here: install %s to test windows", name, pack)
	}
	return path
}

// Screen reads the pixels of the display from its file, which is in the format
// of xwd: a header of big-endian words, colours of 12 bytes, rows of BGRX.
func (x *Display) Screen() *image.RGBA {
	x.T.Helper()
	raw, err := os.ReadFile(x.file)
	require.NoError(x.T, err)
	word := func(i int) int { return int(binary.BigEndian.Uint32(raw[4*i:])) }
	w, h, stride := word(4), word(5), word(12)
	require.Equal(x.T, 32, word(11), "bits a pixel")
	pixels := raw[word(0)+12*word(19):]
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for at := range w {
			p := pixels[y*stride+4*at:]
			copy(m.Pix[y*m.Stride+4*at:], []byte{p[2], p[1], p[0], 255})
		}
	}
	return m
}

// Do sends real events: xdotool's words.
func (x *Display) Do(words ...string) string {
	x.T.Helper()
	out, err := exec.Command(program(x.T, "xdotool", "xdotool"), words...).CombinedOutput()
	require.NoError(x.T, err, "xdotool %v: %s", words, out)
	return strings.TrimSpace(string(out))
}

// Window finds the window; "" before there is one.
func (x *Display) Window() (id string) {
	out, err := exec.Command(program(x.T, "xdotool", "xdotool"), "search", "--class", "saccade").Output()
	if err != nil { // none found
		return ""
	}
	return strings.TrimSpace(string(out))
}

// Focus waits for the window and gives it the keyboard, for there is no window manager.
func (x *Display) Focus() (id string) {
	x.T.Helper()
	require.Eventually(x.T, func() bool { id = x.Window(); return id != "" }, time.Minute, 10*time.Millisecond, "no window")
	x.Do("windowfocus", "--sync", id)
	return id
}
