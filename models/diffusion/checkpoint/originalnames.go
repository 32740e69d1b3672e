package checkpoint

import (
	"fmt"
	"strconv"
	"strings"
)

// originalNames gives the name that a UNet's module has in the network's first
// publication, "" if none, which the readers of single files undo. modules are all
// of the UNet's, by diffusers' names, which tell where the blocks of a size begin.
func originalNames(modules []string) func(module string) string {
	layers, attentive := 0, map[string]bool{}
	for _, m := range modules {
		p := strings.Split(m, ".")
		if len(p) < 4 {
			continue
		}
		if j, err := strconv.Atoi(p[3]); err == nil && p[0] == "down_blocks" && p[2] == "resnets" {
			layers = max(layers, j+1)
		}
		if p[0] == "up_blocks" && p[2] == "attentions" {
			attentive[p[1]] = true
		}
	}
	return func(module string) string {
		for _, r := range unetRules {
			if to, ok := strings.CutSuffix(r.To, ".*"); ok && to == module {
				return strings.TrimSuffix(r.From, ".*")
			}
		}
		p := strings.Split(module, ".")
		switch {
		case len(p) > 3 && p[0] == "mid_block":
			return originalMiddle(p)
		case len(p) > 4:
			return originalBlock(p, layers, attentive[p[1]])
		}
		return ""
	}
}

// originalMiddle is the name of a module in the middle, of its parts.
func originalMiddle(p []string) string {
	at, err := strconv.Atoi(p[2])
	if err != nil {
		return ""
	}
	if p[1] == "attentions" {
		return join("middle_block", strconv.Itoa(2*at+1), strings.Join(p[3:], "."))
	}
	return join("middle_block", strconv.Itoa(2*at), originalResnet(p[3]))
}

// originalBlock is the name of a module of a numbered block, of its parts.
// layers is the number of residual blocks of a size on the way down.
func originalBlock(p []string, layers int, attentive bool) string {
	level, err1 := strconv.Atoi(p[1])
	at, err2 := strconv.Atoi(p[3])
	if err1 != nil || err2 != nil {
		return ""
	}
	way, block := "input_blocks", 1+level*(layers+1)+at
	if p[0] == "up_blocks" {
		way, block = "output_blocks", level*(layers+1)+at
	}
	rest := strings.Join(p[4:], ".")
	switch p[2] {
	case "resnets":
		return join(way, strconv.Itoa(block), "0", originalResnet(rest))
	case "attentions":
		return join(way, strconv.Itoa(block), "1", rest)
	case "downsamplers":
		return fmt.Sprintf("%s.%d.0.op", way, (level+1)*(layers+1))
	case "upsamplers":
		layer := 1
		if attentive {
			layer = 2
		}
		return fmt.Sprintf("%s.%d.%d.conv", way, level*(layers+1)+layers, layer)
	}
	return ""
}

// originalResnet is the name of a residual block's layer.
func originalResnet(layer string) string {
	for _, r := range resnetRules {
		if r.To == "**."+layer+".*" {
			return strings.TrimSuffix(strings.TrimPrefix(r.From, "**."), ".*")
		}
	}
	return layer
}

func join(parts ...string) string { return strings.Join(parts, ".") }
