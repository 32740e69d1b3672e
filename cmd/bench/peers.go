package main

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed peers/*.py peers/*.mjs
var peerFiles embed.FS

// peerScripts are those of the runtimes; the other files are what they share.
var peerScripts = []string{"ncnn_vulkan", "onnxruntime_webgpu", "onnxruntime_web", "tinygrad_webgpu", "onnxruntime_cpu", "torch_cpu"}

// PeerRow is a model, a matmul or a step of a training in another runtime, timed in turn with ours.
type PeerRow struct {
	Model     string  `json:"model"` // or such as "matmul 512x768x768"
	Peer      string  `json:"peer"`  // with its version
	Adapter   string  `json:"adapter"`
	Precision string  `json:"precision"`
	MSMean    float64 `json:"ms_mean"`
	MSMin     float64 `json:"ms_min"`
	OursMean  float64 `json:"ours_ms_mean"` // in the same turns
	OursMin   float64 `json:"ours_ms_min"`
	Ratio     float64 `json:"ratio"`              // ms_min / ours_ms_min: above 1, ours is faster
	LeftOut   string  `json:"left_out,omitempty"` // why there are no times
}

// peer is a script that waits for requests; peers/peer.py tells which.
type peer struct {
	name   string // of the script
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// answer is what a script says.
type answer struct {
	Peer       string   `json:"peer"`
	Adapter    string   `json:"adapter"`
	Precisions []string `json:"precisions"`
	MS         float64  `json:"ms"`
	Error      string   `json:"error"`
}

// peers are all scripts, running.
type peers struct {
	folder string
	all    []*peer
}

// startPeers writes the scripts to a folder and starts them.
func startPeers(ctx context.Context, python string) (*peers, error) {
	if _, err := exec.LookPath(python); err != nil {
		return nil, fmt.Errorf("-peers needs Python: %w; give -python", err)
	}
	folder, err := os.MkdirTemp("", "saccade-peers-")
	if err != nil {
		return nil, fmt.Errorf("starting the peers: %w", err)
	}
	ps := &peers{folder: folder}
	files, err := fs.Sub(peerFiles, "peers")
	if err == nil {
		err = os.CopyFS(folder, files)
	}
	if err != nil {
		ps.close()
		return nil, fmt.Errorf("starting the peers: %w", err)
	}
	for _, name := range peerScripts {
		p, err := startPeer(ctx, python, folder, name)
		if err != nil {
			ps.close()
			return nil, fmt.Errorf("starting peer %s: %w", name, err)
		}
		ps.all = append(ps.all, p)
	}
	return ps, nil
}

func startPeer(ctx context.Context, python, folder, name string) (*peer, error) {
	p := &peer{name: name, cmd: exec.CommandContext(ctx, python, filepath.Join(folder, name+".py"), "-serve")}
	p.cmd.Stderr = &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	return p, p.cmd.Start()
}

// ask sends a request and waits for the answer. The error is one line.
func (p *peer) ask(request string) (answer, error) {
	var a answer
	_, err := fmt.Fprintln(p.in, request)
	var line []byte
	if err == nil {
		line, err = p.out.ReadBytes('\n')
	}
	if err != nil { // it has ended, and its last line says why: a runtime that is not installed, most of all
		return a, fmt.Errorf("ended: %s", p.lastWords())
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("answered %q", line)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// lastWords waits for the end of a script and gives the last line of its stderr.
func (p *peer) lastWords() string {
	p.in.Close()
	err := p.cmd.Wait()
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return fmt.Sprint("exit: ", err)
}

// close ends the scripts.
func (ps *peers) close() {
	for _, p := range ps.all {
		p.in.Close()
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Wait() // how it ended is of no interest any more
		}
	}
	os.RemoveAll(ps.folder)
}

// contender is a peer at one precision, or ours.
type contender struct {
	row  PeerRow
	run  func() (ms float64, err error)
	took []float64
}

// raced says whether peers have what a row times.
func (s spec) raced() bool {
	return s.Kind == kindModel || s.Kind == kindTrain || s.Kind == kindOp && s.Name == racedOp
}

// racedOp is the operation that peers have, with a matrix of weights.
const racedOp = "matmul"

// race times a row in turn with all peers that can load it: each once in each turn,
// so that drift of the machine does not decide. Times are by the clock, from the
// upload to the read-back, those of an operation too.
func (b *bench) race(ctx context.Context, ps *peers, s spec) ([]PeerRow, error) {
	x, err := s.open(ctx, b.dev)
	if err != nil {
		return nil, err
	}
	defer x.close()
	name, request := s.Name, s.Name
	if s.Kind == kindOp {
		name, request = s.Name+" "+x.Shape, s.Name+"-"+x.Shape
	}
	contenders, rows := b.contenders(ps, name, request)
	if len(contenders) == 0 {
		return rows, nil
	}
	ours := &contender{run: func() (float64, error) {
		took, _, err := x.clock(ctx)
		return took.Seconds() * 1e3, err
	}}
	if _, err := ours.run(); err != nil { // warm
		return nil, err
	}
	for i := range b.repetitions {
		b.say(fmt.Sprintf("%s: turn %d of %d with its peers", name, i+1, b.repetitions))
		for _, c := range append([]*contender{ours}, contenders...) {
			ms, err := c.run()
			if err != nil {
				if ctx.Err() != nil || c == ours {
					return nil, errors.Join(err, ctx.Err())
				}
				c.row.LeftOut = err.Error()
				continue
			}
			c.took = append(c.took, ms)
		}
	}
	mean, _, low := statistics(ours.took)
	for _, c := range contenders {
		if c.row.LeftOut == "" {
			c.row.MSMean, _, c.row.MSMin = statistics(c.took)
			c.row.OursMean, c.row.OursMin, c.row.Ratio = mean, low, c.row.MSMin/low
		}
		rows = append(rows, c.row)
	}
	return rows, nil
}

// contenders are the peers that can load what they know as request, and rows of
// those that can't.
func (b *bench) contenders(ps *peers, name, request string) (can []*contender, cannot []PeerRow) {
	for _, p := range ps.all {
		b.say(name + ": loading into " + p.name)
		a, err := p.ask("load " + request)
		if err != nil {
			cannot = append(cannot, PeerRow{Model: name, Peer: p.name, LeftOut: err.Error()})
			continue
		}
		for _, precision := range a.Precisions {
			can = append(can, &contender{
				row: PeerRow{Model: name, Peer: a.Peer, Adapter: a.Adapter, Precision: precision},
				run: func() (float64, error) {
					a, err := p.ask("run " + precision)
					return a.MS, err
				},
			})
		}
	}
	return can, cannot
}

// races runs all models, matmuls and steps of trainings against their peers.
func (b *bench) races(ctx context.Context, report *Report) error {
	ps, err := startPeers(ctx, b.python)
	if err != nil {
		return err
	}
	defer ps.close()
	defer b.say("")
	for _, s := range b.specs() {
		if !s.raced() {
			continue
		}
		rows, err := b.race(ctx, ps, s)
		if err != nil {
			return fmt.Errorf("timing %s in turn with its peers: %w", s, err)
		}
		report.Peers = append(report.Peers, rows...)
	}
	return nil
}

// peerGrid is the table of the peers.
func (r *Report) peerGrid() *grid {
	g := &grid{
		title:  []string{"other runtimes"},
		header: []string{"model", "peer", "precision", "on", "ms", "min", "ours, ms", "min", "times as fast", "note"},
		left:   map[int]bool{0: true, 1: true, 2: true, 3: true, 9: true},
		notes: []string{"times as fast: the peer's minimum by ours, each run once in every turn of one run; above 1 ours is faster. " +
			"Peers are compared with PyTorch's output in every pass. One on the CPU itself is a bound that a software adapter can't reach"},
	}
	for _, p := range r.Peers {
		if p.LeftOut != "" {
			g.rows = append(g.rows, []string{p.Model, p.Peer, p.Precision, p.Adapter, "", "", "", "", "", "left out: " + p.LeftOut})
			continue
		}
		g.rows = append(g.rows, []string{p.Model, p.Peer, p.Precision, p.Adapter, milliseconds(&p.MSMean), milliseconds(&p.MSMin),
			milliseconds(&p.OursMean), milliseconds(&p.OursMin), fmt.Sprintf("%.2f", p.Ratio), ""})
	}
	return g
}
