package main

import (
	"cmp"
	"fmt"
	"slices"
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
		backend := i.Backend
		if i.ShaderCompiler != "" {
			backend += ", shaders by " + i.ShaderCompiler
		}
		a.stdout.printf("%s%s\n  vendor   %s\n  driver   %s\n  backend  %s\n  type     %s\n  limits   %s\n  features %s\n  binding  %s\n",
			i.Name, software, i.Vendor, i.Driver, backend, i.Type, limits(i.Limits), features(i), i.Binding)
	}
	return nil
}

// features are the adapter's, with the size of subgroups where it is known.
func features(i gpu.Info) string {
	all := slices.Clone(i.Features)
	switch {
	case i.SubgroupMax == 0:
	case i.SubgroupMin == i.SubgroupMax:
		all = append(all, fmt.Sprintf("%d invocations a subgroup", i.SubgroupMax))
	default:
		all = append(all, fmt.Sprintf("%d to %d invocations a subgroup", i.SubgroupMin, i.SubgroupMax))
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}
