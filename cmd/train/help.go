package main

import (
	"flag"
	"fmt"
	"strings"
)

const usage = `Train adapts a network to one's own pictures.

  train -model vit -data folder/ -head -o mine/            a last layer for other classes
  train -model dino -weights facebook/dino-vits16 -data folder/ -head -optimizer lbfgs -o mine/
  train -model vit -data folder/ -lora 8 -epochs 3 -o mine/
  train -model resnet -data folder/ -full -o mine/
  train -model clip -data folder/ -tip -o tip.safetensors
  train -model resnet -data folder/ -sensors readings.csv -o fused.safetensors

A folder of data has one sub-folder of pictures a class.

`

const usageEnd = `
Environment and exit codes are run's: run -h all.
`

// printHelp prints all flags.
func (a *app) printHelp() error {
	fmt.Fprint(a.stdout, usage)
	o := options{}
	o.flagSet().VisitAll(func(f *flag.Flag) {
		if f.Name == "help" {
			return
		}
		value, text := flag.UnquoteUsage(f)
		fmt.Fprintf(a.stdout, "  %s\n        %s\n", strings.TrimSpace("-"+f.Name+" "+value), strings.TrimPrefix(text, value+": "))
	})
	fmt.Fprint(a.stdout, usageEnd)
	return nil
}
