// Package bert is the text encoders BERT (Devlin et al. 2018), RoBERTa, XLM-R and
// DistilBERT of transformers, with what sentence-transformers does behind them: pooling,
// dense layers, norms (Reimers and Gurevych 2019).
//
// [Text] is BERT's layers by themselves, which BLIP's texts are read and written by too.
// Heads of classes and of masked words are not here, nor encoders with relative positions.
package bert
