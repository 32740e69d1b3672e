package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"saccade/cmd/internal/cli"
	"saccade/models/diffusion"
	"saccade/models/nn"
)

// checkUTF8 refuses a text that is none, and says where.
func checkUTF8(text string) error {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return fmt.Errorf("it is no UTF-8: byte %#02x at place %d; expected a text in UTF-8", text[i], i+1)
		}
	}
	return nil
}

// checkPrompts looks at the texts of the flags.
func (o *options) checkPrompts() error {
	for _, prompt := range o.prompts {
		if err := checkUTF8(prompt); err != nil {
			return cli.Usagef("-prompt: %w", err)
		}
	}
	if err := checkUTF8(o.negative); err != nil {
		return cli.Usagef("-negative-prompt: %w", err)
	}
	return nil
}

// drawn are prompts as they are drawn: without the names of LoRAs, where they are read
// as AUTOMATIC1111 does.
func (o *options) drawn(prompts []string) []string {
	if o.syntax != diffusion.A1111 {
		return prompts
	}
	out := make([]string, len(prompts))
	for i, prompt := range prompts {
		out[i], _, _ = diffusion.Networks(prompt) // which promptLoRAs has looked at
	}
	return out
}

// promptLoRAs adds those that prompts ask for by name to those of -lora. The prompts
// of a call share the weights, so that all ask for the same.
func (a *app) promptLoRAs(prompts []string) error {
	if a.syntax != diffusion.A1111 {
		return nil
	}
	var wanted []diffusion.Network
	for i, prompt := range prompts {
		_, found, err := diffusion.Networks(prompt)
		if err != nil {
			return a.ofPrompt(err)
		}
		if i > 0 && !slices.Equal(found, wanted) {
			return a.ofPrompt(errors.New("the prompts ask for different LoRAs, and all are drawn with the same weights; draw them one by one"))
		}
		wanted = found
	}
	given := slices.Clone(a.loras)
	for _, n := range wanted {
		file, err := a.findLoRA(n, given)
		if err != nil {
			return a.ofPrompt(err)
		}
		a.loras = append(a.loras, nn.LoRA{File: file, Scale: n.Scale})
	}
	return nil
}

// ofPrompt is an error of a prompt: of a flag, or of a file.
func (a *app) ofPrompt(err error) error {
	if a.promptFile != "" {
		return fmt.Errorf("prompts %s: %w", a.promptFile, err)
	}
	return cli.Usage(err)
}

// findLoRA finds the file of a LoRA that a prompt names: beside the checkpoint, in its
// folder, or beside a LoRA that is given.
func (a *app) findLoRA(n diffusion.Network, given []nn.LoRA) (string, error) {
	tag := fmt.Sprintf("<lora:%s:%g>", n.Name, n.Scale)
	if n.Name == "" || filepath.Base(n.Name) != n.Name || strings.ContainsAny(n.Name, `/\`) {
		return "", fmt.Errorf("the prompt's %s: expected the name of a file without its folder; give the file as -lora FILE:%g", tag, n.Scale)
	}
	var folders []string
	look := func(path string) {
		info, err := os.Stat(path)
		switch {
		case path == "" || err != nil:
		case info.IsDir():
			folders = append(folders, path, filepath.Dir(filepath.Clean(path)))
		default:
			folders = append(folders, filepath.Dir(path))
		}
	}
	look(a.weights)
	for _, l := range given {
		if name, _, _ := strings.Cut(filepath.Base(l.File), ".safetensors"); name == n.Name {
			return "", fmt.Errorf("the LoRA %s is named by -lora and by the prompt's %s; leave one out", n.Name, tag)
		}
		look(l.File)
	}
	for _, dir := range folders {
		file := filepath.Join(dir, n.Name+".safetensors")
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file, nil
		}
	}
	return "", fmt.Errorf("the prompt's %s: there is no %s.safetensors beside the checkpoint or a LoRA of -lora; give -lora FILE:%g and leave it out of the prompt", tag, n.Name, n.Scale)
}

// note prints a line on stderr, its end left out where it is longer than people read.
func (a *app) note(format string, args ...any) {
	const most = 200
	line := []rune(strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
	if len(line) > most {
		line = append(line[:most-1], '…')
	}
	fmt.Fprintln(a.stderr, string(line))
}

// notePlain says that a prompt looks as if it were to be read otherwise.
func (a *app) notePlain(prompts []string) {
	if a.given["prompt-syntax"] {
		return
	}
	for _, prompt := range append(slices.Clone(prompts), a.negative) {
		if part := diffusion.LooksWeighted(prompt); part != "" {
			a.note("the prompt is read as plain text; -prompt-syntax a1111 reads %.60q as AUTOMATIC1111 does", part)
			return
		}
	}
}

// warn tells what the text towers did not see of the prompts.
func (w *painter) warn(run *diffusion.Run) {
	const left = "is too long: its end was left out"
	for i, rest := range run.Truncated {
		if rest != "" {
			w.note("the prompt %s (-prompt-syntax a1111 takes any length): %q", left, rest)
			if w.doc.Truncated == "" && i == 0 {
				w.doc.Truncated = rest
			}
		}
	}
	if rest := run.TruncatedNegative; rest != "" && w.doc.TruncatedNegative == "" {
		w.note("the negative prompt %s: %q", left, rest)
		w.doc.TruncatedNegative = rest
	}
}
