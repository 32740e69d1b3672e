package nn

// Conversation is how a decoder that is talked to takes turns and the picture that they
// are about.
type Conversation struct {
	// Image is the token that stands for a tile of a picture, as texts have it, and ImageID
	// its id.
	Image   string
	ImageID uint32
	// Tile is how many of them a tile of so many pixels a side takes.
	Tile func(side int) (int, error)
	// Picture is what stands for a picture in so many rows and columns of tiles, zero of
	// one tile, each of so many tokens.
	Picture func(rows, columns, tokens int) string
	// Tokens are those that pictures' texts have, by the names under which a checkpoint's
	// tokenizer_config.json may say others.
	Tokens    map[string]string
	Templates []ChatTemplate
}

// ChatTemplate is a way to write turns, which is known by its Jinja text.
type ChatTemplate struct {
	Name string
	Hash string // SHA-256 of the text without white space at its ends, hexadecimal
	// First begins a text with a user's turn about a picture ("": none), up to where the
	// answer begins; Next goes on behind an answer. End ends turns.
	First func(picture, prompt string) string
	Next  func(prompt string) string
	End   string
}
