package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"saccade/cmd/internal/kernels"
	"saccade/gpu"
	"saccade/shaders"
)

// chip is a GPU whose code is looked at.
type chip struct {
	name     string
	families []string // RADV_FORCE_FAMILY: the first that the installed Mesa knows
}

// chips are one of each generation that wgpu's Vulkan meets most.
var chips = []chip{
	{"RDNA2", []string{"NAVI21"}},
	{"RDNA3", []string{"NAVI31", "GFX1100"}}, // GFX1100 up to Mesa 22
	{"Vega", []string{"VEGA10"}},
}

// layerName is what scripts/isa/layer.json calls the layer.
const layerName = "VK_LAYER_SACCADE_spirv"

// tools is the folder of what scripts/isa is built into.
type tools string

// open opens an adapter, whatever it is, under the layer that keeps SPIR-V in
// the file spirv. Operations choose as for AMD's GPUs.
func (t tools) open(spirv string) (*gpu.Device, error) {
	folder, err := filepath.Abs(string(t))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"liblayer.so", "layer.json", "radv"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return nil, fmt.Errorf("%w; make isa builds it", err)
		}
	}
	for name, value := range map[string]string{"VK_LAYER_PATH": folder, "VK_INSTANCE_LAYERS": layerName, "ISA_SPIRV": spirv} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return gpu.Open(gpu.Options{Backend: "vulkan", Class: gpu.ClassAMD, Extensions: []string{"f16", "subgroups"}, Tuner: &gpu.Tuner{}})
}

// spirv has wgpu translate the kernels and keeps the result of each in dir, as
// arguments of the tool; able are those that are in need of no extension of WGSL that the
// binding or the adapter at hand lacks, and left the names of the others.
func spirv(dev *gpu.Device, kept, dir string, all []kernels.Use) (args []string, able []kernels.Use, left []string, err error) {
	for i, u := range all {
		if err := dev.Check(u.Kernel); err != nil {
			if len(shaders.Extensions(u.Kernel.WGSL)) == 0 {
				return nil, nil, nil, err
			}
			left = append(left, u.Kernel.String()+" "+u.Precision)
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("%04d.spv", i))
		if err := os.Rename(kept, path); err != nil {
			return nil, nil, nil, fmt.Errorf("the SPIR-V of %s was not kept by the layer %s: %w", u.Kernel, layerName, err)
		}
		args, able = append(args, path, letters(u.Kernel)), append(able, u)
	}
	return args, able, left, nil
}

// letters are a kernel's bindings as the tool takes them: u uniform, s storage.
func letters(k *gpu.Kernel) string {
	text := "u"
	for _, b := range k.Bindings {
		if b.Length > 0 {
			text += "u"
		} else {
			text += "s"
		}
	}
	return text
}

// compile has RADV compile files for a chip. The error of a compiler that
// crashed names the kernel.
func (t tools) compile(ctx context.Context, c chip, icd string, args []string, all []kernels.Use) (report, error) {
	var err error
	for _, family := range c.families {
		var r report
		if r, err = t.compileAs(ctx, family, icd, args); err == nil && len(r.kernels) < len(all) {
			err = errors.New("it ended too early")
		}
		if err == nil {
			return r, nil
		}
		if r.device != "" { // the family is known
			return r, fmt.Errorf("%s (%s): compiling %s: %w", c.name, family, all[min(len(r.kernels), len(all)-1)].Kernel, err)
		}
	}
	return report{}, fmt.Errorf("%s: this Mesa knows none of %s: %w", c.name, strings.Join(c.families, ", "), err)
}

func (t tools) compileAs(ctx context.Context, family, icd string, args []string) (report, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(string(t), "radv"), args...)
	cmd.Env = append(os.Environ(), "RADV_FORCE_FAMILY="+family, "RADV_DEBUG=nocache", "VK_ICD_FILENAMES="+icd, "VK_DRIVER_FILES="+icd, "VK_INSTANCE_LAYERS=")
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	ran := cmd.Run()
	r, err := parseReport(&out)
	if ran != nil {
		err = fmt.Errorf("%w: %s", ran, strings.TrimSpace(log.String()))
	}
	return r, err
}

// radvICD finds the driver's manifest.
func radvICD() (string, error) {
	for _, folder := range []string{"/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"} {
		found, err := filepath.Glob(filepath.Join(folder, "radeon_icd*.json"))
		if err == nil && len(found) > 0 {
			return found[0], nil
		}
	}
	return "", errors.New("found no Vulkan driver radeon_icd*.json; on Debian and Ubuntu it is in mesa-vulkan-drivers")
}
