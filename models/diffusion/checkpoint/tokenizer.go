package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"saccade/weights"
)

// tokenizers is a folder that gives a pipeline its tokenizers: that of another
// pipeline, or of one tokenizer for all.
type tokenizers struct{ folder }

// openTokenizer opens a folder, or a model of the hub.
func openTokenizer(ctx context.Context, src string, hub *weights.Hub) (layout, error) {
	path, err := weights.Resolve(ctx, src, hub, wantedTokenizer("", Tokenizer+"/", Tokenizer2+"/")...)
	if err != nil {
		return nil, err
	}
	return tokenizers{folder{fsys: os.DirFS(path), path: path}}, nil
}

// open implements layout. A second tokenizer that is not there is the first.
func (t tokenizers) open(name string) (*Part, error) {
	if _, err := fs.Stat(t.fsys, name); err != nil {
		name = Tokenizer
	}
	return t.folder.open(name)
}

// openCLIPPad is the token that fills the prompts of OpenCLIP's encoders, whose
// id is 0; those of OpenAI's have the end token.
const openCLIPPad = "!"

// padded is a tokenizer's files with another pad_token.
type padded struct {
	fs.FS
	token string
}

const tokenizerConfig = "tokenizer_config.json"

// Open implements [fs.FS]. Both files that name tokens name the other, of which
// special_tokens_map.json need not be there.
func (p padded) Open(name string) (fs.File, error) {
	if name != tokenizerConfig && name != "special_tokens_map.json" {
		return p.FS.Open(name)
	}
	var config map[string]json.RawMessage
	text, err := fs.ReadFile(p.FS, name)
	if name == tokenizerConfig && errors.Is(err, fs.ErrNotExist) {
		text, err = []byte("{}"), nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if config == nil { // of null
		config = map[string]json.RawMessage{}
	}
	config["pad_token"] = json.RawMessage(fmt.Sprintf("%q", p.token))
	if text, err = json.Marshal(config); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &configFile{*bytes.NewReader(text), name}, nil
}

// configFile is a JSON file in memory.
type configFile struct {
	bytes.Reader
	name string
}

func (f *configFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *configFile) Close() error               { return nil }
func (f *configFile) Name() string               { return f.name }
func (f *configFile) Mode() fs.FileMode          { return 0o444 }
func (f *configFile) ModTime() time.Time         { return time.Time{} }
func (f *configFile) IsDir() bool                { return false }
func (f *configFile) Sys() any                   { return nil }
