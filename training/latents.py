"""The autoencoder: CogVideoX's own class with weights set by hand, so that latents are the pixels in -1..1.

Nothing is learnt here. The decoder's last norm adds a linear map of the latents to zero times the rest; the
map gives x and -x, and silu(x) - silu(-x) = x. Only the decoder is of use: text-to-video never encodes.
"""

import torch
from diffusers import AutoencoderKLCogVideoX

CHANNELS = 3


def build_autoencoder(side: int) -> AutoencoderKLCogVideoX:
    """Build the autoencoder whose decoder is the identity."""
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",),
        up_block_types=("CogVideoXUpBlock3D",),
        block_out_channels=(2 * CHANNELS,),
        latent_channels=CHANNELS,
        layers_per_block=1,
        norm_num_groups=1,
        temporal_compression_ratio=1,
        sample_height=side,
        sample_width=side,
        scaling_factor=1.0,
    )
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.zero_()
        decoder = vae.decoder
        for channel in range(CHANNELS):
            for sign, row in ((1, channel), (-1, channel + CHANNELS)):
                decoder.norm_out.conv_b.conv.weight[row, channel] = sign
                decoder.conv_out.conv.weight[channel, row, -1, 1, 1] = sign  # this frame, this pixel
    return vae.eval()
