package main

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"saccade/gpu"
	"saccade/models"
)

// modelJSON is a line of -list-models.
type modelJSON struct {
	Name          string   `json:"name"`
	Embedded      bool     `json:"embedded"` // works without -weights
	Architectures []string `json:"architectures"`
	About         string   `json:"about"`
	Weights       string   `json:"weights"` // what -weights takes
}

func (a *app) printModels() error {
	var doc struct {
		Models []modelJSON `json:"models"`
	}
	for _, f := range models.Families() {
		doc.Models = append(doc.Models, modelJSON{f.Name, f.Embedded != "", f.Architectures, f.About, f.Weights})
	}
	if a.json {
		return a.stdout.document(doc)
	}
	for _, m := range doc.Models {
		without := "none embedded"
		if m.Embedded {
			without = "without it, the embedded ones"
		}
		a.stdout.printf("%s: %s\n  -weights       %s; %s\n", m.Name, m.About, m.Weights, without)
		if len(m.Architectures) > 0 {
			a.stdout.printf("  architectures  %s\n", strings.Join(m.Architectures, ", "))
		}
	}
	return nil
}

func (a *app) printDevices() error {
	backend, err := a.choice.BackendName(a.getenv)
	if err != nil {
		return err
	}
	found, err := gpu.Adapters(backend)
	if err != nil {
		return err
	}
	var adapters []gpu.Info
	for _, i := range found {
		if strings.Contains(strings.ToLower(i.String()), strings.ToLower(a.choice.Adapter)) {
			adapters = append(adapters, i)
		}
	}
	if len(adapters) == 0 { // opening tells why
		return a.open()
	}
	if a.json {
		return a.stdout.document(struct {
			Devices []gpu.Info `json:"devices"`
		}{adapters})
	}
	for _, i := range adapters {
		software := ""
		if i.Software() {
			software = " (software adapter)"
		}
		a.stdout.printf("%s%s\n  vendor   %s\n  driver   %s\n  backend  %s\n  type     %s\n  limits   %s\n",
			i.Name, software, i.Vendor, i.Driver, i.Backend, i.Type, limits(i.Limits))
	}
	return nil
}

const usage = `Run puts pictures through a network on the GPU.

  run -model vit -image x.png
  run -model vit -weights google/vit-base-patch16-224 -image folder -json
  run -model vit -eval folder
  run -model clip -image x.png -text "a cat" -text "a dog"
  run -model clip -image folder -text "red shoes" -index pictures.index
  run -model vit -image x.png -explain where.png
  run -compare vit,resnet -image x.png -o both.png
  run -verify

Flags:
`

const usageEnd = `
Environment: WGPU_ADAPTER_NAME, WGPU_BACKEND, WGPU_POWER_PREFERENCE (low, high);
HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE; NO_COLOR (no
colours are used anyway); SACCADE_DEBUG, words with commas: dispatch, nan,
poison, wgsl=KERNEL, dump=LABEL.
Exit codes: 0 fine, 1 failure, 2 usage, 3 no usable adapter, 4 verification
mismatch, 130 interrupted.
`

// printHelp prints the flags, in the order of the alphabet.
func (a *app) printHelp() error {
	a.stdout.printf("%s", usage)
	var o options
	o.flagSet().VisitAll(func(f *flag.Flag) {
		if f.Name == "help" { // -h stands for both
			return
		}
		value, text := flag.UnquoteUsage(f)
		a.stdout.printf("  %s\n        %s\n", strings.TrimSpace("-"+f.Name+" "+value), strings.TrimPrefix(text, value+": "))
	})
	a.stdout.printf("%s", usageEnd)
	return nil
}

// printVersion prints what the program was built from.
func (a *app) printVersion() error {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, d := range info.Deps {
			if strings.HasSuffix(d.Path, "/wgpu") {
				version += fmt.Sprintf(", %s %s", d.Path, d.Version)
			}
		}
	}
	a.stdout.printf("saccade %s, %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
