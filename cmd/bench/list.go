package main

import (
	"bytes"
	"fmt"
	"strings"

	"saccade/models"
	"saccade/ops"
)

// printList prints what can be timed.
func (b *bench) printList() error {
	var out bytes.Buffer
	fmt.Fprintln(&out, "operations (-op), what -shape takes, and the shapes timed without it:")
	for _, op := range ops.CaseNames() {
		var shapes []string
		for _, c := range ops.Cases() {
			if c.Bench && c.Op == op {
				shapes = append(shapes, c.Name)
			}
		}
		fmt.Fprintf(&out, "  %-16s %s\n  %-16s   %s\n", op, ops.CaseDims(op), "", strings.Join(shapes, " "))
	}
	fmt.Fprintf(&out, "\nmodels (-models), with random weights:\n  %s\n", strings.Join(models.StandardNames(), " "))
	fmt.Fprintf(&out, "\ntexts (-models), with random weights, what they are about read first:\n  %s\n", strings.Join(models.StandardTextNames(), " "))
	fmt.Fprintf(&out, "\ntrainings (-models), a step with random weights:\n  %s\n", strings.Join(trainingNames(), " "))
	fmt.Fprintf(&out, "\npipelines (-pipelines), each a step and a whole run:\n  %s\n", strings.Join(pipelineNames(), " "))
	_, err := b.stdout.Write(out.Bytes())
	return err
}

// printHelp prints the usage.
func (b *bench) printHelp() error {
	var out bytes.Buffer
	fmt.Fprint(&out, `bench times operations, whole models and pipelines on the GPU, verified in the same run.

  bench -models vit_ti_16,vit_b_16 -r 5 -o md
  bench -op matmul -shape 512x768x768 -precision f16
  bench -op all -o html > report.html
  bench -pipelines zoo_sd -o md
  bench -models resnet18 -sweep batch
  bench -models resnet18,vit_b_16 -peers
  bench -compare a.json b.json c.json
  bench -read a.json -o html > report.html

Flags:
`)
	f := new(options).flagSet()
	f.SetOutput(&out)
	f.PrintDefaults()
	fmt.Fprint(&out, `
Exit codes: 0 fine, 1 failure, 2 usage, 3 no usable adapter, 4 a row that was not verified.
`)
	_, err := b.stdout.Write(out.Bytes())
	return err
}
