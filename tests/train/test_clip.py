import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from indexer.errors import UsageError
from indexer.train.clip import CLIP, CLIPConfig, HeadsConfig, HeadsOnly, reset_scale
from indexer.train.method import Method
from indexer.train.schedules import Recipe, optimiser
from tests.clip_models import TINY, random_model
from tests.train.parts import Rows, cosine, rows, state

RESNET: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
    "text_cfg": TINY["text_cfg"],
}
"""CLIP's own ResNet, whose image tower has batch norms."""
TWO_TOWERS: dict[str, Any] = {**TINY, "custom_text": True}
CONFIGS = [TINY, RESNET, TWO_TOWERS]
NAMES = ["ViT", "ResNet", "two towers"]


def pairs(count: int = 6, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 49000, (count, 16), generator=generator)
    tokens[:, -1] = 49407  # the end of a text, where its features are read
    return torch.randn(count, 3, 32, 32, generator=generator), tokens


def vectors(count: int = 12, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Two linear views of the same hidden things."""
    generator = torch.Generator().manual_seed(seed)
    things = torch.randn(count, 4, generator=generator)
    ways = torch.Generator().manual_seed(99)
    images, texts = torch.randn(4, 10, generator=ways), torch.randn(4, 7, generator=ways)
    return things @ images, things @ texts


def contrast(images: Rows, texts: Rows, scale: float) -> float:
    """Figure 3 of the paper, term by term."""

    def one_way(queries: Rows, answers: Rows) -> float:
        losses = []
        for i, query in enumerate(queries):
            exponentials = [math.exp(scale * cosine(query, answer)) for answer in answers]
            losses.append(-math.log(exponentials[i] / sum(exponentials)))
        return sum(losses) / len(losses)

    return (one_way(images, texts) + one_way(texts, images)) / 2


def step(method: Method, batch: tuple[Tensor, ...], rate: float = 0.01) -> None:
    """What the training loop does."""
    method.train()
    chosen = optimiser(method, Recipe("adamw", rate, 0.1, batch=None), 1)
    method.loss(batch).backward()  # type: ignore[no-untyped-call]
    chosen.step()
    method.after_step(0.5)


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_the_loss_is_that_of_figure_3(config: dict[str, Any]) -> None:
    clip, (pixels, tokens) = CLIP(random_model(config)).eval(), pairs()
    images, texts = rows(clip.model.encode_image(pixels)), rows(clip.model.encode_text(tokens))
    expected = contrast(images, texts, 1 / 0.07)
    assert float(clip.loss((pixels, tokens)).detach()) == pytest.approx(expected, abs=1e-5)


def test_the_loss_is_symmetric_in_pictures_and_texts() -> None:
    images, texts = vectors()
    heads = HeadsOnly(HeadsConfig(10, 7, 5))
    swapped = HeadsOnly(HeadsConfig(7, 10, 5))
    swapped.image_head, swapped.text_head = heads.text_head, heads.image_head
    one, other = heads.loss((images, texts)), swapped.loss((texts, images))
    assert torch.allclose(one, other, atol=1e-6)
    expected = contrast(rows(heads.image_head(images)), rows(heads.text_head(texts)), 1 / 0.07)
    assert float(one.detach()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["towers", "heads"])
def test_the_scale_of_the_logits_begins_at_1_by_007_and_is_clipped_at_100(kind: str) -> None:
    method = CLIP(random_model(TINY)) if kind == "towers" else HeadsOnly(HeadsConfig(10, 7, 5))
    (scale,) = (p for name, p in method.named_parameters() if name.endswith("logit_scale"))
    assert method.figures()["logit_scale"] == pytest.approx(1 / 0.07)
    scale.data.fill_(math.log(99.0))
    method.after_step(0.5)
    assert method.figures()["logit_scale"] == pytest.approx(99)
    scale.data.fill_(5.0)
    method.after_step(0.5)
    assert float(scale.detach()) == np.float32(math.log(100))


def changed(before: dict[str, Tensor], method: Method) -> set[str]:
    return {
        name
        for name, tensor in method.state_dict().items()
        if not torch.equal(tensor, before[name])
    }


def matrices(method: Method) -> set[str]:
    """All parameters but biases and norms, some of which a new ResNet gives no gradient."""
    return {name for name, parameter in method.named_parameters() if parameter.ndim > 1}


def is_image(name: str) -> bool:
    return name.startswith("model.visual.")


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_a_locked_image_tower_does_not_change_by_a_step(config: dict[str, Any]) -> None:
    clip = CLIP(random_model(config), CLIPConfig(lock_image=True))
    before = state(clip)
    step(clip, pairs())
    moved = changed(before, clip)
    assert moved == {name for name, _ in clip.named_parameters() if not is_image(name)}


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_a_locked_text_tower_does_not_change_by_a_step(config: dict[str, Any]) -> None:
    clip = CLIP(random_model(config), CLIPConfig(lock_text=True))
    before = state(clip)
    step(clip, pairs())
    moved = changed(before, clip)
    assert all(is_image(name) or name == "model.logit_scale" for name in moved)
    assert {name for name in matrices(clip) if is_image(name)} <= moved


def test_with_no_tower_locked_both_learn_and_batch_norm_moves() -> None:
    clip = CLIP(random_model(RESNET))
    before = state(clip)
    step(clip, pairs())
    moved = changed(before, clip)
    assert matrices(clip) <= moved
    assert "model.visual.bn1.running_mean" in moved


def test_a_bias_of_the_logits_which_a_softmax_ignores_is_left_alone() -> None:
    clip = CLIP(random_model(TINY, init_logit_bias=-10.0))
    assert not clip.model.logit_bias.requires_grad
    assert clip.model.logit_scale.requires_grad


def test_what_the_model_itself_does_not_train_stays_so() -> None:
    model = random_model(TINY)
    model.visual.positional_embedding.requires_grad_(False)
    assert not CLIP(model).model.visual.positional_embedding.requires_grad


def test_locking_both_towers_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing is left to learn"):
        CLIP(random_model(TINY), CLIPConfig(lock_image=True, lock_text=True))


def test_a_method_restored_from_its_state_gives_the_same_loss() -> None:
    clip, other = CLIP(random_model(RESNET)), CLIP(random_model(RESNET)).train()
    step(clip, pairs())
    other.load_state_dict(state(clip))
    assert torch.equal(other.loss(pairs(seed=2)), clip.loss(pairs(seed=2)))


def test_a_model_that_began_for_another_loss_begins_at_the_papers_temperature() -> None:
    model = random_model(TINY)
    torch.nn.init.constant_(model.logit_scale, 0.0)
    reset_scale(model)
    assert CLIP(model).figures()["logit_scale"] == pytest.approx(1 / 0.07)


def test_a_picture_is_resized_and_cut_to_the_size_of_the_model(photo: Image.Image) -> None:
    (view,) = CLIP(random_model(TINY)).views()(photo)
    assert view.shape == (3, 32, 32)
    assert view.dtype == torch.float32
    white = CLIP(random_model(TINY)).views()(Image.new("RGB", (50, 40), (255, 255, 255)))[0]
    assert float(white[0].mean()) == pytest.approx((1 - 0.48145466) / 0.26862954, abs=1e-4)


def recall(heads: HeadsOnly, batch: tuple[Tensor, Tensor]) -> float:
    """Share of texts whose nearest picture is their own."""
    images, texts = rows(heads.image_head(batch[0])), rows(heads.text_head(batch[1]))
    nearest = [max(range(len(images)), key=lambda i: cosine(images[i], text)) for text in texts]
    return float(np.mean([best == i for i, best in enumerate(nearest)]))


@pytest.mark.parametrize(
    "config",
    [
        HeadsConfig(10, 7, 6),
        HeadsConfig(10, 7, 7, lock_text=True),
        HeadsConfig(10, 7, 6, hidden_dim=16),
    ],
    ids=["linear", "texts as they are", "with a hidden layer"],
)
def test_heads_learn_to_find_pictures_that_they_have_not_seen(config: HeadsConfig) -> None:
    torch.manual_seed(0)
    heads, unseen = HeadsOnly(config), vectors(30, seed=2)
    before = recall(heads, unseen)
    adam = torch.optim.Adam(heads.parameters(), lr=0.01)
    for number in range(200):
        adam.zero_grad()
        heads.loss(vectors(64, seed=100 + number)).backward()  # type: ignore[no-untyped-call]
        adam.step()
        heads.after_step(number / 200)
    assert before < 0.3
    assert recall(heads, unseen) > 0.8


def test_locked_texts_must_be_as_wide_as_the_space() -> None:
    with pytest.raises(UsageError, match="locked texts are 7 wide; dim must be so, not 6"):
        HeadsOnly(HeadsConfig(10, 7, 6, lock_text=True))
