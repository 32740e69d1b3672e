package main

import (
	"errors"
	"flag"
	"math"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
)

// writing are the flags of models that write texts.
type writing struct {
	question    string
	maxTokens   int
	beams       int
	temperature float64
	topK        int
	topP        float64
	generate    bool
	match       string
	sounds      []string
	language    string
	task        string
	timestamps  bool
	chat        bool
	tiles       string
}

// The ways of -match.
const (
	matchITM    = "itm"
	matchCosine = "cosine"
)

// What -tiles may be.
const (
	oneTile  = "1"
	allTiles = "all"
)

// What -task may be.
const (
	taskTranscribe = "transcribe"
	taskTranslate  = "translate"
)

func (w *writing) flags(f *flag.FlagSet) {
	f.Func("question", "`TEXT`: a question about the picture, for models that answer", func(s string) error {
		if w.question = s; strings.TrimSpace(s) == "" {
			return errors.New("the question is empty")
		}
		return nil
	})
	f.Func("max-tokens", "`N`: the most tokens to write (default the checkpoint's, else 20)", cli.Whole(&w.maxTokens, 1, 1<<20))
	f.Func("beams", "`N`: texts that are followed at once, of which the likeliest is taken (default the checkpoint's, else 1)", cli.Whole(&w.beams, 1, 16))
	f.Func("temperature", "`X`: draws tokens by -seed, the less likely ones the more often the higher it is; 0 takes the likeliest (default the checkpoint's way)", inRange(&w.temperature, 0, 100))
	f.Func("top-k", "`N`: draws among the N likeliest tokens; 0 = all (default 50)", cli.Whole(&w.topK, 0, math.MaxInt32))
	f.Func("top-p", "`X`: draws among the likeliest tokens that have that probability together (default 1)", inRange(&w.topP, 0, 1))
	f.BoolVar(&w.generate, "generate", false, "with -input: writes texts that begin with the ids in it, in place of their logits")
	f.Func("audio", "`FILE`: a sound, for models that hear: WAV, or what ffmpeg reads where it is installed; or a folder: those in it and below, sorted by path; may be repeated", func(s string) error {
		w.sounds = append(w.sounds, s)
		return nil
	})
	f.StringVar(&w.language, "language", "", "`NAME`: of what is said, in English or as a code such as ko (default the checkpoint's, else it is found out)")
	f.Func("task", "`transcribe|translate`: in its language, or into English (default the checkpoint's)", cli.OneOf(&w.task, taskTranscribe, taskTranslate))
	f.BoolVar(&w.timestamps, "timestamps", false, "writes when each part is said")
	f.BoolVar(&w.chat, "chat", false, "each -prompt is a turn that sees those before it and their answers")
	f.Func("tiles", "`1|all`: sees a picture as one tile, or as its parts and the whole, which shows more and takes longer (default the checkpoint's)", cli.OneOf(&w.tiles, oneTile, allTiles))
	f.Func("match", "`itm|cosine`: how -text is compared with pictures by a BLIP: read together (default), or by the cosine of embeddings", cli.OneOf(&w.match, matchITM, matchCosine))
}

// writingFlags go with models that write texts alone, hearingFlags with those among them
// that hear, conversingFlags with those that are talked to, drawingTokens with those that
// draw.
var (
	conversingFlags = []string{"chat", "tiles"}
	hearingFlags    = []string{"audio", "language", "task", "timestamps"}
	writingFlags    = []string{"question", "max-tokens", "beams", "temperature", "top-k", "top-p", "generate"}
	drawingTokens   = []string{"temperature", "top-k", "top-p"}
)

// writes says that a model writes texts.
func writes(name string) bool {
	f, err := models.FindFamily(name)
	return err == nil && f.Writes
}

// hears says that a model writes what is said in sounds.
func hears(name string) bool {
	f, err := models.FindFamily(name)
	return err == nil && f.Hears
}

// checkHearing finds flags that do not go together, of a model that hears or of another.
func (o *options) checkHearing() error {
	if !hears(o.model) {
		for _, name := range hearingFlags {
			if o.given[name] && (name != "audio" || o.soundWeights == "") {
				return cli.Usagef("-%s goes with a model that hears, such as whisper", name)
			}
		}
		return nil
	}
	switch {
	case o.question != "" || len(o.prompts) > 0 || len(o.texts) > 0:
		return cli.Usagef("%s writes what is said: -question, -prompt and -text do not go with it", o.model)
	case len(o.images) > 0:
		return cli.Usagef("%s hears: give -audio FILE in place of -image", o.model)
	}
	return nil
}

// converses says that a model is talked to.
func converses(name string) bool {
	f, err := models.FindFamily(name)
	return err == nil && f.Converses
}

// checkConversing finds flags that do not go together, of a model that is talked to or of
// another.
func (o *options) checkConversing() error {
	if !converses(o.model) {
		for _, name := range conversingFlags {
			if o.given[name] {
				return cli.Usagef("-%s goes with a model that is talked to, such as smolvlm", name)
			}
		}
		return nil
	}
	asked := o.question != "" || len(o.prompts) > 0
	switch {
	case o.chat && len(o.prompts) == 0:
		return cli.Usagef("-chat takes its turns from -prompt, which may be repeated")
	case o.input == "" && !o.verify && !o.profile && !asked:
		return cli.Usagef("%s answers: give -prompt TEXT", o.model)
	case o.view || o.explain != "":
		return cli.Usagef("-view and -explain do not go with %s", o.model)
	case o.input != "" && o.given["tiles"]:
		return cli.Usagef("-input takes tiles as they are: -tiles does not go with it")
	}
	return nil
}

// checkWriting finds flags that do not go together, of a model that writes or of
// another.
func (o *options) checkWriting() error {
	if err := o.checkHearing(); err != nil {
		return err
	}
	if err := o.checkConversing(); err != nil {
		return err
	}
	if !writes(o.model) {
		for _, name := range append(slices.Clone(writingFlags), "match") {
			if o.given[name] {
				return cli.Usagef("-%s goes with a model that writes texts, such as blip", name)
			}
		}
		return nil
	}
	draws := slices.ContainsFunc(drawingTokens, func(name string) bool { return o.given[name] })
	switch {
	case o.beams > 1 && draws:
		return cli.Usagef("-beams takes the likeliest text, -temperature, -top-k and -top-p draw one; give one of them")
	case o.question != "" && len(o.prompts) > 0:
		return cli.Usagef("-question and -prompt exclude each other")
	case len(o.prompts) > 1 && !o.chat:
		return cli.Usagef("%d prompts; expected one", len(o.prompts))
	case o.generate && o.input == "":
		return cli.Usagef("-generate goes with -input")
	case o.input != "" && (o.question != "" || len(o.prompts) > 0):
		return cli.Usagef("-input takes ids in place of -question and -prompt")
	case o.eval != "" || o.similar != "" || o.index != "" || o.examples != "":
		return cli.Usagef("%s writes texts: -eval, -similar, -index and -examples do not go with it", o.model)
	case o.given["match"] && len(o.texts) == 0 && o.input == "":
		return cli.Usagef("-match goes with -text")
	case len(o.texts) > 0 && (o.question != "" || len(o.prompts) > 0):
		return cli.Usagef("-text, -question and -prompt exclude each other")
	}
	return nil
}
