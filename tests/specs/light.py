"""Settings for networks and trains that take long to run as they are published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from references import VITS

_NARROW = {"width": 32, "heads": 4, "depth": 2, "vocabulary": 99}
_NARROW_IMAGES = {"width": 32, "heads": 4, "depth": 2, "classes": 10}
_LLAMAS = ("Llama2_7B", "Llama3_8B", "Llama3_8BPrefill", "Llama3_8BStep", "Mistral7B")

LIGHT: Mapping[str, Mapping[str, Any]] = {
    **{f"gpt2:GPT2{size}": _NARROW | {"positions": 64} for size in ("Small", "Medium", "Large", "XL")},
    **{f"bert:Bert{name}": _NARROW | {"hidden": 48, "positions": 64} for name in ("Model", "ForMaskedLM", "Large")},
    **{f"swin:Swin{size}": {"channels": 24, "depths": [2, 2]} for size in ("Tiny", "Small", "Base")},
    "transformer:TransformerEncoder": {"width": 32, "heads": 4, "depth": 2, "hidden": 48},
    "clip:CLIP_B_32": {
        "text": [32, 2, 4, 48],
        "vision": [48, 2, 4, 64],
        "dim": 16,
        "size": 64,
        "vocabulary": 99,
        "end": 1,
    },
    **{f"beit:BEiT_{size}_16": _NARROW_IMAGES | {"size": 32} for size in "BL"},
    **{f"cait:CaiT_{size}": _NARROW_IMAGES | {"size": 32} for size in ("XXS24", "XXS36", "S24", "M36")},
    **{f"vit:ViT_{size}": _NARROW_IMAGES | {"size": 2 * int(size[2:])} for size in VITS},
    **{f"vit:DeiT{size}Distilled": _NARROW_IMAGES | {"size": 32} for size in ("Tiny", "Small", "Base")},
    **{f"llama:{name}": _NARROW | {"hidden": 48, "kv_heads": 2} for name in _LLAMAS},
    "selective_scan:Mamba130M": {"width": 32, "depth": 2, "rank": 2, "vocabulary": 99},
    "llama:Llama3_1_8B": {"width": 512, "heads": 4, "kv_heads": 2, "depth": 2, "hidden": 48, "vocabulary": 99},
    "mixtral:Mixtral8x7B": _NARROW | {"hidden": 48, "kv_heads": 2},
    **{f"yolov8:YOLOv8{size}": {"depth": 0.1, "width": 0.1, "widest": 256} for size in "smlx"},
    "convnext:ConvNeXtLarge": {"depths": [1, 1, 2, 1]},
    "mlp_mixer:Mixer_L16": {"depth": 2, "size": 64},
    **{f"resnet:{name}": {"side": 32} for name in ("LinearProbe", "FineTune")},
    "dpn:DPN107": {"depths": [2, 2, 2, 1]},
    "poolformer:PoolFormer_M48": {"depths": [1, 1, 2, 1]},
    "gcn:GCN": {"inputs": 12},
    "alexnet:Classify": {"side": 64, "hidden": 32, "classes": 3},
    "unet:Segment": {"side": 16, "width": 4, "depth": 1, "classes": 3},
    "pix2pix:Generator": {"width": 4},
    "pix2pix:Discriminator": {"width": 8},
    "pix2pix:TrainPix2Pix": {"width": 2},
    "cyclegan:Generator": {"width": 8, "blocks": 2},
    "cyclegan:Discriminator": {"width": 8},
    "cyclegan:TrainCycleGAN": {"width": 4, "blocks": 1, "side": 32},
    "super_resolution:Generator": {"width": 8, "blocks": 2},
    "super_resolution:Discriminator": {"width": 8},
    "super_resolution:TrainSRGAN": {"width": 8, "blocks": 1, "side": 16},
    "gcn:EdgeGCN": {"inputs": 12},
    **{
        f"whisper:Whisper{size}": {"width": 24, "depth": 2, "heads": 2, "vocabulary": 99, "frames": 60, "places": 20}
        for size in ("Tiny", "Base", "Small", "Medium", "Large")
    },
    **{
        f"conformer:{name}": {
            "width": 32,
            "depth": 2,
            "heads": 4,
            "hidden": 48,
            "channels": [16] * 3,
            "kernels": [10, 3, 3],
            "strides": [5, 2, 2],
        }
        for name in ("Conformer", "RelativeConformer")
    },
    "ddpm:Denoise": {"widths": [32, 64]},
    "ddpm:DDPMCifar10": {"widths": [32, 64, 64], "size": 16},
    "autoencoder_kl:AutoencoderKL": {"widths": [32, 64], "depth": 1, "size": 16},
    "hdenseunet:DenseUNet2D": {"depths": [1, 1, 1, 1], "widths": [120, 144, 96, 96, 64]},
    "hdenseunet:HDenseUNet": {"depths": [1, 1, 1, 1], "depths3d": [1, 1, 1, 1]},
    "hdenseunet:HDenseUNet3DStage": {"depths": [1, 1, 1, 1], "depths3d": [1, 1, 1, 1]},
    "nnunet:NNUNet2D": {"patch": [64, 64], "width": 8, "widest": 32},
    "nnunet:NNUNet3D": {"patch": [16, 16, 16], "width": 8},
    "nnunet:NNUNet3DDeep": {"width": 2, "widest": 8},
    "nnunet:NNUNetAnisotropic": {"patch": [8, 48, 32], "width": 8},
    "unet3d:ResidualUNet3D": {"widths": [16, 32, 64]},
    "nvae:NVAE": {"size": 16, "width": 8, "groups": [2, 1], "latent": 4, "outputs": 10},
    "nvae:Sampler": {"smallest": 4, "width": 8, "groups": [2, 1], "latent": 4, "outputs": 10},
    "progan:Generator": {"resolution": 16},
    "progan:Discriminator": {"resolution": 16},
    "progan:LabelledGenerator": {"resolution": 16},
    "progan:LabelledDiscriminator": {"resolution": 16},
    "progan:ConditionalGenerator": {"level": 1},
    "progan:ConditionalDiscriminator": {"level": 1},
    "stylegan:Generator": {"level": 1},
    "stylegan:Mixing": {"level": 1},
    "stylegan:Truncated": {"level": 1},
    "stylegan:Discriminator": {"level": 1},
    "stylegan:OfficialGenerator": {"resolution": 16},
}
