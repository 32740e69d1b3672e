package modeltest

// Hybrid are other values of the keys that RT-DETR and D-FINE share.
var Hybrid = map[string]string{
	"backbone_config": `{"model_type": "rt_detr_resnet", "hidden_sizes": [128, 512, 1024, 2048], "depths": [1, 1, 1, 1], "out_indices": [2, 3, 4]}`, "layer_norm_eps": `0.1`, "batch_norm_eps": `0.1`,
	"encoder_hidden_dim": `128`, "encoder_in_channels": `[512, 1024]`, "feat_strides": `[4, 8, 16]`, "encoder_layers": `2`, "encoder_ffn_dim": `99`, "encoder_attention_heads": `4`,
	"encode_proj_layers": `[1]`, "positional_encoding_temperature": `100`, "encoder_activation_function": `"relu"`, "activation_function": `"relu"`, "eval_size": `64`, "normalize_before": `true`,
	"hidden_expansion": `0.5`, "d_model": `128`, "num_queries": `7`, "decoder_in_channels": `[128, 256, 256]`, "decoder_ffn_dim": `99`, "num_feature_levels": `4`, "decoder_n_points": `2`,
	"decoder_layers": `2`, "decoder_attention_heads": `4`, "decoder_activation_function": `"gelu"`, "learn_initial_query": `true`, "anchor_image_size": `[640, 640]`,
	"decoder_n_levels": `4`, "decoder_offset_scale": `0.25`, "decoder_method": `"discrete"`, "id2label": `{"0": "a", "1": "b"}`,
}
