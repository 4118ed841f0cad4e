"""What a player's towers are taught with: which actions are best ones, and to choose the one to prefer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def choice_loss(scores: Tensor, best: Tensor, legal: Tensor, preferred: Tensor) -> Tensor:
    """How far each action's score is from telling whether it is a best one, and how likely none to prefer is chosen.

    scores, best, legal, preferred: float32 [batch, actions, 64]; the choice is among a place's actions, or among a
    board's cells. Where legal and preferred aren't 0 they say how much that place counts.
    """
    told = nn.functional.binary_cross_entropy_with_logits(scores, best, reduction="none")
    choices = scores if scores.shape[1] > 1 else scores.transpose(1, 2)
    good = preferred if scores.shape[1] > 1 else preferred.transpose(1, 2)
    allowed = legal if scores.shape[1] > 1 else legal.transpose(1, 2)
    log = torch.log_softmax(choices.masked_fill(allowed == 0, -30.0), 1)
    likely = torch.logsumexp(log.masked_fill(good == 0, -30.0), 1)
    asked = good.amax(1)
    return (told * legal).sum() / legal.sum() - (likely * asked).sum() / asked.sum()
