package anomaly

import (
	"errors"

	"saccade/models/nn"
)

// Family is the methods, by features of networks of other families.
var Family = nn.Family{
	Name: "anomaly", About: "what is unlike pictures of what is normal: PatchCore, PaDiM, AnomalyDINO",
	Weights:   "those of the -backbone, a CNN or for AnomalyDINO a vision transformer, such as -backbone wide_resnet50_2 -weights wide_resnet50_2-95faca4d.pth",
	Embedded:  "resnet",
	Anomalies: true,
	Standard:  standard,
	Timed:     []string{timed},
	Describe: func(nn.Checkpoint) (*nn.Description, error) {
		return nil, errors.New("it is features of other networks, compared; load one of those, such as resnet")
	},
}
