//go:build !headless && linux

package viewer

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// display starts an X server without a screen, of w×h pixels at so many dots an inch.
func display(t *testing.T, w, h, dpi int) {
	t.Helper()
	path, err := exec.LookPath("Xvfb")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI needs Xvfb: install xvfb")
		}
		t.Skip("no Xvfb here: install xvfb to test windows")
	}
	r, out, err := os.Pipe()
	require.NoError(t, err)
	x := exec.Command(path, "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", w, h), "-dpi", fmt.Sprint(dpi), "-nolisten", "tcp", "-noreset")
	x.ExtraFiles = []*os.File{out}
	require.NoError(t, x.Start())
	out.Close()
	t.Cleanup(func() {
		require.NoError(t, x.Process.Kill())
		x.Wait()
		r.Close()
	})
	number, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err, "Xvfb did not start")
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(number))
	t.Setenv("WAYLAND_DISPLAY", "")
}

// opened runs a viewer in a window until the test ends or closes it.
func opened(t *testing.T, d *gpu.Device, s Session, o Options) (v *Viewer, closed func() error) {
	t.Helper()
	v = New(s, o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Run(ctx, d) }()
	var err error
	done := false
	closed = func() error {
		if !done {
			cancel()
			select {
			case err = <-ended:
			case <-time.After(20 * time.Second):
				t.Error("the window does not close")
			}
			done = true
		}
		return err
	}
	t.Cleanup(func() { require.NoError(t, closed()) })
	require.Eventually(t, func() bool { return v.Stats().Frames > 0 || len(ended) > 0 }, 20*time.Second, 5*time.Millisecond, "no first frame")
	if len(ended) > 0 {
		require.NoError(t, <-ended)
	}
	return v, closed
}

func TestWindowOpens(t *testing.T) {
	display(t, 1024, 768, 96)
	d := device(t, gpu.Options{})
	f := newFake()
	f.view = middleOfRun(t, d)
	v, _ := opened(t, d, f, Options{Width: 800, Height: 600})
	v.mu.Lock()
	size := v.ui.size
	v.mu.Unlock()
	require.Equal(t, image.Pt(800, 600), size)
	time.Sleep(500 * time.Millisecond)
	t.Logf("%+v", v.Stats())
	if p := os.Getenv("SHOT"); p != "" {
		out, err := exec.Command("import", "-window", "root", p).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}
