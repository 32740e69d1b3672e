package checkpoint

import (
	"context"
	"io/fs"
	"os"

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
