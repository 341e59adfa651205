"""Build the text side: a word tokenizer that also lower-cases when loaded, and a small trained T5."""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from training.scenes.captions import LONGEST, training_pair
from training.scenes.domain import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    SHAPES,
    SIZES,
    WIDER,
    Domain,
    Scene,
    draw_scene,
)
from training.scenes.words import FILLERS, MEANINGS, VERBS

MAX_WORDS = LONGEST + 1  # and the end mark
WIDTH = 128
SLOTS = 2  # things in a caption at most
ATTRIBUTES = {"colour": COLOURS, "shape": SHAPES, "motion": MOTIONS, "size": SIZES}
WIDTHS = [len(values) for values in ATTRIBUTES.values()]


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build a tokenizer of whole words; other characters than letters and digits only separate them.

    It is not a T5Tokenizer: that class rebuilds its normalizer on loading and would forget lower-casing.
    """
    words = ["<pad>", "</s>", "<unk>", *sorted(set(MEANINGS) | set(VERBS) | set(FILLERS))]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[^\p{L}\p{N}]+"), "removed")
    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=MAX_WORDS,
        model_input_names=["input_ids", "attention_mask"],
    )


def tokens(tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> Tensor:
    """Return word numbers (batch, MAX_WORDS), as CogVideoXPipeline does."""
    options = {"padding": "max_length", "max_length": MAX_WORDS, "truncation": True, "return_tensors": "pt"}
    numbers: Tensor = tokenizer(prompts, **options).input_ids
    return numbers


def build_encoder(words: int) -> T5EncoderModel:
    """Build the untrained encoder."""
    config = T5Config(
        vocab_size=words, d_model=WIDTH, d_kv=32, d_ff=256, num_layers=3, num_heads=4, dropout_rate=0.0,
        feed_forward_proj="gated-gelu", relative_attention_num_buckets=16, relative_attention_max_distance=32,
        is_encoder_decoder=False, use_cache=False, tie_word_embeddings=False, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    encoder = T5EncoderModel(config)
    _look_at_neighbours(encoder)
    return encoder


def _look_at_neighbours(encoder: T5EncoderModel) -> None:
    """Start each head on one of the nearest words, which speeds up learning what a colour belongs to."""
    bias = encoder.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    nn.init.zeros_(bias)
    for head, bucket in enumerate((9, 1, 10, 2)):  # T5's buckets for the words at +1, -1, +2, -2
        bias.data[bucket, head] = 4.0


@dataclass(frozen=True)
class Meaning:
    """What a batch of captions means, as class numbers: (batch, slots, attributes) and (batch,)."""

    things: Tensor  # -1 where a thing is missing
    background: Tensor


def meaning(scenes: list[Scene]) -> Meaning:
    """Number the attributes of scenes."""
    things = torch.full((len(scenes), SLOTS, len(ATTRIBUTES)), -1)
    for i, scene in enumerate(scenes):
        for slot, thing in enumerate(scene.things):
            row = [values.index(getattr(thing, name)) for name, values in ATTRIBUTES.items()]
            things[i, slot] = torch.tensor(row)
    return Meaning(things, torch.tensor([BACKGROUNDS.index(scene.background) for scene in scenes]))


class Heads(nn.Module):
    """Reads every attribute from every token, to train the encoder only."""

    def __init__(self) -> None:
        super().__init__()
        self.things = nn.ModuleList(nn.Linear(WIDTH, sum(WIDTHS) + 1) for _ in range(SLOTS))
        self.background = nn.Linear(WIDTH, len(BACKGROUNDS))

    def forward(self, hidden: Tensor, wanted: Meaning) -> tuple[Tensor, Tensor]:
        """Return the loss over all tokens, and per caption whether its last token has everything right."""
        losses, right = [self._loss(self.background(hidden), wanted.background)], []
        right.append(self.background(hidden[:, -1]).argmax(-1) == wanted.background)
        for slot, head in enumerate(self.things):
            *attributes, there = head(hidden).split([*WIDTHS, 1], dim=-1)
            present = wanted.things[:, slot, 0] >= 0
            target = present.float()[:, None].expand(there.shape[:2])
            losses.append(F.binary_cross_entropy_with_logits(there[..., 0], target))
            for i, logits in enumerate(attributes):
                losses.append(self._loss(logits, wanted.things[:, slot, i]))
                right.append((logits[:, -1].argmax(-1) == wanted.things[:, slot, i]) | ~present)
        return torch.stack(losses).sum(), torch.stack(right).all(0)

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        every = target[:, None].expand(logits.shape[:2]).reshape(-1)
        total = F.cross_entropy(logits.flatten(0, 1), every, ignore_index=-1, reduction="sum")
        return total / every.numel()


def text_batch(domain: Domain, size: int, rng: random.Random) -> tuple[list[Scene], list[str]]:
    """Draw scenes of all combinations with captions, also those that the transformer never sees."""
    pairs = [training_pair(draw_scene(domain, rng, unseen=rng.random() < 0.2), rng) for _ in range(size)]
    return [scene for scene, _ in pairs], [words for _, words in pairs]


def train_encoder(seed: int, folder: Path, steps: int = 3000) -> None:
    """Train a new encoder to put the meaning of a caption on each of its tokens, and save it.

    It learns all words, whatever the domain of the transformer.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = build_tokenizer()
    encoder, heads = build_encoder(len(tokenizer)), Heads()
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        scenes, prompts = text_batch(WIDER, 64, rng)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = encoder(tokens(tokenizer, prompts))[0]
        loss, right = heads(hidden.float(), meaning(scenes))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 249:
            print(
                f"text {step + 1}: loss {loss:.3f}, captions understood {right.float().mean():.0%}",
                flush=True,
            )
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_encoder(folder: Path) -> tuple[PreTrainedTokenizerFast, T5EncoderModel]:
    """Load the tokenizer and the frozen encoder."""
    encoder = T5EncoderModel.from_pretrained(folder, dtype=torch.float32)
    return PreTrainedTokenizerFast.from_pretrained(folder), encoder.eval().requires_grad_(False)


def embed(encoder: T5EncoderModel, ids: Tensor) -> Tensor:
    """Return the text embeddings (batch, MAX_WORDS, WIDTH), as CogVideoXPipeline computes them."""
    with torch.no_grad():
        embeddings: Tensor = encoder(ids)[0]
        return embeddings
