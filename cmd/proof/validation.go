package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// khronos is the layers' folder in that of tools, which scripts/proof/khronos writes.
const khronos = "khronos-forky"

// A pass is what Khronos' layers look for in a run: hazards of memory between the driver's calls, or,
// by code that they put into the shaders, accesses outside of buffers, which they overlook on a device
// that catches them: fault has it made without.
var passes = []struct{ name, fault, settings string }{
	{synchronization, "", `khronos_validation.validate_core = true
khronos_validation.validate_sync = true
khronos_validation.syncval_shader_accesses_heuristic = true
`},
	{assisted, "robustness", `khronos_validation.validate_core = false
khronos_validation.gpuav_enable = true
`},
}

const (
	synchronization = "synchronization"
	assisted        = "GPU-AV"

	settings = `khronos_validation.report_flags = error,warn
khronos_validation.enable_message_limit = true
khronos_validation.duplicate_message_limit = 10
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.log_filename = %s
`
)

// round is a program's run under Khronos' layers.
type round struct {
	name  string
	args  []string
	fault string // of scripts/proof/faults.c
	only  string // the pass that is to find it, if there is one
	finds string // in a message that there must be; none may be if it is empty
}

// rounds are the controls, and what must be silent.
func rounds(folder string) []round {
	vit := []string{"run", "-model", "vit", "-image", "zoo/pictures/cat.jpg"}
	return []round{
		{"vit without barriers", vit, "barriers", synchronization, "SYNC-HAZARD"},
		{"vit with half of each buffer", vit, "ranges", assisted, "storageBuffers-06936"},
		{name: "vit", args: vit},
		{name: "resnet", args: []string{"run", "-model", "resnet", "-image", "zoo/pictures/cat.jpg"}},
		{name: "sd", args: []string{"run", "-model", "sd", "-prompt", "red apple", "-steps", "2", "-o", filepath.Join(folder, "apple.png")}},
		{name: "train", args: []string{"train", "-model", "vit", "-full", "-data", filepath.Join(folder, "classes"), "-steps", "2", "-batch", "2", "-o", filepath.Join(folder, "trained")}},
	}
}

// validation runs programs of the project on lavapipe under Khronos' layers.
func (p *proof) validation(ctx context.Context) error {
	if err := need(cc); err != nil {
		return err
	}
	folder, err := filepath.Abs(filepath.Join(p.folder, "validation"))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	v, err := p.prepare(ctx, folder)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "round\tlooked at by\tseconds\tmessages\t")
	judged, wrong := 0, 0
	for _, r := range rounds(folder) {
		for _, pass := range passes {
			if !p.looksAt(r.name) || r.only != "" && r.only != pass.name {
				continue
			}
			judged++
			began := time.Now()
			found, err := v.run(ctx, r, cmp.Or(r.fault, pass.fault), pass.settings)
			if err != nil {
				return err
			}
			fmt.Fprintf(tab, "%s\t%s\t%.0f\t%d\t%s\n", r.name, pass.name, time.Since(began).Seconds(), len(found), r.judge(found))
			if err := tab.Flush(); err != nil {
				return err
			}
			if r.judge(found) != "" {
				wrong++
				for _, m := range found[:min(len(found), 10)] {
					fmt.Fprintf(p.stdout, "%s: %s\n", r.name, m)
				}
			}
		}
	}
	if judged == 0 {
		return fmt.Errorf("no round's name begins with %q", p.only)
	}
	if wrong > 0 {
		return fmt.Errorf("%d rounds under Khronos' layers are not as they must be", wrong)
	}
	return nil
}

// judge is what is wrong with what was found, or "".
func (r round) judge(found []string) string {
	switch {
	case r.finds == "" && len(found) > 0:
		return "is to be silent"
	case r.finds != "" && !strings.Contains(strings.Join(found, "\n"), r.finds):
		return "is to be found out: " + r.finds
	}
	return ""
}

// layers are Khronos', unpacked, and the programs to run under them.
type layers struct {
	root, folder string // of the system and of what is written
}

// prepare builds the programs, without windows, whose libraries are not in the layers' folder,
// the layer of controls, and pictures to train with.
func (p *proof) prepare(ctx context.Context, folder string) (layers, error) {
	root, err := filepath.Abs(filepath.Join(p.folder, khronos))
	if err != nil {
		return layers{}, err
	}
	v := layers{root, folder}
	if _, err := v.loader(); err != nil {
		return v, err
	}
	for class, picture := range map[string]string{"cat": "cat.jpg", "ship": "ship.png"} {
		data, err := os.ReadFile(filepath.Join("zoo/pictures", picture))
		if err == nil {
			err = os.MkdirAll(filepath.Join(folder, "classes", class), 0o777)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, "classes", class, picture), data, 0o666)
		}
		if err != nil {
			return v, err
		}
	}
	data, err := os.ReadFile("scripts/proof/faults.json")
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "faults.json"), data, 0o666)
	}
	if err != nil {
		return v, err
	}
	for _, words := range [][]string{
		{"cc", "-O1", "-Wall", "-Wextra", "-Wno-unused-parameter", "-shared", "-fPIC", "-o", filepath.Join(folder, "libfaults.so"), "scripts/proof/faults.c"},
		{"go", "build", "-tags", "headless", "-o", folder + "/", "./cmd/run", "./cmd/train"},
	} {
		if out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
			return v, fmt.Errorf("%s: %s", strings.Join(words[:2], " "), said(out, err))
		}
	}
	return v, nil
}

// loader is the command that runs a program with the libraries of the layers' folder.
func (v layers) loader() ([]string, error) {
	one := func(pattern string) (string, error) {
		found, err := filepath.Glob(filepath.Join(v.root, pattern))
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("found %d of %s in %s: scripts/proof/khronos writes it", len(found), pattern, v.root)
		}
		if err != nil {
			return "", err
		}
		return found[0], nil
	}
	ld, err := one("usr/lib/*-linux-gnu/ld-linux-*")
	if err != nil {
		return nil, err
	}
	return []string{ld, "--library-path", filepath.Dir(ld)}, nil
}

// run is one round; found are the layers' messages.
func (v layers) run(ctx context.Context, r round, fault, looked string) (found []string, err error) {
	log := filepath.Join(v.folder, "messages.txt")
	if err := os.WriteFile(filepath.Join(v.folder, "vk_layer_settings.txt"), fmt.Appendf(nil, looked+settings, log), 0o666); err != nil {
		return nil, err
	}
	words, err := v.loader()
	if err != nil {
		return nil, err
	}
	words = append(append(words, filepath.Join(v.folder, r.args[0])), r.args[1:]...)
	icds, err := filepath.Glob(filepath.Join(v.root, "usr/share/vulkan/icd.d/lvp_icd*.json"))
	if err != nil || len(icds) == 0 {
		return nil, errors.Join(err, fmt.Errorf("found no lavapipe in %s", v.root))
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	names := "VK_LAYER_KHRONOS_validation"
	if fault != "" {
		names = "VK_LAYER_SACCADE_faults:" + names
	}
	cmd.Env = append(os.Environ(), "SACCADE_FAULT="+fault, "VK_INSTANCE_LAYERS="+names,
		// Layers that are named first are nearest to the program: Khronos' see what they broke.
		"VK_LAYER_PATH="+v.folder+":"+filepath.Join(v.root, "usr/share/vulkan/explicit_layer.d"),
		"VK_LAYER_SETTINGS_PATH="+filepath.Join(v.folder, "vk_layer_settings.txt"),
		"VK_DRIVER_FILES="+icds[0], "VK_ICD_FILENAMES="+icds[0])
	if out, err := cmd.CombinedOutput(); err != nil && r.fault == "" {
		return nil, fmt.Errorf("%s: %s", r.name, said(out, err))
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return nil, fmt.Errorf("the layers wrote no messages to %s: %w", log, err)
	}
	return messages(bytes.NewReader(text))
}

// ofThemselves is in messages that are of the layers' own doing, such as features that they add to the
// device and how slow their checks make a shader, of what the binding asks the loader for, and of naga's
// SPIR-V, in which arrays of workgroup memory have a stride as those of buffers do: newer rules forbid
// it, and no kernel can help it.
var ofThemselves = []string{
	"[ VALIDATION-SETTINGS ]", "[ WARNING-Setting-Limit-Adjusted ]", "[ GPUAV-Compile-time-general-buffer ]",
	"[ WARNING-vkGetDeviceProcAddr-device ]", "[ VUID-StandaloneSpirv-None-10684 ]",
}

// messages are those of the layers' log, each in a line, but for those of themselves.
func messages(log io.Reader) (all []string, err error) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "Validation "):
			all = append(all, line)
		case len(all) > 0:
			all[len(all)-1] += " " + strings.TrimSpace(line)
		}
	}
	all = slices.DeleteFunc(all, func(m string) bool {
		return slices.ContainsFunc(ofThemselves, func(s string) bool { return strings.Contains(m, s) })
	})
	return all, lines.Err()
}
