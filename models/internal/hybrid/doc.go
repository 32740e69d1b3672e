// Package hybrid is what RT-DETR (Zhao et al. 2023, "DETRs Beat YOLOs on Real-time Object
// Detection") and its descendants share: a hybrid encoder of a backbone's maps, which attends
// within the last of them and fuses it with the others downwards and upwards, and the choice
// of those pixels that become the decoder's queries.
//
// It knows no checkpoint of its own: packages rtdetr and dfine read theirs by its keys.
package hybrid
