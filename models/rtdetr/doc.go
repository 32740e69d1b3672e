// Package rtdetr is RT-DETR (Zhao et al. 2023, "DETRs Beat YOLOs on Real-time Object
// Detection") and RT-DETRv2 (Lv et al. 2024), with the checkpoints of transformers.
//
// rtdetr.go is the network, checkpoint.go how a checkpoint tells its sizes; the encoder and
// the choice of the queries are in models/internal/hybrid.
package rtdetr
