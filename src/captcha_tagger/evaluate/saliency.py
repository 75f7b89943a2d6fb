"""Where a head that pools its features away still looked: Grad-CAM.

Source: Selvaraju et al., "Grad-CAM" (2017), as implemented by captum.
"""

import torch
from torch import Tensor, nn

from captcha_tagger.network.tagger import Tagger


def grad_cam(model: Tagger, pixels: Tensor) -> Tensor:
    """Pixels (batch, channels, height, width) -> maps (batch, labels, rows, columns) in 0..1.

    A map peaks at its label's prob, so that maps compare with a noisy-or's evidence; it is all 0
    where no feature speaks for the label.
    """
    from captum.attr import LayerGradCam  # a second of imports, for this kind of head only

    with torch.no_grad():
        features = model.features(pixels)
        probs = torch.sigmoid(model.head(features))
    # The backbone ran once; each label costs one pass back through the head alone.
    entry = nn.Identity()
    cam = LayerGradCam(nn.Sequential(entry, model.head), entry)
    features.requires_grad_()
    maps = torch.cat(
        [
            cam.attribute(features, label, relu_attributions=True).detach()
            for label in range(probs.shape[1])
        ],
        dim=1,
    )
    peaks = maps.amax((2, 3), keepdim=True)
    return maps / peaks.clamp_min(torch.finfo(maps.dtype).tiny) * probs[:, :, None, None]
