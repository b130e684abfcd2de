"""Models that give numbers: CLIP, SigLIP, a classifier of images, one of videos."""

from __future__ import annotations

from pathlib import Path

from tests.models.tiny.parts import EOS, end_ids, make_tokenizer, quiet, random_model, save


def make_clip(folder: Path, seed: int = 0, *, dimension: int = 12) -> Path:
    """CLIP: 28 x 28 pixels, features of `dimension` numbers."""
    transformers = quiet()
    tokenizer = make_tokenizer(("<|startoftext|>",), wrap=("<|startoftext|>", EOS), longest=16)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={
            **size, "intermediate_size": 32, "vocab_size": len(tokenizer),
            "max_position_embeddings": 16, **end_ids(tokenizer),
        },
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
        projection_dim=dimension,
    )  # fmt: skip
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    model = random_model(transformers.CLIPModel, config, seed)
    return save(folder, model, transformers.CLIPProcessor(images, tokenizer))


def make_siglip(folder: Path, seed: int = 0) -> Path:
    """SigLIP: 28 x 28 pixels, features of 16 numbers."""
    transformers = quiet()
    tokenizer = make_tokenizer(wrap=("", EOS), longest=16)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.SiglipConfig(
        text_config={
            **size, "intermediate_size": 32, "vocab_size": len(tokenizer),
            "max_position_embeddings": 16, **end_ids(tokenizer),
        },
        vision_config={**size, "intermediate_size": 32, "image_size": 28, "patch_size": 14},
    )  # fmt: skip
    images = transformers.SiglipImageProcessor(size={"height": 28, "width": 28})
    model = random_model(transformers.SiglipModel, config, seed)
    return save(folder, model, transformers.SiglipProcessor(images, tokenizer))


def make_image_classifier(
    folder: Path, seed: int = 0, labels: tuple[str, ...] = ("normal", "nsfw")
) -> Path:
    """A ViT with a head for the labels."""
    transformers = quiet()
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=28, patch_size=14, id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
    )  # fmt: skip
    model = random_model(transformers.ViTForImageClassification, config, seed)
    images = transformers.ViTImageProcessor(size={"height": 28, "width": 28})
    return save(folder, model, images)


def make_videomae(folder: Path, seed: int = 0, *, frames: int = 16) -> Path:
    """A fine-tuned VideoMAE: 32 x 32 pixels, features of 8 numbers; no processor beside it."""
    transformers = quiet()
    config = transformers.VideoMAEConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=16, num_frames=frames, tubelet_size=2, num_labels=5,
    )  # fmt: skip
    random_model(transformers.VideoMAEForVideoClassification, config, seed).save_pretrained(folder)
    return folder
