"""Which reference implementation a shipped network is compared with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple

from catalogue import TRUTH, graph_of
from torch import nn

from dlspec.ir.graph import Graph


class Weight(NamedTuple):
    """A row of a state dict."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    kind: str


@dataclass(frozen=True)
class Reference:
    """A shipped network, as ``file:Network``, and a record of truth/ that it equals. Of what torchvision or timm has and
    truth/ has not, the figures are measured (``oracle.figures_of``).

    * ``settings``: of the network, so that it is the reference's.
    * ``torchvision``: the name in ``torchvision.models`` and the arguments of the function that builds the reference.
    * ``timm``: the same of ``timm.create_model``.
    * ``deployed``: timm's model with the branches of its blocks added up.
    * ``inputs``: the shapes to count with, where they are not the record's.
    * ``training``: the record was measured in training mode, where auxiliary outputs exist.
    * ``prefix``: what the reference has before each of its names, ``inside`` what the network has.
    * ``unit``: the inputs of its fingerprint are from 0 to 1, not from -1.
    * ``reordered``: it declares its weights in another order than it applies them, in which ours are.
    * ``beside``: a pattern of names that it has and the network has not, of parts that it does not reach here.
    * ``frozen``: elements of weights that it does not train; of what stays as it is, a `train` decides, not a network.
    * ``unrun``: a pattern of steps whose weights it has, and which it forgets to run.
    * ``unsaved``: elements of buffers that are in no state dict, which are constants here.
    * ``small``: sizes to compare the computation with the model's at; without them it is not compared.
    * ``gain``: the variance of the weights to compare with, times their fan-in: where hundreds of layers without a ReLU
      would make of a rounding a difference, it is less.
    * ``double``: rounding to float32 shows in the outputs, so the computation is compared in float64.
    """

    network: str
    record: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    torchvision: tuple[str, Mapping[str, Any]] | None = None
    timm: tuple[str, Mapping[str, Any]] | None = None
    deployed: bool = False
    inputs: tuple[tuple[int, ...], ...] = ()
    training: bool = False
    prefix: str = ""
    inside: str = ""
    small: Mapping[str, int] = field(default_factory=dict[str, int])
    gain: float = 2.0
    double: bool = False
    unit: bool = False
    reordered: bool = False
    beside: str = ""
    frozen: int = 0
    unrun: str = ""
    unsaved: int = 0

    def __str__(self) -> str:
        return f"{self.network.partition(':')[2]}~{self.record}"

    @property
    def has_model(self) -> bool:
        """Whether the reference can be built, by torchvision or timm."""
        return self.torchvision is not None or self.timm is not None

    @property
    def figures(self) -> Mapping[str, Any] | None:
        """Those of the record. None where there is no such record."""
        return _figures().get(self.record)

    @property
    def truth(self) -> Mapping[str, Any]:
        """The state dict and the fingerprint of the record."""
        return json.loads((TRUTH / f"{self.record}.json").read_text(encoding="utf-8"))

    @property
    def published(self) -> list[Weight]:
        """The record's state dict, by the names of the network. Empty where it has none."""
        return [Weight(self.renamed(key), tuple(shape), dtype, kind) for key, shape, dtype, kind in self.truth["state"]]

    @property
    def state(self) -> list[Weight]:
        """What the network has of it."""
        return [weight for weight in self.published if not re.fullmatch(self.beside, weight.key)]

    def renamed(self, key: str) -> str:
        assert key.startswith(self.prefix)
        return self.inside + key.removeprefix(self.prefix)

    def graph(self, sizes: Mapping[str, int] | None = None) -> Graph:
        return graph_of(self.network, self.settings, sizes)

    def graph_to_run(self, sizes: Mapping[str, int]) -> Graph:
        return graph_of(self.network, self.settings, sizes, self.double)


def _torchvision(network: str, builder: str, small: Mapping[str, int], **arguments: Any) -> Reference:
    return Reference(network, f"tv_{builder.rpartition('.')[2]}", torchvision=(builder, arguments), small=small)


def _segmentation(network: str, builder: str, small: Mapping[str, int]) -> tuple[Reference, Reference]:
    """With the classifier of training, and without."""
    plain = _torchvision(network, f"segmentation.{builder}", small, weights_backbone=None)
    arguments = {"weights_backbone": None, "aux_loss": True}
    with_aux = Reference(network, f"tv_{builder}_aux", torchvision=(plain.torchvision[0], arguments), training=True)
    return replace(plain, settings={"aux": False}), with_aux


def _timm(network: str, name: str, small: Mapping[str, int] | None = None, **arguments: Any) -> Reference:
    return Reference(network, f"timm_{name}", timm=(name, arguments), small=small or {})


_NO_AUX = {"aux_logits": False, "init_weights": False}
_AUX = {"aux_logits": True, "init_weights": False}
_EVEN, _ODD = {"H": 64, "W": 96}, {"H": 65, "W": 83}
VITS = ("B_16", "B_32", "L_16", "L_32", "H_14")

REFERENCES: tuple[Reference, ...] = (
    Reference("lenet:LeNet5", "d2l_lenet", inputs=((1, 1, 32, 32),), prefix="net."),
    Reference("lenet:LeNet5MaxPool", "rasbt_lenet5_mnist"),
    # Each sin(30 x) makes a difference some twenty times larger: float32 leaves two digits after four of them.
    Reference("siren:Siren", "siren_sine_256x3", double=True),
    _torchvision("alexnet:AlexNet", "alexnet", {"H": 80, "W": 97}),
    # Half a gigabyte of weights each: every depth is run once, and both forms are.
    _torchvision("vgg:VGG11", "vgg11", _EVEN),
    _torchvision("vgg:VGG13", "vgg13", {}),
    _torchvision("vgg:VGG16", "vgg16", _EVEN),
    _torchvision("vgg:VGG19", "vgg19", {}),
    _torchvision("vgg:VGG11_BN", "vgg11_bn", {}),
    _torchvision("vgg:VGG13_BN", "vgg13_bn", _ODD),
    _torchvision("vgg:VGG16_BN", "vgg16_bn", {}),
    _torchvision("vgg:VGG19_BN", "vgg19_bn", _ODD),
    _torchvision("resnet:ResNet18", "resnet18", _ODD),
    _torchvision("resnet:ResNet34", "resnet34", _ODD),
    _torchvision("resnet:ResNet50", "resnet50", _ODD),
    _torchvision("resnet:ResNet101", "resnet101", _EVEN),
    _torchvision("resnet:ResNet152", "resnet152", _EVEN),
    _torchvision("resnet:ResNeXt50_32x4d", "resnext50_32x4d", _ODD),
    _torchvision("resnet:WideResNet50_2", "wide_resnet50_2", _ODD),
    _torchvision("resnext:ResNeXt101_32x8d", "resnext101_32x8d", {}),
    _torchvision("resnext:ResNeXt101_64x4d", "resnext101_64x4d", {"H": 64, "W": 64}),
    _torchvision("resnext:WideResNet101_2", "wide_resnet101_2", {}),
    Reference("se_resnet:SEResNet18", "moskomule_se_resnet18"),
    Reference("se_resnet:SEResNet50", "moskomule_se_resnet50"),
    Reference("se_resnet:SEResNet50_timm", "timm_seresnet50"),
    Reference("se_resnet:SEResNet50_cadene", "cadene_se_resnet50"),
    Reference(
        "se_resnet:SEInceptionV3", "moskomule_se_inception_v3", prefix="model.", reordered=True,
        unrun=r".*\.SELayer\..*",
    ),
    _torchvision("densenet:DenseNet121", "densenet121", _ODD),
    _torchvision("densenet:DenseNet161", "densenet161", _ODD),
    _torchvision("densenet:DenseNet169", "densenet169", _ODD),
    _torchvision("densenet:DenseNet201", "densenet201", _ODD),
    _torchvision("squeezenet:SqueezeNet1_0", "squeezenet1_0", _ODD),
    _torchvision("squeezenet:SqueezeNet1_1", "squeezenet1_1", _ODD),
    _torchvision("mobilenet_v2:MobileNetV2", "mobilenet_v2", _ODD),
    _torchvision("mobilenet_v3:MobileNetV3Large", "mobilenet_v3_large", _ODD),
    _torchvision("mobilenet_v3:MobileNetV3Small", "mobilenet_v3_small", _ODD),
    _torchvision("mnasnet:MNASNet0_5", "mnasnet0_5", _ODD),
    _torchvision("mnasnet:MNASNet0_75", "mnasnet0_75", {}),
    _torchvision("mnasnet:MNASNet1_0", "mnasnet1_0", _ODD),
    _torchvision("mnasnet:MNASNet1_3", "mnasnet1_3", {}),
    _torchvision("efficientnet:EfficientNetB0", "efficientnet_b0", _ODD),
    *(_torchvision(f"efficientnet:EfficientNetB{n}", f"efficientnet_b{n}", {}) for n in (1, 2, 3, 4)),
    replace(_torchvision("efficientnet:EfficientNetB5", "efficientnet_b5", _ODD), gain=1.0),
    *(_torchvision(f"efficientnet:EfficientNetB{n}", f"efficientnet_b{n}", {}) for n in (6, 7)),
    _torchvision("convnext:ConvNeXtTiny", "convnext_tiny", {"H": 64, "W": 97}),
    _torchvision("convnext:ConvNeXtSmall", "convnext_small", {}),
    _torchvision("convnext:ConvNeXtBase", "convnext_base", {}),
    _torchvision("convnext:ConvNeXtLarge", "convnext_large", {}),
    Reference("antialiased:AntialiasedResNet18", "antialiased_resnet18"),
    Reference("antialiased:AntialiasedResNet50", "antialiased_resnet50"),
    Reference("antialiased:ResNetBlur50", "timm_resnetblur50", unsaved=8_640),
    *(_torchvision(f"shufflenet_v2:ShuffleNetV2_{size}", f"shufflenet_v2_{size}", _ODD) for size in ("x0_5", "x2_0")),
    *(_torchvision(f"shufflenet_v2:ShuffleNetV2_{size}", f"shufflenet_v2_{size}", {}) for size in ("x1_0", "x1_5")),
    *(
        _torchvision(f"regnet:RegNet{kind}_{size}", f"regnet_{kind}_{size}".lower(), _ODD if size == "400MF" else {})
        for kind in "XY"
        for size in ("400MF", "800MF", "1_6GF", "3_2GF", "8GF", "16GF", "32GF")
    ),
    *(_torchvision(f"efficientnet_v2:EfficientNetV2{size}", f"efficientnet_v2_{size.lower()}", {}) for size in "ML"),
    replace(_torchvision("efficientnet_v2:EfficientNetV2S", "efficientnet_v2_s", _ODD), gain=1.0),
    _torchvision("video_resnet:R3D18", "video.r3d_18", {"T": 5, "H": 33, "W": 46}),
    _torchvision("video_resnet:MC3_18", "video.mc3_18", {"T": 5, "H": 33, "W": 46}),
    _torchvision("video_resnet:R2Plus1D18", "video.r2plus1d_18", {"T": 5, "H": 33, "W": 46}),
    *_segmentation("fcn:FCNResNet50", "fcn_resnet50", _ODD),
    *_segmentation("fcn:FCNResNet101", "fcn_resnet101", {}),
    *_segmentation("deeplab_v3:DeepLabV3ResNet50", "deeplabv3_resnet50", _ODD),
    *_segmentation("deeplab_v3:DeepLabV3ResNet101", "deeplabv3_resnet101", {}),
    *_segmentation("deeplab_v3:DeepLabV3MobileNetV3Large", "deeplabv3_mobilenet_v3_large", _ODD),
    _torchvision("lraspp:LRASPP", "segmentation.lraspp_mobilenet_v3_large", _ODD, weights_backbone=None),
    _torchvision(
        "feature_pyramid:ResNet50FPN", "detection.backbone_utils.resnet_fpn_backbone", {"H": 97, "W": 130},
        backbone_name="resnet50", norm_layer=nn.BatchNorm2d, trainable_layers=5,
    ),
    _timm("mobilenet_v1:MobileNetV1", "mobilenetv1_100", _ODD),
    _timm("mobilenet_v1:MobileNetV1_125", "mobilenetv1_125"),
    _timm("inception_v4:InceptionV4", "inception_v4", {"H": 107, "W": 111}),
    _timm("inception_resnet_v2:InceptionResNetV2", "inception_resnet_v2", {"H": 107, "W": 111}),
    _timm("xception:Xception", "legacy_xception", _ODD),
    *(
        replace(_timm(f"resnet_v2:ResNetV2_{size}", f"resnetv2_{size}", _ODD if size in (18, 50) else None), reordered=True)
        for size in (18, 34, 50, 101, 152)
    ),
    *(
        replace(_timm(f"repvgg:RepVGG_{size}", f"repvgg_{size.lower()}", _ODD if size == "A0" else None), reordered=True)
        for size in ("A0", "A1", "A2", "B0", "B1", "B2", "B3")
    ),
    replace(_timm("repvgg:RepVGG_A0_Deployed", "repvgg_a0", _EVEN), deployed=True),
    _timm("mlp_mixer:Mixer_S32", "mixer_s32_224", {"N": 1}),
    *(_timm(f"mlp_mixer:Mixer_{size}", f"mixer_{size.lower()}_224") for size in ("S16", "B32", "B16", "L32", "L16")),
    _timm("convmixer:ConvMixer1536_20", "convmixer_1536_20"),
    _timm("convmixer:ConvMixer1024_20", "convmixer_1024_20_ks9_p14", _EVEN),
    _timm("convmixer:ConvMixer768_32", "convmixer_768_32", _ODD),
    *(
        _timm(f"poolformer:PoolFormer_{size}", f"poolformer_{size.lower()}", _ODD if size == "S12" else None)
        for size in ("S12", "S24", "S36", "M36", "M48")
    ),
    _timm("cspdarknet:CSPDarknet53", "cspdarknet53", _ODD),
    replace(_timm("hrnet:HRNet_W18", "hrnet_w18", {"H": 64, "W": 93}), reordered=True),
    replace(_timm("hrnet:HRNet_W32", "hrnet_w32"), reordered=True),
    *(_timm(f"dpn:DPN{size}", f"dpn{size}", _ODD if size == 68 else None) for size in (68, 92, 98, 131, 107)),
    *(_torchvision(f"vit:ViT_{size}", f"vit_{size.lower()}", {"N": 1} if size == "B_32" else {}) for size in VITS),
    *(
        _timm(f"vit:DeiT{size}Distilled", f"deit_{size.lower()}_distilled_patch16_224", {"N": 1} if size == "Tiny" else None)
        for size in ("Tiny", "Small", "Base")
    ),
    *(
        replace(_torchvision(f"swin:Swin{size}", f"swin_{size[0].lower()}", small), reordered=True)
        for size, small in (("Tiny", {"H": 100, "W": 214}), ("Small", {}), ("Base", {}))
    ),
    *(
        replace(_timm(f"cait:CaiT_{size}", f"cait_{size.lower()}_{image}", small), reordered=True)
        for size, image, small in (("XXS24", 224, {"N": 1}), ("XXS36", 224, None), ("S24", 224, None), ("M36", 384, None))
    ),
    replace(_timm("beit:BEiT_B_16", "beit_base_patch16_224"), unsaved=474_924),
    replace(_timm("beit:BEiT_L_16", "beit_large_patch16_224"), unsaved=955_992),
    replace(
        _timm("beit:BEiT_B_16", "beit_base_patch16_224", {"N": 2}, embed_dim=48, depth=2, num_heads=4, img_size=48),
        settings={"width": 48, "depth": 2, "heads": 4, "size": 48},
        unsaved=296,
    ),
    Reference("vit:ViTBaseModel", "hf_vit_base", reordered=True),
    Reference("vit:DeiTTinyWithTeacher", "hf_deit_tiny_distilled", reordered=True),
    Reference("swin:SwinTinyModel", "hf_swin_tiny", reordered=True, unsaved=28_812),
    Reference("transformer:EncoderTiny", "torch_transformer_encoder_prenorm", reordered=True),
    Reference("clip:CLIPTiny", "hf_clip_tiny_eos", reordered=True, unsaved=33),
    Reference("clip:CLIP_B_32", "hf_clip_vit_b32", reordered=True, unsaved=127),
    Reference("gpt2:GPT2Tiny", "hf_gpt2_tiny"),
    Reference("gpt2:GPT2Small", "hf_gpt2_small"),
    Reference("bert:BertModel", "hf_bert_base", unsaved=1024),
    Reference("bert:BertTinyMaskedLM", "hf_bert_tiny_mlm_padded", unsaved=64),
    Reference("llama:LlamaTiny", "hf_llama_tiny", reordered=True, unsaved=8),
    Reference("llama:MistralTiny", "hf_mistral_tiny_window", reordered=True, unsaved=16),
    Reference("llama:Llama2_7B", "hf_llama_2_7b", reordered=True, unsaved=128),
    Reference("llama:Llama3_8B", "hf_llama_3_8b", reordered=True, unsaved=128),
    Reference("mixtral:MixtralTiny", "hf_mixtral_tiny", reordered=True, unsaved=16),
    Reference("mixtral:Mixtral8x7B", "hf_mixtral_8x7b", reordered=True, unsaved=128),
    Reference("retinanet:RetinaNetHead", "tv_retinanet_head", inside="head."),
    Reference("feature_pyramid:FPN", "tv_fpn_fasterrcnn", inside="fpn."),
    Reference("selective_scan:MambaTiny", "hf_mamba_tiny", reordered=True),

    Reference("whisper:WhisperTiny", "hf_whisper_tiny", frozen=1500 * 384, reordered=True),
    Reference("conformer:ConformerTiny", "hf_wav2vec2_conformer_rotary_tiny", reordered=True),
    Reference("lstm:CharLM", "own_char_lm_lstm"),
    Reference("ddpm:UNet2DTiny", "diffusers_unet2d_tiny", reordered=True),
    Reference("ddpm:DDPMCifar10", "diffusers_unet2d_ddpm_cifar10", reordered=True),
    Reference("autoencoder_kl:AutoencoderKLTiny", "diffusers_autoencoder_kl_tiny", reordered=True),
    Reference("nin:NiN", "d2l_nin", prefix="net."),
    Reference("googlenet:GoogLeNet", "tv_googlenet_aux_eval", torchvision=("googlenet", _AUX), small=_ODD),
    Reference("googlenet:GoogLeNet", "tv_googlenet_noaux", {"aux": False}, ("googlenet", _NO_AUX), small=_EVEN),
    Reference("googlenet:GoogLeNet", "tv_googlenet_aux_train_b2", training=True),
    Reference("googlenet:GoogLeNetPaper", "d2l_googlenet", {"channels": 1, "classes": 10}),
    Reference("inception_module:InceptionModule", "d2l_inception_3a_module", inside="0."),
    Reference("inception_v3:InceptionV3", "tv_inception_v3_aux_eval", torchvision=("inception_v3", _AUX)),
    Reference(
        "inception_v3:InceptionV3", "tv_inception_v3_noaux", {"aux": False}, ("inception_v3", _NO_AUX),
        small={"H": 107, "W": 111},
    ),
    Reference("inception_v3:InceptionV3", "tv_inception_v3_aux_train_b2", training=True),
    Reference("unet:UNet", "unet_milesial"),
    Reference("unet:UNetBilinear", "unet_milesial_bilinear"),
    Reference("unet:UNetOriginal", "unet_original_jvanvugt"),
    Reference("unetpp:UNetPlusPlus", "unetpp_4uiiurz1"),
    Reference("unetpp:UNetPlusPlusDeep", "unetpp_4uiiurz1_ds"),
    Reference("unet3d:UNet3D", "unet3d_wolny_f64_l4"),
    Reference("unet3d:ResidualUNet3D", "residual_unet3d_wolny"),
    Reference("nnunet:NNUNet2D", "nnunet_plain2d_512", reordered=True),
    Reference("nnunet:NNUNet3D", "nnunet_plain3d_128", reordered=True),
    Reference("nnunet:NNUNet3DDeep", "nnunet_plain3d_128_ds", reordered=True),
    Reference("nnunet:NNUNetAnisotropic", "nnunet_plain3d_aniso_20x320x256", reordered=True),
    Reference("hdenseunet:DenseUNet2D", "hdenseunet_2d_denseunet"),
    Reference("hdenseunet:HDenseUNet3DStage", "hdenseunet_3d_stage", frozen=45_082_275),
    Reference("hdenseunet:HDenseUNet", "hdenseunet_hybrid", frozen=244_256),
    Reference("vae:VAE", "vae_mlp_pytorch_examples", unit=True),
    Reference("vae:CVAE", "cvae_mlp_timbmg", unit=True),
    Reference("vae:ConvVAE", "antixk_VanillaVAE"),
    Reference("gan:Generator", "erik_gan_Generator"),
    Reference("gan:Discriminator", "erik_gan_Discriminator"),
    Reference("gan:Discriminator", "erik_wgan_gp_Discriminator", {"probability": False}),
    Reference("gan:ConditionalGenerator", "erik_cgan_Generator"),
    Reference("gan:ConditionalDiscriminator", "erik_cgan_Discriminator"),
    Reference("dcgan:Generator", "dcgan_pytorch_examples_G"),
    Reference("dcgan:Discriminator", "dcgan_pytorch_examples_D"),
    Reference("wgan:Generator", "wgan_arjovsky_DCGAN_G"),
    Reference("wgan:Critic", "wgan_arjovsky_DCGAN_D"),
    Reference("wgan:DigitGenerator", "wgangp_gulrajani_mnist_G"),
    Reference("wgan:DigitCritic", "wgangp_gulrajani_mnist_D"),
    Reference("pix2pix:Generator", "erik_pix2pix_GeneratorUNet"),
    Reference("pix2pix:Discriminator", "erik_pix2pix_Discriminator"),
    Reference("cyclegan:Generator", "erik_cyclegan_GeneratorResNet"),
    Reference("cyclegan:Discriminator", "erik_cyclegan_Discriminator"),
    Reference("super_resolution:Generator", "erik_srgan_GeneratorResNet"),
    Reference("super_resolution:Discriminator", "erik_srgan_Discriminator"),
    Reference("super_resolution:ESPCN", "espcn_super_resolution_x3"),
    Reference("progan:Generator", "progan_official_G_1024"),
    Reference("progan:Discriminator", "progan_official_D_1024"),
    Reference(
        "progan:ConditionalGenerator", "progan_rosinality_G_step3_32", {"fading": False},
        beside=r"progression\.[45]\..*|to_rgb\.[01245]\..*",
    ),
    Reference(
        "progan:ConditionalDiscriminator", "progan_rosinality_D_step3_32", {"fading": False}, reordered=True,
        beside=r"progression\.[01]\..*|from_rgb\.[01345]\..*",
    ),
    Reference(
        "stylegan:Generator", "stylegan1_rosinality_G_step4_64", {"level": 4, "fading": False}, reordered=True,
        beside=r"generator\.(progression\.[5-8]|to_rgb\.[0-35-8])\..*|.*\.weight_flip",
    ),
    Reference(
        "stylegan:Discriminator", "stylegan1_rosinality_D_step4_64", {"level": 4, "fading": False}, reordered=True,
        beside=r"(progression\.[0-3]|from_rgb\.[0-35-8])\..*|.*\.weight_flip",
    ),
    Reference("stylegan:OfficialGenerator", "stylegan_official_G_1024"),
    Reference("nvae:NVAE", "nvae_cifar10_nf1", reordered=True),
    Reference(
        "hnet:HNet", "hnet_debjani_deepmnist", {"invariant": False}, inputs=((1, 1, 28, 28),), reordered=True,
        beside=r".*_dict_-1",
    ),
    Reference(
        "nvae:NVAE", "nvae_mnist",
        {"channels": 1, "width": 32, "groups": [10, 5], "flows": 0, "preprocess": 2, "preprocess_cells": 3, "outputs": 1},
        reordered=True,
    ),
    Reference("lapgan:Generator", "lapgan_eyescream_c2f_G"),
    Reference("lapgan:Discriminator", "lapgan_eyescream_c2f_D"),
    Reference("lapgan:ResidualGenerator", "lapgan_witnessai_G0_32", reordered=True),
    Reference("lapgan:ResidualDiscriminator", "lapgan_witnessai_D0_32", reordered=True),
)  # fmt: skip


@cache
def _figures() -> Mapping[str, Mapping[str, Any]]:
    return json.loads((TRUTH / "figures.json").read_text(encoding="utf-8"))
