"""Build the transformer of CogVideoX's own class, and train it on some frames of a clip."""

import torch
import torch.nn.functional as F
from diffusers import CogVideoXTransformer3DModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from training.network.dials import COUNT
from training.network.latents import CHANNELS, LATENT_SIDE
from training.network.text import MAX_WORDS, WIDTH
from training.scenes.domain import FRAMES

PATCH = 8  # latents
GRID = LATENT_SIDE // PATCH
QUIET = 0.1  # scale of the patch weights at the start: pure noise only carries the dials


def build_transformer(heads: int = 4, layers: int = 4) -> CogVideoXTransformer3DModel:
    """Build the untrained transformer, with fixed positions as in CogVideoX-2b."""
    model = CogVideoXTransformer3DModel(
        num_attention_heads=heads,
        attention_head_dim=64,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        time_embed_dim=64,
        text_embed_dim=WIDTH,
        num_layers=layers,
        sample_width=LATENT_SIDE,
        sample_height=LATENT_SIDE,
        sample_frames=FRAMES,
        patch_size=PATCH,
        temporal_compression_ratio=1,
        max_text_seq_length=MAX_WORDS,
        spatial_interpolation_scale=1.0,
        temporal_interpolation_scale=1.0,
    )
    for block in model.transformer_blocks:
        for norm in (block.norm1, block.norm2):
            _open_gates(norm.linear)
    nn.init.zeros_(model.norm_out.linear.weight)
    nn.init.zeros_(model.norm_out.linear.bias)
    nn.init.normal_(model.proj_out.weight, std=0.02)
    _read_dials(model)
    return model


def _open_gates(linear: nn.Linear) -> None:
    """Start with no shift or scale and half-open gates, so that every block works from the first step."""
    nn.init.zeros_(linear.weight)
    shift, scale, gate = linear.bias.data.view(2, 3, -1).unbind(1)
    shift.zero_()
    scale.zero_()
    gate.fill_(0.5)


@torch.no_grad()
def _read_dials(model: CogVideoXTransformer3DModel) -> None:
    """Start the first head of the first block as a reader of the dials. Training changes it slowly.

    Six features of a patch start as its share of the six sums. The head averages them over the first frame.
    From random weights, training takes long to find the sums.
    """
    embed, attention = model.patch_embed, model.transformer_blocks[0].attn1
    size, count = attention.to_k.out_features // attention.heads, COUNT
    when = model.config.num_attention_heads * 64 // 4  # features for time come first
    embed.proj.weight *= QUIET
    for layer in (embed.proj, embed.text_proj):
        layer.weight[:when] = layer.weight[-count:] = 0
        layer.bias[:when] = layer.bias[-count:] = 0
    for dial in range(count):
        embed.proj.weight[dial - count, dial] = 1 / PATCH
    for layer in (attention.to_q, attention.to_k, attention.to_v):
        layer.weight[:size] = 0
        layer.bias[:size] = 0
    # The key measures how much a frame is the first one; the query always looks for that.
    states = F.layer_norm(embed.pos_embedding[0, MAX_WORDS:].float(), (attention.to_k.in_features,))[:, :when]
    is_first = (torch.arange(len(states)) < GRID * GRID).float() - 0.1
    centred = states - states.mean(0)
    tell = torch.linalg.solve(centred.T @ centred + 0.5 * torch.eye(when), centred.T @ is_first)
    attention.to_k.weight[0, :when] = 4 * tell
    attention.to_k.bias[0] = 4 * (is_first.mean() - states.mean(0) @ tell)
    attention.to_k.bias[1] = 1
    attention.to_q.bias[:size] = F.one_hot(torch.tensor(0), size)
    attention.to_v.weight[:count, -count:] = 4 * torch.eye(count)
    loud = torch.randint(0, 2, attention.to_out[0].weight[:, :count].shape) - 0.5
    attention.to_out[0].weight[:, :count] = loud


def to_patches(video: Tensor) -> Tensor:
    """Cut (batch, frames, channels, side, side) into patches (batch, frames * grid * grid, values)."""
    batch, frames, channels = video.shape[:3]
    cut = video.view(batch, frames, channels, GRID, PATCH, GRID, PATCH).permute(0, 1, 3, 5, 2, 4, 6)
    return cut.reshape(batch, frames * GRID * GRID, channels * PATCH * PATCH)


class ManualAttention:
    """Attention by plain matrix products. In training on a CPU it is faster than the fused kernel."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: None = None,
        image_rotary_emb: None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend over text and video together; return the video's and the text's part."""
        joint = torch.cat([encoder_hidden_states, hidden_states], dim=1)
        layers = (attn.to_q, attn.to_k, attn.to_v)
        query, key, value = (layer(joint).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for layer in layers)
        query, key = attn.norm_q(query), attn.norm_k(key)
        weights = (query @ key.transpose(-1, -2) * attn.scale).softmax(-1)
        mixed = attn.to_out[0]((weights.to(value.dtype) @ value).transpose(1, 2).flatten(2))
        words = encoder_hidden_states.shape[1]
        return mixed[:, words:], mixed[:, :words]


class Trainee(nn.Module):
    """Runs the transformer on chosen frames. On all frames it returns what its own forward returns."""

    def __init__(self, model: CogVideoXTransformer3DModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, patches: Tensor, frames: Tensor, text: Tensor, time: Tensor) -> Tensor:
        """Predict clean patches from noisy ones of the frames (batch, count), the text and the time."""
        model = self.model
        embed = model.patch_embed
        emb = model.time_embedding(model.time_proj(time))
        # A matrix product, because some bf16 patch convolutions of oneDNN return wrong numbers.
        video = F.linear(patches, embed.proj.weight.flatten(1), embed.proj.bias)
        positions = embed.pos_embedding[0, MAX_WORDS:].view(FRAMES, GRID * GRID, -1)[frames].flatten(1, 2)
        video, words = video + positions.to(video.dtype), embed.text_proj(text)
        for block in model.transformer_blocks:
            video, words = block(video, words, emb)
        clean: Tensor = model.proj_out(model.norm_out(model.norm_final(video), temb=emb))
        return clean
