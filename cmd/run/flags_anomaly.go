package main

import (
	"errors"
	"flag"
	"slices"
	"strings"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/anomaly"
)

// comparing are the flags of what tells the unlike.
type comparing struct {
	normal   string
	method   string
	backbone string
	layers   []string
	coreset  float64
	quantile float64
}

// comparingFlags go with -model anomaly alone; those but -normal with that.
var comparingFlags = []string{"normal", "method", "backbone", "layers", "coreset", "quantile"}

func (c *comparing) flags(f *flag.FlagSet) {
	f.StringVar(&c.normal, "normal", "", "`FOLDER`: pictures of what is normal, of which -o FILE becomes a bank, the -index of later calls")
	f.Func("method", "`patchcore|padim|anomalydino`: how pictures are compared (default patchcore)", cli.OneOf(&c.method, texts(anomaly.Methods)...))
	f.StringVar(&c.backbone, "backbone", "", "`MODEL`: the network whose features are compared, as -model has it, with its -weights (default resnet, of anomalydino dinov2)")
	f.Func("layers", "`NAME,…`: the outputs that features are taken from, the largest first (default the network's two in the middle, of padim three)", func(s string) error {
		for _, name := range strings.Split(s, ",") {
			if name = strings.TrimSpace(name); name == "" || slices.Contains(c.layers, name) {
				return errors.New("expected names with commas, each once, such as layer.6,layer.12")
			}
			c.layers = append(c.layers, name)
		}
		return nil
	})
	f.Func("coreset", "`X`: the part of the patches that patchcore keeps, above 0 to 1 (default 0.1)", inRange(&c.coreset, 1e-6, 1))
	f.Func("quantile", "`X`: of the scores of normal pictures that were held out, above which is anomalous, 0 to 1 (default 0.99)", inRange(&c.quantile, 0, 1))
}

// anomalyFamily is the model that tells the unlike.
var anomalyFamily = anomaly.Family.Name

// anomalyFlags are those that go with it.
var anomalyFlags = append([]string{"model", "weights", "image", "camera", "view", "eval", "sensors", "index", "o", "json", "precision", "background", "size", "crop", "mean", "std", "adapter", "backend", "tuning", "why"}, comparingFlags...)

// notComparing refuses the flags of anomalies with other models.
func (o *options) notComparing() error {
	for _, name := range comparingFlags {
		if o.given[name] {
			return cli.Usagef("-%s goes with -model %s", name, anomalyFamily)
		}
	}
	return nil
}

// checkComparing finds flags that do not go together.
func (o *options) checkComparing() error {
	for _, name := range sorted(o.given) {
		if !slices.Contains(anomalyFlags, name) {
			return cli.Usagef("-%s does not go with -model %s", name, anomalyFamily)
		}
	}
	if o.normal != "" {
		switch {
		case o.out == "":
			return cli.Usagef("-normal needs -o FILE, the bank that is made of its pictures")
		case o.index != "" || len(o.images) > 0 || o.eval != "" || o.view:
			return cli.Usagef("-normal makes a bank: give -index, -image, -eval and -view to a later call")
		case o.method == string(anomaly.DINO) && len(o.layers) > 0 || o.method != "" && o.method != string(anomaly.PatchCore) && o.given["coreset"]:
			return cli.Usagef("-layers and -coreset do not go with -method %s", o.method)
		case o.backbone != "" && !slices.Contains(models.Names(), o.backbone):
			return &models.UnknownModelError{Name: o.backbone, Nearest: models.Nearest(o.backbone, models.Names())}
		}
		return nil
	}
	if o.index == "" {
		return cli.Usagef("%s compares with what is normal: give -normal FOLDER -o FILE first, then -index FILE with -image or -eval", anomalyFamily)
	}
	for _, name := range []string{"method", "backbone", "layers", "coreset", "quantile", "size", "crop", "mean", "std", "precision"} {
		if o.given[name] {
			return cli.Usagef("-%s goes with -normal; the bank of -index says it", name)
		}
	}
	switch {
	case (len(o.images) > 0) == (o.eval != ""):
		return cli.Usagef("-index with %s needs -image or -eval, one of them", anomalyFamily)
	case o.sensors != "" && (o.view || o.moving()):
		return cli.Usagef("-sensors goes with pictures that lie in files: -view, a video and -camera do not go with it")
	case o.view && (o.eval != "" || o.out != "" || o.json):
		return cli.Usagef("-view shows the pictures of -image in a window: -eval, -o and -json do not go with it")
	case o.eval != "" && o.out != "":
		return cli.Usagef("-o goes with -image: it draws heat maps")
	}
	return nil
}
