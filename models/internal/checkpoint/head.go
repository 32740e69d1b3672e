package checkpoint

import (
	"fmt"
	"regexp"
	"strings"

	"saccade/models/nn"
	"saccade/weights"
)

// Common are the keys of all configs of transformers that tell of the head.
type Common struct {
	Labels  map[string]string `json:"id2label"`
	Problem *string           `json:"problem_type"`
}

// CommonInert are the keys of all configs of transformers that change nothing of an
// inference.
var CommonInert = []string{"transformers_version", "architectures", "output_hidden_states", "return_dict", "dtype", "chunk_size_feed_forward", "is_encoder_decoder", "label2id"}

// Head is a classifier's labels and what its logits are shown as by transformers'
// pipeline.
func (c Common) Head(classes int) (labels []string, scores nn.Scores, err error) {
	if classes == 0 {
		return nil, nn.Softmax, nil
	}
	if labels, err = Labels(c.Labels, classes); err != nil {
		return nil, 0, fmt.Errorf("config.json: %w", err)
	}
	problem := ""
	if c.Problem != nil {
		problem = *c.Problem
	}
	switch {
	case problem == "regression":
		return labels, nn.Plain, nil
	case problem == "multi_label_classification" || classes == 1 && (problem == "" || problem == "single_label_classification"):
		return labels, nn.Sigmoid, nil
	case problem == "" || problem == "single_label_classification":
		return labels, nn.Softmax, nil
	}
	return nil, 0, fmt.Errorf("config.json: problem_type is %q; expected regression, single_label_classification or multi_label_classification", problem)
}

// ReplacedHead shows a head that somebody put in place of the layer of that name
// under its name: head.N, the one layer with parameters of a sequence, or one of
// those others. The note says so; "" is that the head is as it was, or none.
func ReplacedHead(src weights.Source, name string, others ...string) (weights.Source, string) {
	if Has(src, name+".weight") {
		return src, ""
	}
	within := regexp.MustCompile("^" + regexp.QuoteMeta(name) + `\.\d+\.weight$`)
	var found []string
	for _, n := range src.Names() {
		layer := strings.TrimSuffix(n, ".weight")
		for _, other := range others {
			if n == other+".weight" {
				found = append(found, layer)
			}
		}
		if within.MatchString(n) {
			found = append(found, layer)
		}
	}
	if len(found) != 1 || Dim(src, found[0]+".weight", 1) == 0 || Dim(src, found[0]+".weight", 2) > 0 {
		return src, "" // none, or layers that are missed when all are bound
	}
	return weights.Rename(src, []weights.Rule{{From: found[0] + ".*", To: name + ".*"}}),
		fmt.Sprintf("the head is %s, in place of %s; layers without parameters around it, such as a softmax, are not known and not applied", found[0], name)
}
