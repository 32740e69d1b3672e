import torchvision.models as M, inspect
names=['alexnet']+[f'vgg{n}{b}' for n in (11,13,16,19) for b in ('','_bn')]+['resnet18','resnet34','resnet50','resnet101','resnet152','wide_resnet50_2','wide_resnet101_2','resnext50_32x4d','resnext101_32x8d','resnext101_64x4d']+[f'efficientnet_b{i}' for i in range(8)]+['efficientnet_v2_s','efficientnet_v2_m','efficientnet_v2_l']+['vit_b_16','vit_b_32','vit_l_16','vit_l_32','vit_h_14']
for n in names:
    for w in M.get_model_weights(n):
        t=w.transforms()
        print(n,w.name,w.url.split('/')[-1],t.resize_size[0],t.crop_size[0],str(t.interpolation).split('.')[-1],tuple(t.mean),tuple(t.std), len(w.meta.get('categories') or []))
