// Package tokenizer turns a text into the token ids that a network was trained on,
// and ids into a text, as the files of a checkpoint of transformers say:
//
//   - CLIP: byte-level byte-pair encoding (Sennrich et al. 2016) with CLIP's
//     clean-up; tokenizer.json, or vocab.json and merges.txt.
//   - SigLIP: sentencepiece's Unigram (Kudo 2018) after SigLIP's canonicalisation;
//     spiece.model as transformers' SiglipTokenizer reads it, or tokenizer.json.
//     The two are not the same: transformers takes spiece.model where it is there,
//     and so does this package.
//   - SigLIP 2: Gemma's byte-pair encoding, unknown characters as bytes;
//     tokenizer.json. Capitals become small if the normalizer, the class
//     Siglip2Tokenizer or do_lower_case say so.
//   - BERT, BLIP: WordPiece; tokenizer.json, or vocab.txt.
//   - GPT-2, RoBERTa, Whisper, SmolLM, Qwen 2, Llama 3: byte-level byte-pair
//     encoding; tokenizer.json, or vocab.json and merges.txt.
//   - XLM-R, TrOCR's small: Unigram with fairseq's ids; tokenizer.json, or
//     sentencepiece.bpe.model.
//
// Of a class that transformers builds from its own settings and the configuration's
// (BertTokenizer, XLMRobertaTokenizer; of GPT2Tokenizer and its kin add_prefix_space
// and the tokens around a text) these hold, as there, whatever tokenizer.json says.
//
// What is a letter and what a number follows Go's Unicode tables: a letter that
// Unicode got later is taken for a sign.
//
// It is not a general reader of tokenizer.json or of sentencepiece models: what is
// not as those families have it, and so not compared with transformers, is refused
// with what was found.
package tokenizer
