package main

import (
	"flag"
	"slices"

	"saccade/cmd/internal/cli"
	"saccade/models"
)

// The words that may stand before the flags: what is made of a shard's pictures.
const (
	embedWord    = "embed"
	classifyWord = "classify"
	captionWord  = "caption"
)

// shardWords are those words with the model that does it unless -model names another.
var shardWords = map[string]string{embedWord: "clip", classifyWord: "vit", captionWord: "blip"}

// sharding are the flags of a shard of pictures.
type sharding struct {
	word           string // "": no shard
	shard, parquet string
	fastDecode     bool
}

func (s *sharding) flags(f *flag.FlagSet) {
	f.StringVar(&s.shard, "in", "", "`SHARD`: after run embed, classify or caption: a folder, a list of files, a tar archive (WebDataset) or a Parquet file with pictures")
	f.StringVar(&s.parquet, "out", "", "`FILE.parquet`: a row for each picture of -in; what is there already of the same shard and model is not made again")
	f.BoolVar(&s.fastDecode, "fast-decode", false, "decodes a JPEG that is much larger than the network's picture at a half, a fourth or an eighth of its size: faster, with slightly other numbers")
}

// take takes the word from the command line.
func (s *sharding) take(args []string) []string {
	if len(args) > 0 {
		if _, ok := shardWords[args[0]]; ok {
			s.word = args[0]
			return args[1:]
		}
	}
	return args
}

// The flags that go with a shard: with all words, and with one.
var (
	shardFlags   = []string{"in", "out", "fast-decode", "model", "weights", "lora", "precision", "batch", "size", "crop", "mean", "std", "background", "json", "adapter", "backend", "tuning", "why"}
	shardFlagsOf = map[string][]string{embedWord: nil, classifyWord: {"labels", "top"}, captionWord: {"question", "prompt", "max-tokens", "beams", "tiles"}}
)

// checkShard finds flags that do not go together.
func (o *options) checkShard() error {
	if o.word == "" {
		return cli.Usagef("-in, -out and -fast-decode go with run embed, run classify or run caption")
	}
	for _, name := range sorted(o.given) {
		if !slices.Contains(shardFlags, name) && !slices.Contains(shardFlagsOf[o.word], name) {
			return cli.Usagef("-%s does not go with run %s", name, o.word)
		}
	}
	if o.model == "" {
		o.model = shardWords[o.word]
	}
	f, err := models.FindFamily(o.model)
	switch {
	case err != nil:
		return err
	case o.shard == "":
		return cli.Usagef("run %s: give -in SHARD, a folder, a list, a tar archive or a Parquet file", o.word)
	case o.parquet == "":
		return cli.Usagef("run %s: give -out FILE.parquet", o.word)
	case samePath(o.shard, o.parquet):
		return cli.Usagef("-in and -out both name %s", o.shard)
	case !images(f) || f.Reads || f.Anomalies || f.Segments:
		return cli.Usagef("run %s does not go with %s, which makes something else of a picture", o.word, o.model)
	case o.word == captionWord && !f.Writes:
		return cli.Usagef("run caption: %s writes no texts; -list-models names those that do", o.model)
	case o.word != captionWord && f.Writes:
		return cli.Usagef("run %s does not go with %s, which writes texts: run caption", o.word, o.model)
	case o.word == captionWord:
		return o.checkWriting()
	}
	return nil
}
